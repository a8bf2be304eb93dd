// The CUDA runtime, for CUDA C++ that runs on the host.
#ifndef UPSKILL_CPU_CUDA_RUNTIME_H
#define UPSKILL_CPU_CUDA_RUNTIME_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_types.h"
#include "upskill_cpu/atomics.h"
#include "upskill_cpu/barrier.h"
#include "upskill_cpu/bits.h"
#include "upskill_cpu/builtins.h"
#include "upskill_cpu/convert.h"
#include "upskill_cpu/device_assert.h"
#include "upskill_cpu/keywords.h"
#include "upskill_cpu/launch.h"
#include "upskill_cpu/math.h"
#include "upskill_cpu/memory_access.h"
#include "upskill_cpu/minmax.h"
#include "upskill_cpu/runtime_api.h"
#include "upskill_cpu/runtime_more.h"
#include "upskill_cpu/simd_words.h"
#include "upskill_cpu/warp.h"
#include "vector_functions.h"
#include "vector_types.h"

#endif  // UPSKILL_CPU_CUDA_RUNTIME_H
