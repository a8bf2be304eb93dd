// Threads of the host that use the device at once: reductions in shared memory, kernels that allocate, errors of each
// thread's own, callbacks that wait for a thread which uses the device.
#include "checked.cuh"

#include <atomic>
#include <future>
#include <thread>

__global__ void total(const int* values, int* result) {
  __shared__ int sums[128];
  const int i = threadIdx.x;
  sums[i] = values[i];
  __syncthreads();
  for (int half = 64; half > 0; half /= 2) {
    if (i < half) sums[i] += sums[i + half];
    __syncthreads();
  }
  if (i == 0) *result = sums[0];
}

__global__ void numbered(int* result) {
  int* own = new int(threadIdx.x);
  result[threadIdx.x] = *own;
  delete own;
}

std::atomic<int> rounds = 0;

bool works(int id) {
  int *managed, *result = on_device<int>(64);
  CHECKED(cudaMallocManaged(&managed, 128 * sizeof(int)));
  bool right = true;
  for (int round = 0; round < 10; ++round, ++rounds) {
    std::vector<int> values(128, id + round);
    for (int i = 0; i < 128; ++i) managed[i] = id;
    int* input = to_device(values);
    total<<<1, 128>>>(input, result);
    right &= to_host(result, 1)[0] == 128 * (id + round);
    numbered<<<1, 64>>>(result);
    right &= to_host(result, 64)[63] == 63;
    for (int i = 0; i < 128; ++i) right &= managed[i] == id;
    CHECKED(cudaFree(input));
  }
  right &= cudaSetDevice(id) == (id == 0 ? cudaSuccess : cudaErrorInvalidDevice);
  CHECKED(cudaFree(managed));
  CHECKED(cudaFree(result));
  return right && cudaGetLastError() == (id == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}

void start_thread(void* flag) {
  std::thread([flag] { *static_cast<bool*>(flag) = works(0); }).join();
}

int main() {
  std::vector<std::future<bool>> threads;
  for (int id = 0; id < 4; ++id) threads.push_back(std::async(std::launch::async, works, id));
  bool right = true, called = false;
  for (auto& thread : threads) right &= thread.get();
  CHECKED(cudaLaunchHostFunc(nullptr, start_thread, &called));
  right &= called && rounds == 50 && cudaGetLastError() == cudaSuccess;
  printf("host threads: %s\n", right ? "right" : "wrong");
}
