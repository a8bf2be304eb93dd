// A header of the CUDA toolkit whose contents are all in cuda_runtime.h here.
#pragma once
#define __CUDA_DEVICE_RUNTIME_API_H__
#include "cuda_runtime.h"
