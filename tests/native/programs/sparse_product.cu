// A sparse matrix times a vector: compressed rows with a thread and with a warp for each, and coordinates with atomics.
#include "checked.cuh"

struct Matrix {
  int rows;
  const int *first, *cols;
  const float* values;
};

__global__ void by_threads(Matrix matrix, const float* x, float* y) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= matrix.rows) return;
  float sum = 0;
  for (int i = matrix.first[row]; i < matrix.first[row + 1]; ++i) sum += matrix.values[i] * __ldg(x + matrix.cols[i]);
  y[row] = sum;
}

__global__ void by_warps(const Matrix matrix, const float* x, float* y) {
  const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
  if (row >= matrix.rows) return;
  float sum = 0;
  for (int i = matrix.first[row] + lane; i < matrix.first[row + 1]; i += 32)
    sum += matrix.values[i] * x[matrix.cols[i]];
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffffu, sum, offset);
  if (lane == 0) y[row] = sum;
}

__global__ void by_elements(const int* rows, const int* cols, const float* values, int count, const float* x,
                            float* y) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
    atomicAdd(&y[rows[i]], values[i] * x[cols[i]]);
}

int main() {
  const int rows = 90, cols = 120;
  auto picks = words(rows * cols, 12);
  auto x = wave(cols, 0.5f);
  std::vector<int> first{0}, col, row;
  std::vector<float> values;
  std::vector<double> expected(rows);
  for (int i = 0; i < rows * cols; ++i) {
    if (picks[i] == 0) {
      row.push_back(i / cols), col.push_back(i % cols), values.push_back(sinf(i));
      expected[i / cols] += double(values.back()) * x[i % cols];
    }
    if (i % cols == cols - 1) first.push_back(int(values.size()));
  }
  int *dfirst = to_device(first), *dcol = to_device(col), *drow = to_device(row);
  float *dvalues = to_device(values), *dx = to_device(x), *y = on_device<float>(rows);
  const Matrix matrix{rows, dfirst, dcol, dvalues};
  by_threads<<<3, 32>>>(matrix, dx, y);
  bool right = farthest(to_host(y, rows), expected) < 1e-5;
  by_warps<<<(rows + 3) / 4, 128>>>(matrix, dx, y);
  right = right && farthest(to_host(y, rows), expected) < 1e-5;
  CHECKED(cudaMemset(y, 0, rows * sizeof(float)));
  by_elements<<<2, 64>>>(drow, dcol, dvalues, int(values.size()), dx, y);
  right = right && farthest(to_host(y, rows), expected) < 1e-5;
  for (int* pointer : {dfirst, dcol, drow}) CHECKED(cudaFree(pointer));
  for (float* pointer : {dvalues, dx, y}) CHECKED(cudaFree(pointer));
  return verdict("sparse product", right);
}
