// cub::BlockScan: the first thread scans all values in the order of ranks.
#ifndef UPSKILL_CPU_CUB_BLOCK_SCAN_CUH
#define UPSKILL_CPU_CUB_BLOCK_SCAN_CUH

#include "../block_storage.cuh"

namespace cub {

enum BlockScanAlgorithm { BLOCK_SCAN_RAKING, BLOCK_SCAN_RAKING_MEMOIZE, BLOCK_SCAN_WARP_SCANS };

template <class T, int X, BlockScanAlgorithm Algorithm = BLOCK_SCAN_RAKING, int Y = 1, int Z = 1, int Architecture = 0>
class BlockScan {
  static constexpr int threads = X * Y * Z;

 public:
  using TempStorage = detail::BlockStorage<T, threads + 1>;

  UPSKILL_CPU_INLINE explicit BlockScan(TempStorage& storage) : storage_(storage) {}

  // One item for each thread.
  template <class Operation>
  UPSKILL_CPU_INLINE void InclusiveScan(T in, T& out, Operation operation, UPSKILL_CPU_LINE) {
    T total;
    InclusiveScan(in, out, operation, total, line);
  }
  template <class Operation>
  UPSKILL_CPU_INLINE void InclusiveScan(T in, T& out, Operation operation, T& total, UPSKILL_CPU_LINE) {
    scan(in, operation, line);
    out = storage_[detail::rank()];
    total = storage_[threads - 1];
  }
  template <class Operation>
  UPSKILL_CPU_INLINE void ExclusiveScan(T in, T& out, T initial, Operation operation, UPSKILL_CPU_LINE) {
    T total;
    ExclusiveScan(in, out, initial, operation, total, line);
  }
  template <class Operation>
  UPSKILL_CPU_INLINE void ExclusiveScan(T in, T& out, T initial, Operation operation, T& total, UPSKILL_CPU_LINE) {
    scan(in, operation, line);
    out = behind(initial, operation);
    total = storage_[threads - 1];
  }
  UPSKILL_CPU_INLINE void InclusiveSum(T in, T& out, UPSKILL_CPU_LINE) { InclusiveScan(in, out, detail::Add(), line); }
  UPSKILL_CPU_INLINE void InclusiveSum(T in, T& out, T& total, UPSKILL_CPU_LINE) {
    InclusiveScan(in, out, detail::Add(), total, line);
  }
  UPSKILL_CPU_INLINE void ExclusiveSum(T in, T& out, UPSKILL_CPU_LINE) {
    ExclusiveScan(in, out, T{}, detail::Add(), line);
  }
  UPSKILL_CPU_INLINE void ExclusiveSum(T in, T& out, T& total, UPSKILL_CPU_LINE) {
    ExclusiveScan(in, out, T{}, detail::Add(), total, line);
  }
  // With a running prefix: the callback receives the block's total and returns the prefix of the block.
  template <class Operation, class Callback>
  UPSKILL_CPU_INLINE auto InclusiveScan(T in, T& out, Operation operation, Callback& prefix, UPSKILL_CPU_LINE)
      -> decltype(prefix(in), void()) {
    T total;
    InclusiveScan(in, out, operation, total, line);
    out = operation(shared_prefix(total, prefix, line), out);
  }
  template <class Operation, class Callback>
  UPSKILL_CPU_INLINE auto ExclusiveScan(T in, T& out, Operation operation, Callback& prefix, UPSKILL_CPU_LINE)
      -> decltype(prefix(in), void()) {
    scan(in, operation, line);
    out = behind(shared_prefix(storage_[threads - 1], prefix, line), operation);
  }
  template <class Callback>
  UPSKILL_CPU_INLINE auto InclusiveSum(T in, T& out, Callback& prefix, UPSKILL_CPU_LINE)
      -> decltype(prefix(in), void()) {
    InclusiveScan(in, out, detail::Add(), prefix, line);
  }
  template <class Callback>
  UPSKILL_CPU_INLINE auto ExclusiveSum(T in, T& out, Callback& prefix, UPSKILL_CPU_LINE)
      -> decltype(prefix(in), void()) {
    ExclusiveScan(in, out, detail::Add(), prefix, line);
  }

