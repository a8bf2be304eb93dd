// A convolution of an image: the mask in constant memory, the image in tiles with a halo, channels in the third
// dimension.
#include "checked.cuh"

constexpr int radius = 2, side = 2 * radius + 1, tile = 8;

__constant__ float mask[side][side];

__global__ void convolve(const float* __restrict__ in, float* __restrict__ out, int width, int height) {
  __shared__ float near[tile + 2 * radius][tile + 2 * radius];
  in += blockIdx.z * width * height, out += blockIdx.z * width * height;
  for (int i = threadIdx.y * tile + threadIdx.x; i < (tile + 2 * radius) * (tile + 2 * radius); i += tile * tile) {
    const int row = i / (tile + 2 * radius), col = i % (tile + 2 * radius);
    const int y = int(blockIdx.y) * tile + row - radius, x = int(blockIdx.x) * tile + col - radius;
    near[row][col] = x >= 0 && x < width && y >= 0 && y < height ? in[y * width + x] : 0;
  }
  __syncthreads();
  const int x = blockIdx.x * tile + threadIdx.x, y = blockIdx.y * tile + threadIdx.y;
  if (x >= width || y >= height) return;
  float sum = 0;
#pragma unroll
  for (int i = 0; i < side; ++i)
#pragma unroll
    for (int j = 0; j < side; ++j) sum += mask[i][j] * near[threadIdx.y + i][threadIdx.x + j];
  out[y * width + x] = sum;
}

int main() {
  const int width = 30, height = 21, channels = 3, count = width * height * channels;
  auto in = wave(count, 0.4f), weights = wave(side * side, 0.9f);
  std::vector<double> expected(count);
  for (int i = 0; i < count; ++i) {
    const int x = i % width, y = i / width % height, plane = i / (width * height) * width * height;
    for (int u = -radius; u <= radius; ++u)
      for (int v = -radius; v <= radius; ++v)
        if (x + v >= 0 && x + v < width && y + u >= 0 && y + u < height)
          expected[i] += double(weights[(u + radius) * side + v + radius]) * in[plane + (y + u) * width + x + v];
  }
  float *din = to_device(in), *out = on_device<float>(count);
  CHECKED(cudaMemcpyToSymbol(mask, weights.data(), sizeof mask));
  convolve<<<dim3((width + tile - 1) / tile, (height + tile - 1) / tile, channels), dim3(tile, tile)>>>(din, out, width,
                                                                                                        height);
  const bool right = farthest(to_host(out, count), expected) < 1e-5;
  CHECKED(cudaFree(din));
  CHECKED(cudaFree(out));
  return verdict("convolution", right);
}
