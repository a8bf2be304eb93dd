// Launch statistics of this call: read through device.h, and reset with the reports.
#pragma once

#include <cstddef>

namespace upskill::cpu {

struct LaunchStatistics {
  size_t launches = 0;     // accepted by the device
  size_t copied_back = 0;  // bytes of device memory copied to the host
};

inline LaunchStatistics launch_statistics;

}  // namespace upskill::cpu
