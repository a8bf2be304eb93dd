// A header of the CUDA toolkit whose contents are all in cuda_runtime.h here.
#pragma once
#include "../cuda_runtime.h"
