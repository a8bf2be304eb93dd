// The host's variables in kernels, and the device's variables in host code.
#include <cuda_runtime.h>

#include <cstring>
#include <vector>

static float scales[4] = {1, 2, 3, 4};
static const float fixed[4] = {1, 2, 3, 4};
__device__ float weights[64];
__device__ int hits;
__constant__ float limits[4];
static __constant__ float two_limits[2] = {1, 2};
static __device__ float* rows[2];

template <class T>
static T* scratch() {
  static T memory[64];
  return memory;
}

__global__ void scale(float* y, const float* by) {
  y[threadIdx.x] = by[threadIdx.x % 4];  // bug 0: memory host-pointer, bug 2: memory host-pointer, bug 3: memory host-pointer
}
__global__ void count(int* counter) {
  atomicAdd(counter, 1);  // bug 1: memory host-pointer
}
struct Scaling {
  float* y;
  const float* by;
};
__global__ void scale_all(Scaling scaling) {
  scaling.y[threadIdx.x] = scaling.by[threadIdx.x % 4];  // bug 4: memory host-pointer
}
__global__ void measure(float* y, const char* text) { y[threadIdx.x] = text[threadIdx.x % 4]; }
__global__ void by_reference(float* y, const float& factor) {
  y[threadIdx.x] = 2 * factor;  // bug 5: memory host-pointer
}
__global__ void first_rows(float* y) { y[threadIdx.x] = rows[threadIdx.x % 2][0]; }
__global__ void use_symbols(float* y) { y[threadIdx.x] = limits[threadIdx.x % 4] + two_limits[1] + weights[0] + hits; }

struct Shape {
  float side;
  __host__ __device__ explicit Shape(float s) : side(s) {}
  __host__ __device__ virtual float area() const { return side * side; }
};
__global__ void area_of(float* y, Shape shape) { y[threadIdx.x] = shape.area(); }
__global__ void own_area(float* y) {
  const Shape shape(3);
  const Shape* any = &shape;
  y[threadIdx.x] = any->area();
}

