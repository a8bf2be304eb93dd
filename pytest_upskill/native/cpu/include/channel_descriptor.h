// A header of the CUDA toolkit whose contents are all in cuda_runtime.h here.
#pragma once
#define __CHANNEL_DESCRIPTOR_H__
#include "cuda_runtime.h"
