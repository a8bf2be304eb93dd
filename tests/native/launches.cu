// Every way in which a kernel may be launched. a[0]: 64 ints, zeroed; each form adds 1 << (its number) to out[0].
#include <cuda_runtime.h>

__global__ void add(int* out, int value) { out[0] += value; }
template <typename T, int Scale = 1>
__global__ void add_scaled(T* out, T value) {
  out[0] += value * Scale;
}
template <typename F>
__global__ void apply(int* out, F function) {
  out[0] = function(out[0]);
}
__global__ void __launch_bounds__(256, 2) count_threads(int* out) { atomicAdd(out, 1); }
__global__ void maybe(int* out, const int* nothing) {
  if (nothing == nullptr) out[0] += 1 << 9;
}
__global__ void coordinates(int* out) {
  int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[1 + block * 8 + thread] = 100 * block + thread;
}
static __global__ void __noinline__ add_static(int* out) { out[0] += 1 << 13; }
__global__ void takes_struct(int* out, const __grid_constant__ dim3 shape) { out[0] += (shape.x == 3) << 14; }

namespace inner {
__global__ void add(int* out, float value) { out[0] += static_cast<int>(value); }
}  // namespace inner

#define LAUNCH(kernel, value) kernel<<<1, 1>>>(out, value)
#define CASE(T, value)                                                           \
  case value:                                                                    \
    add_scaled<T, 2><<<1, 1, 0, stream>>>(out, (T)(1 << 3)); /* 1 << 4 in all */ \
    break

template <typename T>
void launch_dependent(T* out) {
  auto scaled = add_scaled<T, 1>;
  scaled<<<1, 1>>>(out, T(1 << 8));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* out = (int*)a[0];
  add<<<1, 1>>>(out, 1 << 0);
  ::add<<<1, 1, 0, stream>>>(out, 1 << 1);
  inner::add<<<dim3(1), dim3(1, 1, 1), 0>>>(out, 1 << 2);
  LAUNCH(add, 1 << 3);
  switch (7) { CASE(int, 7); }
  add_scaled<<<1, 1>>>(out, 1 << 5);  // deduced
  int base = 1 << 6;
  apply<<<1, 1>>>(out, [=] __device__(int x) { return x + base; });
  void (*pointer)(int*, int) = add;
  (*pointer)<<<1, 1>>>(out, 1 << 7);
  launch_dependent(out);
  maybe<<<1, 1>>>(out, NULL);
  const char* text = "not<<<a, launch>>>(at all)";  // nor<<<this>>>(one)
  if (text[3] == '<') add<<<1, (text[4] >> 5 >> 1) + 1 /* , <<<2>>> */>>>(out, 1 << 10);
  int value = 1 << 11;
  void* arguments[] = {&out, &value};
  cudaLaunchKernel(add, dim3(1), dim3(1), arguments, 0, stream);
  void (*table[])(int*, int) = {add, add};
  table[1]<<<1, 1>>>(out, 1 << 12);
  add_static<<<1, 1>>>(out);
  takes_struct<<<1, 1>>>(out, {3});
  maybe<<<1, 1>>>(out, 0);                            // carries into bit 10
  count_threads<<<dim3(2, 2), dim3(8, 4, 2)>>>(out);  // 256 threads: carries into bit 8
  coordinates<<<dim3(2, 1, 2), dim3(2, 2, 2)>>>(out);
}
