// The older location of what cublas_v2.h declares.
#pragma once
#include "cublas_v2.h"
