// Transposing through tiles in shared memory, padded against bank conflicts; timed with events.
#include "checked.cuh"

constexpr int tile = 32, rows_at_once = 8;

__global__ void transpose(float* out, const float* in, int height, int width) {
  __shared__ float kept[tile][tile + 1];
  int x = blockIdx.x * tile + threadIdx.x, y = blockIdx.y * tile + threadIdx.y;
  for (int j = 0; j < tile; j += rows_at_once)
    if (x < width && y + j < height) kept[threadIdx.y + j][threadIdx.x] = in[(y + j) * width + x];
  __syncthreads();
  x = blockIdx.y * tile + threadIdx.x, y = blockIdx.x * tile + threadIdx.y;
  for (int j = 0; j < tile; j += rows_at_once)
    if (x < height && y + j < width) out[(y + j) * height + x] = kept[threadIdx.x][threadIdx.y + j];
}

int main() {
  const int height = 70, width = 100;
  auto in = wave(height * width, 0.01f);
  std::vector<float> expected(height * width);
  for (int i = 0; i < height * width; ++i) expected[i % width * height + i / width] = in[i];
  float *din = to_device(in), *out = on_device<float>(height * width), milliseconds = -1;
  cudaEvent_t start, stop;
  CHECKED(cudaEventCreate(&start));
  CHECKED(cudaEventCreate(&stop));
  CHECKED(cudaEventRecord(start));
  dim3 blocks((width + tile - 1) / tile, (height + tile - 1) / tile), threads(tile, rows_at_once);
  transpose<<<blocks, threads>>>(out, din, height, width);
  CHECKED(cudaEventRecord(stop));
  CHECKED(cudaEventSynchronize(stop));
  CHECKED(cudaEventElapsedTime(&milliseconds, start, stop));
  const bool right = milliseconds >= 0 && to_host(out, height * width) == expected;
  CHECKED(cudaEventDestroy(start));
  CHECKED(cudaEventDestroy(stop));
  CHECKED(cudaFree(din));
  CHECKED(cudaFree(out));
  return verdict("transpose", right);
}