template <class T>
__device__ T tabled(int i) {
  static const T table[4] = {1, 2, 4, 8};
  return table[i];
}
#define ON_DEVICE __device__ __forceinline__
ON_DEVICE float polynomial(float x, int i) {
  static constexpr float coefficients[4] = {0.5f, 0.25f, 0.125f, 0.0625f};
  const float local[4] = {1, 2, 3, 4};
  return coefficients[i] * x + local[3 - i];
}
typedef float (*Unary)(float);
__device__ float half_of(float x) { return x / 2; }
__device__ Unary chosen = half_of;
__global__ void allowed(float* y, Unary function, Scaling scaling) {
  static int calls = 0;
  static __shared__ float buffer[64];
  const char* text = "a text of the kernel";
  const int i = threadIdx.x % 4;
  if (threadIdx.x == 0) calls += 1;
  buffer[threadIdx.x] = tabled<float>(i) + tabled<int>(i) + polynomial(2, i) + text[i];
  switch (i) {
    case 0: buffer[threadIdx.x] += 5; break;
    case 1: buffer[threadIdx.x] += 17; break;
    case 2: buffer[threadIdx.x] += 3; break;
    default: buffer[threadIdx.x] += 1;
  }
  y[threadIdx.x] = function(buffer[threadIdx.x]) + scaling.by[threadIdx.x];
}
template <class F>
__global__ void apply(float* y, F function) {
  y[threadIdx.x] = function(threadIdx.x);
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  float* y = (float*)a[1];
  float four[4] = {1, 2, 3, 4};
  static int counter = 0;
  void* address = nullptr;
  switch (which) {
    case 0: scale<<<1, 64, 0, stream>>>(y, scales); break;
    case 1: count<<<1, 64, 0, stream>>>(&counter); break;
    case 2: scale<<<1, 64, 0, stream>>>(y, fixed); break;
    case 3: scale<<<1, 64, 0, stream>>>(y, scratch<float>()); break;
    case 4: scale_all<<<1, 64, 0, stream>>>({y, scales}); break;
    case 5: by_reference<<<1, 64, 0, stream>>>(y, four[1]); break;
    case 6: measure<<<1, 64, 0, stream>>>(y, "a text of the host"); break;  // bug 6: memory host-pointer
    case 7: scale<<<1, 64, 0, stream>>>(y, two_limits); break;              // bug 7: memory host-pointer
    case 8: scale_all<<<1, 64, 0, stream>>>({y, weights + 4}); break;       // bug 8: memory host-pointer
    case 9: {
      float* both[2] = {weights, weights + 32};
      cudaMemcpyToSymbol(rows, both, sizeof both);  // bug 9: memory host-pointer
      first_rows<<<1, 64, 0, stream>>>(y);
      break;
    }
    case 10: area_of<<<1, 64, 0, stream>>>(y, Shape(3)); break;  // bug 10: memory host-pointer
    case 11:
      hits = 0;  // bug 11: runs host-access
      break;
    case 12:
      four[0] += limits[counter % 4];  // bug 12: runs host-access
      cudaMemcpyAsync(y, four, 4, cudaMemcpyHostToDevice, stream);
      break;
    case 13:
      memcpy(weights, four, sizeof four);  // bug 13: runs host-access
      break;
    case 14: cudaMemsetAsync(&hits, 0, sizeof hits, stream); break;                             // bug 14: memory host-pointer
    case 15: cudaMemcpyAsync(weights, y, 16, cudaMemcpyDeviceToDevice, stream); break;          // bug 15: memory host-pointer
    case 16: cudaMemcpyToSymbol(limits, four, sizeof four, 0, cudaMemcpyDeviceToHost); break;   // bug 16: memory host-pointer
    case 17: cudaMemcpyFromSymbol(four, limits, sizeof four, 0, cudaMemcpyHostToDevice); break;  // bug 17: memory host-pointer
    case 18: cudaMemcpyToSymbol(scales, four, sizeof four); break;                              // bug 18: memory host-pointer
    case 19: cudaMemset(four, 0, sizeof four); break;                                           // bug 19: memory host-pointer
    case 20: cudaMemcpyAsync(y, four, sizeof four, cudaMemcpyDeviceToHost, stream); break;      // bug 20: memory host-pointer
    case 21: {
      float *pointer = four, **device = nullptr;
      cudaMalloc(&device, 8);
      cudaMemcpy(device, &pointer, 8, cudaMemcpyHostToDevice);
      apply<<<1, 64, 0, stream>>>(y, [=] __device__(int i) { return device[0][i % 4]; });  // bug 21: memory host-pointer
      cudaFree(device);
      break;
    }
    case 30: {
      cudaMemcpyToSymbol(limits, scales, sizeof scales);
      cudaMemcpyToSymbolAsync(two_limits, fixed, sizeof(float), sizeof(float), cudaMemcpyHostToDevice, stream);
      cudaMemcpyToSymbol(weights, y, 4, 0, cudaMemcpyDefault);
      cudaGetSymbolAddress(&address, hits);
      cudaMemsetAsync(address, 0, sizeof hits, stream);
      use_symbols<<<1, 64, 0, stream>>>(y);
      break;
    }
    case 31:
      cudaGetSymbolAddress(&address, limits);
      scale<<<1, 64, 0, stream>>>(y, static_cast<float*>(address));
      break;
    case 32: own_area<<<1, 64, 0, stream>>>(y); break;
    case 33: {
      Unary function;
      cudaMemcpyFromSymbol(&function, chosen, sizeof function);
      allowed<<<1, 64, 0, stream>>>(y, function, Scaling{y, (const float*)a[0]});
      break;
    }
    case 34: {
      const float factor = scales[counter % 4];
      apply<<<1, 64, 0, stream>>>(y, [=] __device__(int i) { return factor * tabled<int>(i % 4); });
      break;
    }
  }
}
