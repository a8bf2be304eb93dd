// A header of the CUDA toolkit whose contents that can be had here are the primitives.
#pragma once
#include "cuda_pipeline_primitives.h"
