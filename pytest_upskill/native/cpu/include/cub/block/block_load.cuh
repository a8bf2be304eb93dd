// cub::BlockLoad: consecutive items for each thread, or striped ones.
#ifndef UPSKILL_CPU_CUB_BLOCK_LOAD_CUH
#define UPSKILL_CPU_CUB_BLOCK_LOAD_CUH

#include "../block_storage.cuh"

namespace cub {

enum BlockLoadAlgorithm {
  BLOCK_LOAD_DIRECT,
  BLOCK_LOAD_STRIPED,
  BLOCK_LOAD_VECTORIZE,
  BLOCK_LOAD_TRANSPOSE,
  BLOCK_LOAD_WARP_TRANSPOSE,
  BLOCK_LOAD_WARP_TRANSPOSE_TIMESLICED,
};

template <class T, int X, int Items, BlockLoadAlgorithm Algorithm = BLOCK_LOAD_DIRECT, int Y = 1, int Z = 1,
          int Architecture = 0>
class BlockLoad {
 public:
  using TempStorage = detail::NoStorage;

  BlockLoad() = default;
  UPSKILL_CPU_INLINE explicit BlockLoad(TempStorage&) {}

  template <class Input>
  UPSKILL_CPU_INLINE void Load(Input in, T (&items)[Items]) {
    for (int i = 0; i < Items; ++i) items[i] = in[place(i)];
  }
  template <class Input>
  UPSKILL_CPU_INLINE void Load(Input in, T (&items)[Items], int valid) {
    for (int i = 0; i < Items; ++i)
      if (place(i) < valid) items[i] = in[place(i)];
  }
  template <class Input, class Default>
  UPSKILL_CPU_INLINE void Load(Input in, T (&items)[Items], int valid, Default otherwise) {
    for (int i = 0; i < Items; ++i) items[i] = place(i) < valid ? static_cast<T>(in[place(i)]) : T(otherwise);
  }

 private:
  UPSKILL_CPU_INLINE static int place(int i) {
    return Algorithm == BLOCK_LOAD_STRIPED ? i * X * Y * Z + detail::rank() : detail::rank() * Items + i;
  }
};

}  // namespace cub

#endif  // UPSKILL_CPU_CUB_BLOCK_LOAD_CUH
