// cub::BlockStore: consecutive items of each thread, or striped ones.
#ifndef UPSKILL_CPU_CUB_BLOCK_STORE_CUH
#define UPSKILL_CPU_CUB_BLOCK_STORE_CUH

#include "../block_storage.cuh"

namespace cub {

enum BlockStoreAlgorithm {
  BLOCK_STORE_DIRECT,
  BLOCK_STORE_STRIPED,
  BLOCK_STORE_VECTORIZE,
  BLOCK_STORE_TRANSPOSE,
  BLOCK_STORE_WARP_TRANSPOSE,
  BLOCK_STORE_WARP_TRANSPOSE_TIMESLICED,
};

template <class T, int X, int Items, BlockStoreAlgorithm Algorithm = BLOCK_STORE_DIRECT, int Y = 1, int Z = 1,
          int Architecture = 0>
class BlockStore {
 public:
  using TempStorage = detail::NoStorage;

  BlockStore() = default;
  UPSKILL_CPU_INLINE explicit BlockStore(TempStorage&) {}

  template <class Output>
  UPSKILL_CPU_INLINE void Store(Output out, T (&items)[Items]) {
    for (int i = 0; i < Items; ++i) out[place(i)] = items[i];
  }
  template <class Output>
  UPSKILL_CPU_INLINE void Store(Output out, T (&items)[Items], int valid) {
    for (int i = 0; i < Items; ++i)
      if (place(i) < valid) out[place(i)] = items[i];
  }

 private:
  UPSKILL_CPU_INLINE static int place(int i) {
    return Algorithm == BLOCK_STORE_STRIPED ? i * X * Y * Z + detail::rank() : detail::rank() * Items + i;
  }
};

}  // namespace cub

#endif  // UPSKILL_CPU_CUB_BLOCK_STORE_CUH
