// Instead of PyTorch's header: see all.h.
#pragma once

#include <torch/all.h>
