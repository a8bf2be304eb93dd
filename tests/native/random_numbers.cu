// cuRAND's device API. a[0]: ints, one for each check, 1 if it held.
#include <curand_kernel.h>

__global__ void philox(int* ok) {
  curandStatePhilox4_32_10_t state;
  curand_init(0, 0, 0, &state);
  // The known answer for a counter and a key of zeros, in the paper's own test.
  ok[0] = curand(&state) == 0x6627e8d5u && curand(&state) == 0xe169c58du && curand(&state) == 0xbc57ac4cu &&
          curand(&state) == 0x9b00dbd8u;
  curandStatePhilox4_32_10_t ahead, same;
  curand_init(1234, 5, 6, &ahead);
  curand_init(1234, 5, 0, &same);
  for (int i = 0; i < 6; ++i) curand(&same);
  ok[1] = curand(&ahead) == curand(&same);
  uint4 four = curand4(&same);
  curand(&ahead);
  ok[2] = four.y == curand(&ahead);
}

template <typename State>
__global__ void moments(int* ok) {
  State state;
  curand_init(42, threadIdx.x, 0, &state);
  float sum = 0, squares = 0, uniform = 0;
  bool inside = true;
  for (int i = 0; i < 1000; ++i) {
    float u = curand_uniform(&state), z = curand_normal(&state);
    inside = inside && u > 0.0f && u <= 1.0f;
    uniform += u, sum += z, squares += z * z;
  }
  double d = curand_uniform_double(&state);
  inside = inside && d > 0 && d <= 1;
  __shared__ float totals[3];
  if (threadIdx.x < 3) totals[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&totals[0], uniform);
  atomicAdd(&totals[1], sum);
  atomicAdd(&totals[2], squares);
  __syncthreads();
  float count = 1000.0f * blockDim.x;
  if (threadIdx.x == 0)
    *ok = inside && fabsf(totals[0] / count - 0.5f) < 0.01f && fabsf(totals[1] / count) < 0.03f &&
          fabsf(totals[2] / count - 1) < 0.05f;
}

__global__ void xorwow(int* ok) {
  curandState a, b;
  curand_init(7, 3, 10, &a);
  curand_init(7, 3, 0, &b);
  for (int i = 0; i < 10; ++i) curand(&b);
  curandState other;
  curand_init(7, 4, 10, &other);
  unsigned int next = curand(&a);
  *ok = next == curand(&b) && next != curand(&other);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  philox<<<1, 1, 0, stream>>>(ok);
  moments<curandStatePhilox4_32_10_t><<<1, 64, 0, stream>>>(ok + 3);
  moments<curandState><<<1, 64, 0, stream>>>(ok + 4);
  xorwow<<<1, 1, 0, stream>>>(ok + 5);
}
