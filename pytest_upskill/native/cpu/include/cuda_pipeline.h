// A header of the CUDA toolkit of which only the primitives are supported.
#pragma once
#include "cuda_pipeline_primitives.h"
