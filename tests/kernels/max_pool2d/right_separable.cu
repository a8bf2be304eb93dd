#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

// The maximum over columns first, into scratch memory, then over rows.
template <typename scalar_t>
__global__ void over_columns(float* scratch, const scalar_t* x, int64_t total, int64_t width, int64_t out_width) {
  const int64_t id = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (id >= total) return;
  const int64_t line = id / out_width, c = id % out_width * 2;
  const scalar_t* in = x + line * width;
  float best = static_cast<float>(in[c]);
  if (c > 0) best = fmaxf(best, static_cast<float>(in[c - 1]));
  if (c + 1 < width) best = fmaxf(best, static_cast<float>(in[c + 1]));
  scratch[id] = best;
}

template <typename scalar_t>
__global__ void over_rows(scalar_t* out, const float* scratch, int64_t total, int64_t height, int64_t out_width) {
  const int64_t id = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (id >= total) return;
  const int64_t out_height = (height + 1) / 2;
  const int64_t j = id % out_width, r = id / out_width % out_height * 2, plane = id / (out_width * out_height);
  const float* in = scratch + plane * height * out_width + j;
  float best = in[r * out_width];
  if (r > 0) best = fmaxf(best, in[(r - 1) * out_width]);
  if (r + 1 < height) best = fmaxf(best, in[(r + 1) * out_width]);
  out[id] = static_cast<scalar_t>(best);
}

template <typename scalar_t>
void max_pool2d(scalar_t* out, const scalar_t* x, int64_t planes, int64_t height, int64_t width, cudaStream_t stream) {
  if (planes == 0 || height == 0 || width == 0) return;
  const int64_t out_height = (height + 1) / 2, out_width = (width + 1) / 2;
  const int64_t first = planes * height * out_width, second = planes * out_height * out_width;
  float* scratch = nullptr;
  cudaMallocAsync(reinterpret_cast<void**>(&scratch), first * sizeof(float), stream);
  over_columns<scalar_t><<<static_cast<unsigned>((first + 127) / 128), 128, 0, stream>>>(scratch, x, first, width, out_width);
  over_rows<scalar_t><<<static_cast<unsigned>((second + 127) / 128), 128, 0, stream>>>(out, scratch, second, height, out_width);
  cudaFreeAsync(scratch, stream);
}
