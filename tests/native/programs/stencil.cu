// Heat that spreads: a five-point stencil on tiles with a halo, for several steps.
#include "checked.cuh"

constexpr int tile = 16;

__global__ void spread(float* to, const float* from, int height, int width) {
  __shared__ float near[tile + 2][tile + 2];
  const int x = blockIdx.x * tile + threadIdx.x, y = blockIdx.y * tile + threadIdx.y;
  auto at = [&](int row, int col) {
    return row >= 0 && row < height && col >= 0 && col < width ? from[row * width + col] : 0.0f;
  };
  const int i = threadIdx.y + 1, j = threadIdx.x + 1;
  near[i][j] = at(y, x);
  if (threadIdx.y == 0) near[0][j] = at(y - 1, x);
  if (threadIdx.y == tile - 1) near[tile + 1][j] = at(y + 1, x);
  if (threadIdx.x == 0) near[i][0] = at(y, x - 1);
  if (threadIdx.x == tile - 1) near[i][tile + 1] = at(y, x + 1);
  __syncthreads();
  if (x < width && y < height)
    to[y * width + x] =
        near[i][j] + 0.2f * (near[i - 1][j] + near[i + 1][j] + near[i][j - 1] + near[i][j + 1] - 4 * near[i][j]);
}

int main() {
  const int height = 37, width = 50;
  auto heat = wave(height * width, 0.6f);
  float *from = to_device(heat), *to = on_device<float>(height * width);
  for (int k = 0; k < 4; ++k) {
    spread<<<dim3((width + tile - 1) / tile, (height + tile - 1) / tile), dim3(tile, tile)>>>(to, from, height, width);
    std::swap(from, to);
    const auto before = heat;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        auto at = [&](int row, int col) {
          return row >= 0 && row < height && col >= 0 && col < width ? before[row * width + col] : 0.0f;
        };
        heat[y * width + x] =
            at(y, x) + 0.2f * (at(y - 1, x) + at(y + 1, x) + at(y, x - 1) + at(y, x + 1) - 4 * at(y, x));
      }
  }
  const bool right = farthest(to_host(from, height * width), heat) < 1e-5;
  CHECKED(cudaFree(from));
  CHECKED(cudaFree(to));
  return verdict("stencil", right);
}
