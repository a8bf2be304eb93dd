// A header of the CUDA toolkit of which only the primitives are supported.
#pragma once
#define _CUDA_PIPELINE_H_
#include "cuda_pipeline_primitives.h"
