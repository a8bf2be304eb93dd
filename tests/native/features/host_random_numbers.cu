// cuRAND's host API fills arrays of the device's.
#include "checks.h"

#include <curand.h>

constexpr int CHECKS = 2;

__global__ void look(const float* numbers, int* ok) {
  check(ok, numbers[threadIdx.x] > 0 && numbers[threadIdx.x] <= 1 && numbers[threadIdx.x + 64] > -9 &&
                numbers[threadIdx.x + 64] < 29);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  float* numbers = nullptr;
  curandGenerator_t generator;
  cudaMalloc(&numbers, 128 * sizeof(float));
  curandCreateGenerator(&generator, CURAND_RNG_PSEUDO_DEFAULT);
  curandSetPseudoRandomGeneratorSeed(generator, 1234ull);
  curandSetStream(generator, stream);
  bool held = curandGenerateUniform(generator, numbers, 64) == CURAND_STATUS_SUCCESS;
  held = held && curandGenerateNormal(generator, numbers + 64, 64, 10.0f, 2.0f) == CURAND_STATUS_SUCCESS;
  look<<<1, 64, 0, stream>>>(numbers, ok);
  check_on_host(ok + 1, held && curandDestroyGenerator(generator) == CURAND_STATUS_SUCCESS, stream);
  cudaFree(numbers);
}
