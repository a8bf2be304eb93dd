// A header of cuRAND whose contents are all in curand_kernel.h here.
#pragma once
#include "curand_kernel.h"
