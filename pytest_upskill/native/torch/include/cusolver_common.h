// The types of cuSOLVER that PyTorch's headers name; the library is not there.
#pragma once

typedef enum { CUSOLVER_STATUS_SUCCESS = 0 } cusolverStatus_t;
