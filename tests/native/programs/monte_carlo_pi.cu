// Pi by throwing darts, with cuRAND's generators in the kernel and on the host.
#include <curand.h>
#include <curand_kernel.h>

#include "checked.cuh"

template <typename State>
__global__ void seed(State* states, unsigned long long number) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  curand_init(number, i, 0, &states[i]);
}

template <typename State>
__global__ void throw_darts(State* states, unsigned long long* hits, int darts) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  State state = states[i];
  unsigned own = 0;
  for (int k = 0; k < darts; ++k) {
    const float x = curand_uniform(&state), y = curand_uniform(&state);
    own += x * x + y * y <= 1;
  }
  states[i] = state;
  atomicAdd(hits, own);
}

__global__ void count(const float2* points, unsigned long long* hits, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const bool hit = i < n && points[i].x * points[i].x + points[i].y * points[i].y <= 1;
  const int total = __syncthreads_count(hit);
  if (threadIdx.x == 0) atomicAdd(hits, total);
}

template <typename State>
double estimate() {
  State* states = on_device<State>(256);
  auto* hits = to_device(std::vector<unsigned long long>(1));
  seed<<<2, 128>>>(states, 1234ull);
  throw_darts<<<2, 128>>>(states, hits, 100);
  const double pi = 4.0 * double(to_host(hits, 1)[0]) / 25600;
  CHECKED(cudaFree(states));
  CHECKED(cudaFree(hits));
  return pi;
}

int main() {
  const int n = 20000;
  bool right = fabs(estimate<curandState>() - M_PI) < 0.05;
  right = right && fabs(estimate<curandStatePhilox4_32_10_t>() - M_PI) < 0.05;
  float* points = on_device<float>(2 * n);
  auto* hits = to_device(std::vector<unsigned long long>(1));
  curandGenerator_t generator;
  curandCreateGenerator(&generator, CURAND_RNG_PSEUDO_DEFAULT);
  curandSetPseudoRandomGeneratorSeed(generator, 42);
  curandGenerateUniform(generator, points, 2 * n);
  curandDestroyGenerator(generator);
  count<<<(n + 255) / 256, 256>>>(reinterpret_cast<float2*>(points), hits, n);
  right = right && fabs(4.0 * double(to_host(hits, 1)[0]) / n - M_PI) < 0.05;
  CHECKED(cudaFree(points));
  CHECKED(cudaFree(hits));
  return verdict("pi", right);
}
