// Attributes, flags and priorities of streams are kept and have no effect; clocks of the device agree with each other.
#include "checked.cuh"

__global__ void wait(long long ticks, long long* passed) {
  unsigned long long before, after;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(before));
  const clock_t start = clock();
  while (clock() - start < ticks) {
  }
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(after));
  passed[threadIdx.x] = after - before;
}

int main() {
  cudaStream_t stream, other;
  int least, greatest, priority;
  CHECKED(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  CHECKED(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, greatest - 7));
  CHECKED(cudaStreamCreate(&other));
  CHECKED(cudaStreamGetPriority(stream, &priority));
  unsigned int flags;
  CHECKED(cudaStreamGetFlags(stream, &flags));
  bool right = least > greatest && priority == greatest && flags == cudaStreamNonBlocking;

  cudaStreamAttrValue value = {}, got = {};
  value.accessPolicyWindow.num_bytes = 64;
  value.accessPolicyWindow.hitProp = cudaAccessPropertyPersisting;
  CHECKED(cudaStreamSetAttribute(stream, cudaStreamAttributeAccessPolicyWindow, &value));
  CHECKED(cudaStreamCopyAttributes(other, stream));
  CHECKED(cudaStreamGetAttribute(other, cudaStreamAttributeAccessPolicyWindow, &got));
  right &= got.accessPolicyWindow.num_bytes == 64 && got.accessPolicyWindow.hitProp == cudaAccessPropertyPersisting;

  int kilohertz;
  CHECKED(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, 0));
  cudaEvent_t start, stop;
  CHECKED(cudaEventCreate(&start));
  CHECKED(cudaEventCreate(&stop));
  auto* passed = on_device<long long>(64);
  CHECKED(cudaEventRecord(start, stream));
  wait<<<1, 64, 0, stream>>>(5ll * kilohertz, passed);
  CHECKED(cudaEventRecord(stop, stream));
  float milliseconds;
  CHECKED(cudaEventElapsedTime(&milliseconds, start, stop));
  for (long long nanoseconds : to_host(passed, 64)) right &= nanoseconds >= 5000000 && nanoseconds < 1e6 * milliseconds;

  CHECKED(cudaStreamDestroy(other));
  right &= cudaStreamGetPriority(other, &priority) == cudaErrorInvalidResourceHandle;
  right &= cudaGetLastError() == cudaErrorInvalidResourceHandle;
  printf("stream hints: %s\n", right ? "right" : "wrong");
}
