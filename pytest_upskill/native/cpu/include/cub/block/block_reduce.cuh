// cub::BlockReduce: every thread writes its value, and the first thread reduces them in the order of ranks.
#ifndef UPSKILL_CPU_CUB_BLOCK_REDUCE_CUH
#define UPSKILL_CPU_CUB_BLOCK_REDUCE_CUH

#include "../block_storage.cuh"

namespace cub {

enum BlockReduceAlgorithm {
  BLOCK_REDUCE_RAKING_COMMUTATIVE_ONLY,
  BLOCK_REDUCE_RAKING,
  BLOCK_REDUCE_WARP_REDUCTIONS,
  BLOCK_REDUCE_WARP_REDUCTIONS_NONDETERMINISTIC,
};

// The result is the first thread's alone, and the storage can be used again after a barrier: as in CUB.
template <class T, int X, BlockReduceAlgorithm Algorithm = BLOCK_REDUCE_WARP_REDUCTIONS, int Y = 1, int Z = 1,
          int Architecture = 0>
class BlockReduce {
 public:
  using TempStorage = detail::BlockStorage<T, X * Y * Z>;

  UPSKILL_CPU_INLINE explicit BlockReduce(TempStorage& storage) : storage_(storage) {}

  template <class Operation>
  UPSKILL_CPU_INLINE T Reduce(T value, Operation operation, int valid = X * Y * Z, UPSKILL_CPU_LINE) {
    const int rank = detail::rank();
    if (rank < valid) storage_[rank] = value;
    __syncthreads(line);
    if (rank != 0) return value;
    for (int i = 1; i < valid; ++i) value = operation(value, static_cast<T>(storage_[i]));
    return value;
  }
  template <int Items, class Operation>
  UPSKILL_CPU_INLINE T Reduce(T (&items)[Items], Operation operation, UPSKILL_CPU_LINE) {
    T value = items[0];
    for (int i = 1; i < Items; ++i) value = operation(value, items[i]);
    return Reduce(value, operation, X * Y * Z, line);
  }
  UPSKILL_CPU_INLINE T Sum(T value, int valid = X * Y * Z, UPSKILL_CPU_LINE) {
    return Reduce(value, detail::Add(), valid, line);
  }
  template <int Items>
  UPSKILL_CPU_INLINE T Sum(T (&items)[Items], UPSKILL_CPU_LINE) {
    return Reduce(items, detail::Add(), line);
  }

 private:
  TempStorage& storage_;
};

}  // namespace cub

#endif  // UPSKILL_CPU_CUB_BLOCK_REDUCE_CUH
