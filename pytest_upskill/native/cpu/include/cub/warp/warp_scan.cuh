// cub::WarpScan, by shuffles.
#ifndef UPSKILL_CPU_CUB_WARP_SCAN_CUH
#define UPSKILL_CPU_CUB_WARP_SCAN_CUH

#include "warp_lanes.cuh"

namespace cub {

template <class T, int Width = 32, int Architecture = 0>
class WarpScan {
  using Lanes = detail::WarpLanes<Width>;

 public:
  using TempStorage = detail::NoStorage;

  UPSKILL_CPU_INLINE explicit WarpScan(TempStorage&) {}

  template <class Operation>
  UPSKILL_CPU_INLINE void InclusiveScan(T in, T& out, Operation operation, UPSKILL_CPU_LINE) {
    T value = in;
    const int lane = Lanes::lane();
    for (int offset = 1; offset < Width; offset *= 2) {
      const T before = Lanes::from(value, lane >= offset ? lane - offset : lane, line);
      if (lane >= offset) value = operation(before, value);
    }
    out = value;
  }
  template <class Operation>
  UPSKILL_CPU_INLINE void InclusiveScan(T in, T& out, Operation operation, T& total, UPSKILL_CPU_LINE) {
    InclusiveScan(in, out, operation, line);
    total = Lanes::from(out, Width - 1, line);
  }
  template <class Operation>
  UPSKILL_CPU_INLINE void ExclusiveScan(T in, T& out, T initial, Operation operation, UPSKILL_CPU_LINE) {
    T total;
    ExclusiveScan(in, out, initial, operation, total, line);
  }
  template <class Operation>
  UPSKILL_CPU_INLINE void ExclusiveScan(T in, T& out, T initial, Operation operation, T& total, UPSKILL_CPU_LINE) {
    T scanned;
    InclusiveScan(in, scanned, operation, total, line);
    const int lane = Lanes::lane();
    const T before = Lanes::from(scanned, lane > 0 ? lane - 1 : 0, line);
    out = lane == 0 ? initial : operation(initial, before);
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
  UPSKILL_CPU_INLINE T Broadcast(T value, unsigned int source, UPSKILL_CPU_LINE) {
    return Lanes::from(value, static_cast<int>(source), line);
  }
};

}  // namespace cub

#endif  // UPSKILL_CPU_CUB_WARP_SCAN_CUH
