#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>

// First the moments, then the parameters: launches on one stream run in order.
__global__ void update_moments(float* moment, float* variance, const float* grad, int64_t n) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  moment[i] = fmaf(0.9f, moment[i], 0.1f * grad[i]);
  variance[i] = fmaf(0.999f, variance[i], 0.001f * (grad[i] * grad[i]));
}

__global__ void update_params(float* param, const float* moment, const float* variance, float lr, float keep,
                              double correction1, double correction2, int64_t n) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const float top = static_cast<float>(moment[i] / correction1);
  const float bottom = sqrtf(static_cast<float>(variance[i] / correction2)) + 1e-8f;
  param[i] = param[i] * keep - lr * top / bottom;
}

void adamw_step(float* param, float* moment, float* variance, const float* grad, float lr, float weight_decay,
                int64_t step, int64_t n, cudaStream_t stream) {
  if (n == 0) return;
  double power1 = 1.0, power2 = 1.0;
  for (int64_t k = 0; k < step; ++k) {
    power1 *= 0.9;
    power2 *= 0.999;
  }
  const unsigned blocks = static_cast<unsigned>((n + 127) / 128);
  update_moments<<<blocks, 128, 0, stream>>>(moment, variance, grad, n);
  update_params<<<blocks, 128, 0, stream>>>(param, moment, variance, lr, 1.0f - lr * weight_decay, 1.0 - power1, 1.0 - power2, n);
}
