// A whole program, in three files. Its first argument is the number of elements that it leaves out of its array.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "check.cuh"
#include "saxpy.cuh"

int main(int argc, char** argv) {
  const int missing = argc > 1 ? atoi(argv[1]) : 0, n = COUNT;
  std::vector<float> x(n, 1.0f), y(n, 2.0f);
  float *device_x, *device_y;
  CHECK(cudaMalloc(&device_x, (n - missing) * sizeof(float)));
  CHECK(cudaMalloc(&device_y, n * sizeof(float)));
  CHECK(cudaMemcpy(device_x, x.data(), (n - missing) * sizeof(float), cudaMemcpyHostToDevice));
  CHECK(cudaMemcpy(device_y, y.data(), n * sizeof(float), cudaMemcpyHostToDevice));
  launch_saxpy(device_y, device_x, 3.0f, n);
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaMemcpy(y.data(), device_y, n * sizeof(float), cudaMemcpyDeviceToHost));
  CHECK(cudaFree(device_x));
  CHECK(cudaFree(device_y));
  printf("y[0] = %g\n", y[0]);
  return argc > 2 ? atoi(argv[2]) : 0;
}
