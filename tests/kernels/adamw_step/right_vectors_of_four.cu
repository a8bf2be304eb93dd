#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>

struct Settings {
  float lr, decay, correction1, correction2;
};

__device__ void update(float& p, float& m, float& v, float g, Settings s) {
  p -= s.decay * p;
  m = 0.9f * m + 0.1f * g;
  v = 0.999f * v + 0.001f * g * g;
  p -= s.lr * (m / s.correction1) / (sqrtf(v / s.correction2) + 1e-8f);
}

__global__ void adamw4(float* param, float* moment, float* variance, const float* grad, Settings s, int64_t n) {
  const int64_t i = 4 * (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x);
  if (i + 4 <= n) {
    float4 p = *reinterpret_cast<float4*>(param + i), m = *reinterpret_cast<float4*>(moment + i);
    float4 v = *reinterpret_cast<float4*>(variance + i);
    const float4 g = *reinterpret_cast<const float4*>(grad + i);
    update(p.x, m.x, v.x, g.x, s);
    update(p.y, m.y, v.y, g.y, s);
    update(p.z, m.z, v.z, g.z, s);
    update(p.w, m.w, v.w, g.w, s);
    *reinterpret_cast<float4*>(param + i) = p;
    *reinterpret_cast<float4*>(moment + i) = m;
    *reinterpret_cast<float4*>(variance + i) = v;
  } else {
    for (int64_t k = i; k < n; ++k) update(param[k], moment[k], variance[k], grad[k], s);
  }
}

void adamw_step(float* param, float* moment, float* variance, const float* grad, float lr, float weight_decay,
                int64_t step, int64_t n, cudaStream_t stream) {
  if (n == 0) return;
  const double t = static_cast<double>(step);
  const Settings s{lr, lr * weight_decay, static_cast<float>(-std::expm1(t * std::log(0.9))),
                   static_cast<float>(-std::expm1(t * std::log(0.999)))};
  const int64_t threads = (n + 3) / 4;
  adamw4<<<static_cast<unsigned>((threads + 63) / 64), 64, 0, stream>>>(param, moment, variance, grad, s, n);
}
