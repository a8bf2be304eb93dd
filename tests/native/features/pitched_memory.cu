// Rows of memory that begin at multiples of a pitch, and copies of rectangles.
#include "checks.h"

constexpr int CHECKS = 1;

__global__ void twice(float* rows, size_t pitch) {
  float* row = reinterpret_cast<float*>(reinterpret_cast<char*>(rows) + blockIdx.x * pitch);
  row[threadIdx.x] *= 2;
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  float host[4][10], back[4][10], *rows = nullptr;
  size_t pitch = 0;
  for (int i = 0; i < 40; ++i) host[i / 10][i % 10] = i;
  cudaMallocPitch(&rows, &pitch, sizeof host[0], 4);
  cudaMemcpy2D(rows, pitch, host, sizeof host[0], sizeof host[0], 4, cudaMemcpyHostToDevice);
  twice<<<4, 10, 0, stream>>>(rows, pitch);
  cudaMemcpy2D(back, sizeof back[0], rows, pitch, sizeof back[0], 4, cudaMemcpyDeviceToHost);
  bool held = pitch >= sizeof host[0];
  for (int i = 0; i < 40; ++i) held = held && back[i / 10][i % 10] == 2 * i;
  check_on_host(ok, held, stream);
  cudaFree(rows);
}
