// Memory that host and device share, with hints.
#include "checks.h"

constexpr int CHECKS = 1;

__global__ void twice(int* numbers) { numbers[threadIdx.x] *= 2; }

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  int* numbers = nullptr;
  cudaMallocManaged(&numbers, 32 * sizeof(int));
  for (int i = 0; i < 32; ++i) numbers[i] = i;
  const cudaMemLocation device{cudaMemLocationTypeDevice, 0};  // as of CUDA 13; before, the device's number
  cudaMemAdvise(numbers, 32 * sizeof(int), cudaMemAdviseSetReadMostly, device);
  cudaMemPrefetchAsync(numbers, 32 * sizeof(int), device, 0, stream);
  twice<<<1, 32, 0, stream>>>(numbers);
  cudaStreamSynchronize(stream);
  bool held = true;
  for (int i = 0; i < 32; ++i) held = held && numbers[i] == 2 * i;
  check_on_host(ok, held, stream);
  cudaFree(numbers);
}
