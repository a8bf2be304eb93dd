// Matrix times vector with weights of four bits, as language models have them, and activations in bfloat16.
#include <cuda_bf16.h>

#include "checked.cuh"

constexpr int group = 32;

__global__ void product(__nv_bfloat16* y, const unsigned* packed, const __nv_bfloat16* scales, const __nv_bfloat162* x,
                        int cols) {
  const int row = blockIdx.x, lane = threadIdx.x;
  float sum = 0;
  for (int i = lane; i < cols / 8; i += 32) {
    const unsigned word = __ldg(packed + row * cols / 8 + i);
    const float scale = __bfloat162float(scales[(row * cols + 8 * i) / group]);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float2 pair = __bfloat1622float2(x[4 * i + j]);
      sum += scale * (float(int(word >> 8 * j & 15) - 8) * pair.x + float(int(word >> (8 * j + 4) & 15) - 8) * pair.y);
    }
  }
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
  if (lane == 0) y[row] = __float2bfloat16(sum);
}

int main() {
  const int rows = 20, cols = 512;
  auto packed = words(rows * cols / 8, 0x7fffffff);
  std::vector<__nv_bfloat16> scales, x;
  for (float value : wave(rows * cols / group, 0.3f)) scales.push_back(__float2bfloat16(value * 0.1f));
  for (float value : wave(cols, 0.8f)) x.push_back(__float2bfloat16(value));
  std::vector<double> expected(rows);
  for (int i = 0; i < rows * cols; ++i)
    expected[i / cols] += (int(packed[i / 8] >> i % 8 * 4 & 15) - 8) * double(__bfloat162float(scales[i / group])) *
                          __bfloat162float(x[i % cols]);
  unsigned* dpacked = to_device(packed);
  __nv_bfloat16 *dscales = to_device(scales), *dx = to_device(x), *y = on_device<__nv_bfloat16>(rows);
  product<<<rows, 32>>>(y, dpacked, dscales, reinterpret_cast<__nv_bfloat162*>(dx), cols);
  std::vector<float> got;
  for (__nv_bfloat16 value : to_host(y, rows)) got.push_back(__bfloat162float(value));
  const bool right = farthest(got, expected) < 0.2;
  CHECKED(cudaFree(dpacked));
  for (__nv_bfloat16* pointer : {dscales, dx, y}) CHECKED(cudaFree(pointer));
  return verdict("quantised product", right);
}
