// Instead of PyTorch's header: what operators need of it, without torch::nn, torch::optim, torch::data and the like,
// for which a compiler needs twice the time.
#pragma once

#include <torch/autograd.h>
#include <torch/enum.h>
#include <torch/library.h>
#include <torch/types.h>
#include <torch/utils.h>
#include <torch/version.h>
