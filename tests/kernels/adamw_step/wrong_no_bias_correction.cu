// fails: correct
// the second moment is not corrected
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

// Each element is read and written by one thread only, so updating in place needs no care beyond that.
__global__ void adamw_kernel(float* param, float* moment, float* variance, const float* grad, float lr,
                             float weight_decay, float correction1, float /*correction2*/, int64_t n) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const float g = grad[i];
    const float p = param[i] - lr * weight_decay * param[i];
    const float m = 0.9f * moment[i] + 0.1f * g;
    const float v = 0.999f * variance[i] + 0.001f * g * g;
    moment[i] = m;
    variance[i] = v;
    param[i] = p - lr * (m / correction1) / (sqrtf(v) + 1e-8f);
  }
}

void adamw_step(float* param, float* moment, float* variance, const float* grad, float lr, float weight_decay,
                int64_t step, int64_t n, cudaStream_t stream) {
  if (n == 0) return;
  const float correction1 = static_cast<float>(1.0 - std::pow(0.9, static_cast<double>(step)));
  const float correction2 = static_cast<float>(1.0 - std::pow(0.999, static_cast<double>(step)));
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((n + 255) / 256, 4096));
  adamw_kernel<<<blocks, 256, 0, stream>>>(param, moment, variance, grad, lr, weight_decay, correction1, correction2, n);
}
