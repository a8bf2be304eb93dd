// Loops around atomicCAS make atomic what the hardware lacks.
#include "checks.h"

constexpr int CHECKS = 1;

__device__ float most, product;
__global__ void reset() { most = -1, product = 1; }
template <typename Operation>
__device__ void update(float* address, Operation operation) {
  int* word = reinterpret_cast<int*>(address);
  int old = *word, assumed;
  do {
    assumed = old;
    old = atomicCAS(word, assumed, __float_as_int(operation(__int_as_float(assumed))));
  } while (old != assumed);
}
__global__ void all(int* ok) {
  const float own = blockIdx.x * blockDim.x + threadIdx.x;
  update(&most, [=](float x) { return fmaxf(x, own); });
  if (threadIdx.x < 4) update(&product, [](float x) { return 2 * x; });
}
__global__ void look(int* ok) { check(ok, most == 127 && product == 65536); }

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  reset<<<1, 1, 0, stream>>>();
  all<<<4, 32, 0, stream>>>(ok);
  look<<<1, 32, 0, stream>>>(ok);
}
