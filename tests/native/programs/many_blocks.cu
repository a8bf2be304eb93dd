// Many blocks, each with asynchronous copies and with flags for other blocks: the device keeps nothing of a launch.
#include <cuda_pipeline.h>
#include <malloc.h>
#include <sys/resource.h>

#include <cstdio>

__global__ void copies(const float* in, float* out) {
  __shared__ float tile[64];
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  __pipeline_memcpy_async(&tile[threadIdx.x], &in[i], sizeof(float));
  __pipeline_commit();
  __pipeline_commit();
  __pipeline_wait_prior(0);
  out[i] = tile[threadIdx.x];
}

__global__ void flags(volatile unsigned* raised, const float* in, float* out) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = in[i];
  __threadfence();
  raised[i] = 1;
}

size_t heap() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

int main() {
  const unsigned blocks = 20000, threads = 64;
  float *in, *out;
  unsigned* raised;
  cudaMalloc(&in, blocks * threads * sizeof(float));
  cudaMalloc(&out, blocks * threads * sizeof(float));
  cudaMalloc(&raised, blocks * threads * sizeof(unsigned));
  cudaMemset(in, 0, blocks * threads * sizeof(float));
  cudaMemset(raised, 0, blocks * threads * sizeof(unsigned));
  copies<<<1, threads>>>(in, out);
  flags<<<1, threads>>>(raised, in, out);
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  const size_t used = heap();
  copies<<<blocks, threads>>>(in, out);
  getrusage(RUSAGE_SELF, &after);
  flags<<<blocks, threads>>>(raised, in, out);
  cudaDeviceSynchronize();
  const size_t kept = heap() - used;
  cudaFree(in);
  cudaFree(out);
  cudaFree(raised);
  printf("%s\n", after.ru_maxrss - before.ru_maxrss < 100 << 10 ? "few during copies" : "many during copies");
  printf("%s\n", kept < 1 << 19 ? "none kept" : "some kept");
}
