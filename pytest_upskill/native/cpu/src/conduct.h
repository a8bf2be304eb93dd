// What the launcher did in this call: asked for through device.h, and reset with the reports.
#pragma once

#include <cstddef>

namespace upskill::cpu {

struct Conduct {
  size_t launches = 0;     // that the device took
  size_t copied_back = 0;  // bytes of device memory that went to the host
};

inline Conduct conduct;

}  // namespace upskill::cpu
