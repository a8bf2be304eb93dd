// The host side of the runtime API. a[0]: ints, one for each check, 1 if it held.
#include <cuda_runtime.h>

#include <cstring>
#include <vector>

__constant__ float table[4];
__device__ int counter;

__global__ void fill(float* out, int n) {
  for (int i = threadIdx.x; i < n; i += blockDim.x) out[i] = table[i % 4] + i;
  if (threadIdx.x == 0) counter = counter + 1;
}

static int copies(cudaStream_t stream) {
  const int n = 100;
  float *device = nullptr, host[n] = {}, values[4] = {1, 2, 3, 4};
  bool ok = cudaMallocAsync(&device, n * sizeof(float), stream) == cudaSuccess;
  ok &= cudaMemcpyToSymbol(table, values, sizeof values) == cudaSuccess;
  fill<<<1, 32, 0, stream>>>(device, n);
  ok &= cudaMemcpyAsync(host, device, sizeof host, cudaMemcpyDeviceToHost, stream) == cudaSuccess;
  ok &= cudaStreamSynchronize(stream) == cudaSuccess && host[99] == 103.0f;
  ok &= cudaMemsetAsync(device, 0, 40, stream) == cudaSuccess;
  ok &= cudaMemcpy(host, device, sizeof host, cudaMemcpyDefault) == cudaSuccess && host[9] == 0.0f && host[10] == 13.0f;
  ok &= cudaMemcpy2D(host, 8, device + 10, 40, 8, 3, cudaMemcpyDeviceToHost) == cudaSuccess && host[2] == 21.0f;
  int count = 0;
  ok &= cudaMemcpyFromSymbol(&count, counter, sizeof count) == cudaSuccess && count == 1;
  ok &= cudaFreeAsync(device, stream) == cudaSuccess;
  return ok;
}

static int events() {
  cudaStream_t stream;
  cudaEvent_t start, stop;
  float milliseconds = -1.0f;
  bool ok = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess;
  ok &= cudaEventCreate(&start) == cudaSuccess && cudaEventCreateWithFlags(&stop, cudaEventDefault) == cudaSuccess;
  ok &= cudaEventRecord(start, stream) == cudaSuccess && cudaEventRecord(stop, stream) == cudaSuccess;
  ok &= cudaStreamWaitEvent(stream, stop, 0) == cudaSuccess && cudaEventSynchronize(stop) == cudaSuccess;
  ok &= cudaEventElapsedTime(&milliseconds, start, stop) == cudaSuccess && milliseconds >= 0.0f;
  ok &= cudaEventDestroy(start) == cudaSuccess && cudaEventDestroy(stop) == cudaSuccess;
  return ok && cudaStreamDestroy(stream) == cudaSuccess;
}

static int device() {
  int which = -1, count = 0, processors = 0, blocks = 0, grid = 0, block = 0;
  cudaDeviceProp properties;
  bool ok = cudaGetDevice(&which) == cudaSuccess && cudaGetDeviceCount(&count) == cudaSuccess && count >= 1;
  ok &= cudaGetDeviceProperties(&properties, which) == cudaSuccess && properties.warpSize == 32;
  ok &= cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, which) == cudaSuccess;
  ok &= processors == properties.multiProcessorCount;
  ok &= cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, fill, 256, 0) == cudaSuccess && blocks > 0;
  ok &= cudaOccupancyMaxPotentialBlockSize(&grid, &block, fill) == cudaSuccess && block > 0 && grid > 0;
  return ok;
}

static int errors() {
  void* pointer = nullptr;
  bool ok = cudaMalloc(&pointer, size_t(1) << 50) == cudaErrorMemoryAllocation;
  ok &= cudaPeekAtLastError() == cudaErrorMemoryAllocation && cudaGetLastError() == cudaErrorMemoryAllocation;
  ok &= cudaGetLastError() == cudaSuccess && strcmp(cudaGetErrorString(cudaSuccess), "no error") == 0;
  ok &= strcmp(cudaGetErrorName(cudaErrorInvalidConfiguration), "cudaErrorInvalidConfiguration") == 0;
  ok &= cudaFree(nullptr) == cudaSuccess && cudaSetDevice(99) == cudaErrorInvalidDevice;
  std::vector<float> host(16);
  ok &= cudaMalloc(&pointer, 32) == cudaSuccess && cudaMemset(pointer, 0, 64) == cudaErrorInvalidValue;
  ok &= cudaMemcpy(pointer, host.data(), 64, cudaMemcpyHostToDevice) == cudaErrorInvalidValue;
  ok &= cudaFree(pointer) == cudaSuccess && cudaFree(pointer) == cudaErrorInvalidValue;
  cudaGetLastError();
  return ok;
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int ok[4] = {copies(stream), events(), device(), errors()};
  cudaMemcpy(a[0], ok, sizeof ok, cudaMemcpyHostToDevice);
}
