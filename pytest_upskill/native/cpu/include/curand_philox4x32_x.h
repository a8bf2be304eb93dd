// A header of cuRAND whose contents are all in curand_kernel.h here.
#pragma once
#define CURAND_PHILOX4X32_X__H_
#include "curand_kernel.h"
