// What the two parts of PyTorch's CUDA device on the cpu device share.
#pragma once

#include <string>

namespace upskill::torch_cuda {

constexpr int kDevices = 2;

// The current device's number.
extern int current;

// Notes what a project has called and only a GPU has, and raises an error of Python.
[[noreturn]] void needs_gpu(const std::string& name);

}  // namespace upskill::torch_cuda
