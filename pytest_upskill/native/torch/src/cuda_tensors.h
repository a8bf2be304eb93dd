// What the two parts of PyTorch's CUDA device on the cpu device share.
#pragma once

namespace upskill::torch_cuda {

constexpr int kDevices = 2;

// The current device's number.
extern int current;

}  // namespace upskill::torch_cuda
