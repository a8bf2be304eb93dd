#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

// Two columns at a time where every row and its second half begin at an even element, else one at a time.
template <typename T>
struct alignas(2 * sizeof(T)) Two {
  T first, second;
};

__device__ float silu(float g) {
  // The exponential of a negative number never overflows.
  const float e = expf(-fabsf(g));
  return g * (g >= 0.0f ? 1.0f / (1.0f + e) : e / (1.0f + e));
}

template <typename T>
__global__ void gate_pairs(Two<T>* out, const Two<T>* x, int64_t total, int64_t pairs) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= total) return;
  const int64_t start = i / pairs * 2 * pairs + i % pairs;
  const Two<T> gates = x[start], values = x[start + pairs];
  Two<T> result;
  result.first = static_cast<T>(silu(static_cast<float>(gates.first)) * static_cast<float>(values.first));
  result.second = static_cast<T>(silu(static_cast<float>(gates.second)) * static_cast<float>(values.second));
  out[i] = result;
}

template <typename T>
__global__ void gate_singles(T* out, const T* x, int64_t total, int64_t width) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= total) return;
  const int64_t start = i / width * 2 * width + i % width;
  out[i] = static_cast<T>(silu(static_cast<float>(x[start])) * static_cast<float>(x[start + width]));
}

template <typename scalar_t>
void swiglu(scalar_t* out, const scalar_t* x, int64_t rows, int64_t width, cudaStream_t stream) {
  if (rows == 0 || width == 0) return;
  const int64_t total = width % 2 == 0 ? rows * width / 2 : rows * width;
  const unsigned blocks = static_cast<unsigned>((total + 127) / 128);
  if (width % 2 == 0) {
    gate_pairs<scalar_t><<<blocks, 128, 0, stream>>>(reinterpret_cast<Two<scalar_t>*>(out), reinterpret_cast<const Two<scalar_t>*>(x), total, width / 2);
  } else {
    gate_singles<scalar_t><<<blocks, 128, 0, stream>>>(out, x, total, width);
  }
}
