// A header of the CUDA toolkit whose contents are all in cuda_runtime.h here.
#pragma once
#define __DRIVER_FUNCTIONS_H__
#include "cuda_runtime.h"
