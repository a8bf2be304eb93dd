// What a kernel's own rules say about its launches.
#include <cuda_runtime.h>

constexpr int WARPS = 2;
#define BOUNDED(threads) __global__ void __launch_bounds__(threads)
#define AT_MOST __launch_bounds__(96, 1)

__global__ void __launch_bounds__(64) of_64(float* y) { y[threadIdx.x] = 1; }
__global__ void __launch_bounds__(32 * WARPS, 4, 1) of_two_warps(float* y) { y[threadIdx.x] = 1; }
template <int Threads>
__launch_bounds__(Threads) __global__ void of_any(float* y) {
  y[threadIdx.x] = 1;
}
BOUNDED(128) of_128(float* y) { y[threadIdx.x] = 1; }
__global__ void AT_MOST of_96(float* y) { y[threadIdx.x] = 1; }
extern "C" __global__ void __launch_bounds__(256, 8) of_256(float* y) { y[threadIdx.x] = 1; }

template <class T>
__global__ void dynamic(T* y) {
  extern __shared__ float buffer[];
  buffer[threadIdx.x] = 1;
  y[threadIdx.x] = buffer[threadIdx.x];
}
__global__ void dynamic_and_static(float* y) {
  extern __shared__ float buffer[];
  __shared__ float more[256];
  more[threadIdx.x] = 2;
  buffer[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = buffer[threadIdx.x] + more[threadIdx.x ^ 1];
}
__global__ void large_arrays(float* y, int n) {
  float many[126 << 10];  // 504 KiB
  for (int i = 0; i < n; ++i) many[(i * 37) % n] = y[i % 64] + i;
  y[64 + threadIdx.x] = many[threadIdx.x % n];
}
__global__ void larger_arrays(float* y, int n) {  // bug 9: runs stack-overflow
  float many[160 << 10];
  for (int i = 0; i < n; ++i) many[(i * 37) % n] = y[i % 64] + i;
  y[64 + threadIdx.x] = many[threadIdx.x % n];
}

static float plus(float a, float b) {  // bug 11: runs host-function
  return a + b;
}
struct Times {
  float by;
  Times(float by) : by(by) {}
  __forceinline__ float operator()(float a) const {  // bug 12: runs host-function
    return a * by;
  }
};
struct Minus {  // made by the host, although its constructor runs in each thread here
  float by;
  Minus(float by) : by(by) {}
  Minus(const Minus& other) : by(other.by) {}
  __device__ float operator()(float a) const { return a - by; }
};
constexpr float half_of(float a) { return a * 0.5f; }
__global__ void with_helper(float* y) { y[threadIdx.x] = plus(y[threadIdx.x], 1); }
template <class F>
__global__ void apply(float* y, F f) {
  y[threadIdx.x] = f(y[threadIdx.x]);
}
__global__ void with_device_functions(float* y, Minus minus) {
  const auto twice = [](float a) { return a + a; };
  y[threadIdx.x] = twice(minus(half_of(y[threadIdx.x])));
}

template <class Kernel>
static void call(Kernel kernel, float* y) {
  kernel(y);  // bug 8: runs launch-error
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  float *y = (float*)a[1], *z = (float*)a[2];
  constexpr auto attribute = cudaFuncAttributeMaxDynamicSharedMemorySize;
  const int most = 227 << 10;
  int threads = 0, blocks = 0;
  cudaFuncAttributes attributes;
  void* arguments[] = {&y};
  switch (which) {
    case 0: of_64<<<1, 65, 0, stream>>>(y); break;                   // bug 0: runs launch-error
    case 1: of_two_warps<<<1, dim3(32, 3), 0, stream>>>(y); break;   // bug 1: runs launch-error
    case 2: of_any<32><<<2, 64, 0, stream>>>(y); break;              // bug 2: runs launch-error
    case 3: of_128<<<1, 256, 0, stream>>>(y); break;                 // bug 3: runs launch-error
    case 4: of_96<<<1, 128, 0, stream>>>(y); break;                  // bug 4: runs launch-error
    case 5: cudaLaunchKernel((void*)of_256, dim3(1), dim3(512), arguments, 0, stream); break;  // bug 5: runs launch-error
    case 6:
      cudaFuncSetAttribute(dynamic<float>, attribute, 100 << 10);
      dynamic<int><<<1, 64, 100 << 10, stream>>>((int*)y);  // bug 6: runs launch-error
      break;
    case 7:
      cudaFuncSetAttribute(dynamic<float>, attribute, 60 << 10);
      dynamic<float><<<1, 64, 61 << 10, stream>>>(y);  // bug 7: runs launch-error
      break;
    case 8: call(of_64, y); break;
    case 9: larger_arrays<<<1, 1, 0, stream>>>(z, 160 << 10); break;
    case 10:
      cudaFuncSetAttribute(dynamic_and_static, attribute, most);  // larger than what the static array leaves
      dynamic_and_static<<<1, 64, most, stream>>>(y);  // bug 10: runs launch-error
      break;
    case 11: with_helper<<<1, 64, 0, stream>>>(z); break;
    case 12: apply<<<1, 64, 0, stream>>>(z, Times(2)); break;
    case 13: {
      const auto add = [](float a) {  // bug 13: runs host-function
        return a + 1;
      };
      apply<<<1, 64, 0, stream>>>(z, add);
      break;
    }
    case 20: of_64<<<2, dim3(8, 8), 0, stream>>>(z); break;
    case 21: of_any<512><<<1, 512, 0, stream>>>(z); break;
    case 22:
      cudaFuncGetAttributes(&attributes, of_256);
      of_256<<<1, attributes.maxThreadsPerBlock, 0, stream>>>(z);
      break;
    case 23:
      cudaOccupancyMaxPotentialBlockSize(&blocks, &threads, of_96);
      of_96<<<1, threads, 0, stream>>>(z);
      break;
    case 24:
      cudaFuncSetAttribute(dynamic<float>, attribute, most);
      dynamic<float><<<1, 64, most, stream>>>(z);
      break;
    case 25:
      cudaFuncSetAttribute(dynamic_and_static, attribute, most - 1024);
      dynamic_and_static<<<1, 64, most - 1024, stream>>>(z);
      break;
    case 27: {
      const auto blocks_of = [](float n) { return (unsigned)plus(n, 1); };
      with_device_functions<<<blocks_of(0), 64, 0, stream>>>(z, 3.0f);
      apply<<<1, 64, 0, stream>>>(z, [=] __device__(float a) {
        const auto more = [](float b) { return b + 1; };
        return more(a);
      });
      break;
    }
    case 26: large_arrays<<<1, 2, 0, stream>>>(z, 126 << 10); break;
  }
}
