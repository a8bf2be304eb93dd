// The types of cuSOLVER that PyTorch's headers name; the library is not there.
#pragma once

#include "cusolver_common.h"

typedef struct cusolverDnContext* cusolverDnHandle_t;
