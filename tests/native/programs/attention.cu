// Causal attention that never writes its scores: tiles of keys and values, and a softmax that is kept up to date.
#include "checked.cuh"

template <int Tile, int Width>
__global__ void attention(float* out, const float* q, const float* k, const float* v, int length, float scale) {
  __shared__ float keys[Tile][Width + 1], values[Tile][Width + 1];
  const int head = blockIdx.y, row = blockIdx.x * Tile + threadIdx.x;
  const size_t base = size_t(head) * length * Width;
  float query[Width], sum[Width] = {}, most = -INFINITY, total = 0;
  for (int i = 0; i < Width; ++i) query[i] = row < length ? q[base + row * Width + i] * scale : 0;
  for (int first = 0; first <= blockIdx.x * Tile; first += Tile) {
    for (int i = threadIdx.x; i < Tile * Width; i += Tile) {
      const int j = first + i / Width;
      keys[i / Width][i % Width] = j < length ? k[base + j * Width + i % Width] : 0;
      values[i / Width][i % Width] = j < length ? v[base + j * Width + i % Width] : 0;
    }
    __syncthreads();
    for (int j = 0; j < Tile && first + j <= row; ++j) {
      float score = 0;
#pragma unroll
      for (int i = 0; i < Width; ++i) score += query[i] * keys[j][i];
      const float now = fmaxf(most, score), keep = __expf(most - now), weight = __expf(score - now);
      total = total * keep + weight;
#pragma unroll
      for (int i = 0; i < Width; ++i) sum[i] = sum[i] * keep + weight * values[j][i];
      most = now;
    }
    __syncthreads();
  }
  if (row < length)
    for (int i = 0; i < Width; ++i) out[base + row * Width + i] = sum[i] / total;
}

int main() {
  const int heads = 3, length = 45, width = 8;
  const size_t count = heads * length * width;
  auto q = wave(count, 0.37f), k = wave(count, 0.53f), v = wave(count, 0.91f);
  const float scale = 1 / sqrtf(width);
  std::vector<double> expected(count);
  for (int row = 0; row < heads * length; ++row) {
    const int start = row / length * length;
    std::vector<double> weights;
    double total = 0;
    for (int j = start; j <= row; ++j) {
      double score = 0;
      for (int i = 0; i < width; ++i) score += double(q[row * width + i]) * k[j * width + i] * scale;
      weights.push_back(exp(score));
      total += weights.back();
    }
    for (int j = start; j <= row; ++j)
      for (int i = 0; i < width; ++i) expected[row * width + i] += weights[j - start] / total * v[j * width + i];
  }
  float *dq = to_device(q), *dk = to_device(k), *dv = to_device(v), *out = on_device<float>(count);
  attention<16, 8><<<dim3((length + 15) / 16, heads), 16>>>(out, dq, dk, dv, length, scale);
  const bool right = farthest(to_host(out, count), expected) < 1e-5;
  for (float* pointer : {dq, dk, dv, out}) CHECKED(cudaFree(pointer));
  return verdict("attention", right);
}
