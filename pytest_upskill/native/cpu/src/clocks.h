// The time of the host, and that of the device's clocks and events.
#pragma once

#include <cstdint>

namespace upskill::cpu {

constexpr int clock_khz = 1980000;  // an H200's

uint64_t host_nanoseconds();

// As the host's, plus what kernels that waited for a clock were spared: see clocks.cpp.
uint64_t device_nanoseconds();

}  // namespace upskill::cpu
