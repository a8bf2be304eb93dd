// Work in four streams: copies there, kernels, and copies back, from pinned memory and with callbacks.
#include "checked.cuh"

template <typename Function>
__global__ void map(float* x, int n, Function function) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) x[i] = function(x[i]);
}

static void CUDART_CB count(cudaStream_t, cudaError_t status, void* data) {
  *static_cast<int*>(data) += status == cudaSuccess;
}

int main() {
  const int parts = 4, size = 500, bytes = size * sizeof(float);
  float *host = nullptr, *device = nullptr, offset = 3;
  int called = 0;
  CHECKED(cudaMallocHost(&host, parts * bytes));
  CHECKED(cudaMalloc(&device, parts * bytes));
  for (int i = 0; i < parts * size; ++i) host[i] = i;
  cudaStream_t streams[parts];
  cudaEvent_t done;
  CHECKED(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
  for (int i = 0; i < parts; ++i) {
    CHECKED(cudaStreamCreate(&streams[i]));
    CHECKED(cudaMemcpyAsync(device + i * size, host + i * size, bytes, cudaMemcpyHostToDevice, streams[i]));
    map<<<2, 128, 0, streams[i]>>>(device + i * size, size, [=] __device__(float x) { return 2 * x + offset; });
    CHECKED(cudaMemcpyAsync(host + i * size, device + i * size, bytes, cudaMemcpyDeviceToHost, streams[i]));
    CHECKED(cudaStreamAddCallback(streams[i], count, &called, 0));
    CHECKED(cudaEventRecord(done, streams[i]));
    CHECKED(cudaStreamWaitEvent(streams[0], done, 0));
  }
  CHECKED(cudaDeviceSynchronize());
  bool right = called == parts;
  for (int i = 0; i < parts * size; ++i) right = right && host[i] == 2.0f * i + 3;
  for (cudaStream_t stream : streams) CHECKED(cudaStreamDestroy(stream));
  CHECKED(cudaEventDestroy(done));
  CHECKED(cudaFreeHost(host));
  CHECKED(cudaFree(device));
  CHECKED(cudaDeviceReset());
  return verdict("streams", right);
}