  // Several consecutive items for each thread.
  template <int Items, class Operation>
  UPSKILL_CPU_INLINE void InclusiveScan(T (&in)[Items], T (&out)[Items], Operation operation, UPSKILL_CPU_LINE) {
    T total;
    scan_items(in, out, operation, total, line);
  }
  template <int Items, class Operation>
  UPSKILL_CPU_INLINE void InclusiveScan(T (&in)[Items], T (&out)[Items], Operation operation, T& total,
                                        UPSKILL_CPU_LINE) {
    scan_items(in, out, operation, total, line);
  }
  template <int Items, class Operation>
  UPSKILL_CPU_INLINE void ExclusiveScan(T (&in)[Items], T (&out)[Items], T initial, Operation operation,
                                        UPSKILL_CPU_LINE) {
    T total;
    ExclusiveScan(in, out, initial, operation, total, line);
  }
  template <int Items, class Operation>
  UPSKILL_CPU_INLINE void ExclusiveScan(T (&in)[Items], T (&out)[Items], T initial, Operation operation, T& total,
                                        UPSKILL_CPU_LINE) {
    T scanned[Items];
    scan_items(in, scanned, operation, total, line);
    out[0] = behind(initial, operation);
    for (int i = 1; i < Items; ++i) out[i] = operation(initial, scanned[i - 1]);
  }
  template <int Items>
  UPSKILL_CPU_INLINE void InclusiveSum(T (&in)[Items], T (&out)[Items], UPSKILL_CPU_LINE) {
    InclusiveScan(in, out, detail::Add(), line);
  }
  template <int Items>
  UPSKILL_CPU_INLINE void InclusiveSum(T (&in)[Items], T (&out)[Items], T& total, UPSKILL_CPU_LINE) {
    InclusiveScan(in, out, detail::Add(), total, line);
  }
  template <int Items>
  UPSKILL_CPU_INLINE void ExclusiveSum(T (&in)[Items], T (&out)[Items], UPSKILL_CPU_LINE) {
    ExclusiveScan(in, out, T{}, detail::Add(), line);
  }
  template <int Items>
  UPSKILL_CPU_INLINE void ExclusiveSum(T (&in)[Items], T (&out)[Items], T& total, UPSKILL_CPU_LINE) {
    ExclusiveScan(in, out, T{}, detail::Add(), total, line);
  }

  template <int Items, class Operation, class Callback>
  UPSKILL_CPU_INLINE auto InclusiveScan(T (&in)[Items], T (&out)[Items], Operation operation, Callback& prefix,
                                        UPSKILL_CPU_LINE) -> decltype(prefix(in[0]), void()) {
    T total;
    scan_items(in, out, operation, total, line);
    const T before = shared_prefix(total, prefix, line);
    for (int i = 0; i < Items; ++i) out[i] = operation(before, out[i]);
  }
  template <int Items, class Operation, class Callback>
  UPSKILL_CPU_INLINE auto ExclusiveScan(T (&in)[Items], T (&out)[Items], Operation operation, Callback& prefix,
                                        UPSKILL_CPU_LINE) -> decltype(prefix(in[0]), void()) {
    T scanned[Items], total;
    scan_items(in, scanned, operation, total, line);
    const T before = shared_prefix(total, prefix, line);
    out[0] = behind(before, operation);
    for (int i = 1; i < Items; ++i) out[i] = operation(before, scanned[i - 1]);
  }
  template <int Items, class Callback>
  UPSKILL_CPU_INLINE auto InclusiveSum(T (&in)[Items], T (&out)[Items], Callback& prefix, UPSKILL_CPU_LINE)
      -> decltype(prefix(in[0]), void()) {
    InclusiveScan(in, out, detail::Add(), prefix, line);
  }
  template <int Items, class Callback>
  UPSKILL_CPU_INLINE auto ExclusiveSum(T (&in)[Items], T (&out)[Items], Callback& prefix, UPSKILL_CPU_LINE)
      -> decltype(prefix(in[0]), void()) {
    ExclusiveScan(in, out, detail::Add(), prefix, line);
  }

 private:
  // Leaves the inclusive scan in the storage.
  template <class Operation>
  UPSKILL_CPU_INLINE void scan(T value, Operation operation, ::upskill::cpu::Line line) {
    storage_[detail::rank()] = value;
    __syncthreads(line);
    if (detail::rank() == 0)
      for (int i = 1; i < threads; ++i)
        storage_[i] = operation(static_cast<T>(storage_[i - 1]), static_cast<T>(storage_[i]));
    __syncthreads(line);
  }
  template <int Items, class Operation>
  UPSKILL_CPU_INLINE void scan_items(T (&in)[Items], T (&out)[Items], Operation operation, T& total,
                                     ::upskill::cpu::Line line) {
    T own[Items];
    own[0] = in[0];
    for (int i = 1; i < Items; ++i) own[i] = operation(own[i - 1], in[i]);
    scan(own[Items - 1], operation, line);
    const int rank = detail::rank();
    for (int i = 0; i < Items; ++i) out[i] = rank == 0 ? own[i] : operation(static_cast<T>(storage_[rank - 1]), own[i]);
    total = storage_[threads - 1];
  }
  // What precedes the thread's first item, when the storage has the scan.
  template <class Operation>
  UPSKILL_CPU_INLINE T behind(T initial, Operation operation) {
    const int rank = detail::rank();
    return rank == 0 ? initial : operation(initial, static_cast<T>(storage_[rank - 1]));
  }
  template <class Callback>
  UPSKILL_CPU_INLINE T shared_prefix(T total, Callback& prefix, ::upskill::cpu::Line line) {
    if (detail::rank() < 32) {
      T before = prefix(total);
      if (detail::rank() == 0) storage_[threads] = before;
    }
    __syncthreads(line);
    return storage_[threads];
  }

  TempStorage& storage_;
};

}  // namespace cub

#endif  // UPSKILL_CPU_CUB_BLOCK_SCAN_CUH
