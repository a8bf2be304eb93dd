#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

// A general in-place map over a functor that travels by value.
template <typename scalar_t>
struct Axpy {
  const scalar_t* x;
  float factor;
  __device__ float operator()(int64_t i, float old) const { return fmaf(factor, static_cast<float>(x[i]), old); }
};

template <typename scalar_t, typename Map>
__global__ void update_each(scalar_t* data, Map map, int64_t n) {
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n;
       i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
    data[i] = static_cast<scalar_t>(map(i, static_cast<float>(data[i])));
  }
}

template <typename scalar_t>
void axpy(const scalar_t* x, scalar_t* y, float alpha, bool negate, int64_t n, cudaStream_t stream) {
  if (n == 0) return;
  const Axpy<scalar_t> map{x, negate ? -alpha : alpha};
  update_each<<<2, 256, 0, stream>>>(y, map, n);
}
