#pragma once

// y = a x + y
__global__ void saxpy(float* y, const float* x, float a, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i] + y[i];
}

inline void launch_saxpy(float* y, const float* x, float a, int n) { saxpy<<<(n + 127) / 128, 128>>>(y, x, a, n); }
