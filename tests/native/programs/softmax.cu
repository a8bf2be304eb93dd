// Softmax of rows: in three passes through shared memory, and online with pairs of maximum and sum.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

#include "checked.cuh"

namespace cg = cooperative_groups;

__global__ void three_passes(float* out, const float* x, int cols) {
  extern __shared__ float shared[];
  const int t = threadIdx.x;
  x += blockIdx.x * cols, out += blockIdx.x * cols;
  float most = -INFINITY;
  for (int i = t; i < cols; i += blockDim.x) most = fmaxf(most, x[i]);
  shared[t] = most;
  for (int stride = blockDim.x / 2; stride > 0; stride /= 2) {
    __syncthreads();
    if (t < stride) shared[t] = fmaxf(shared[t], shared[t + stride]);
  }
  __syncthreads();
  most = shared[0];
  __syncthreads();
  float sum = 0;
  for (int i = t; i < cols; i += blockDim.x) sum += out[i] = expf(x[i] - most);
  shared[t] = sum;
  for (int stride = blockDim.x / 2; stride > 0; stride /= 2) {
    __syncthreads();
    if (t < stride) shared[t] += shared[t + stride];
  }
  __syncthreads();
  for (int i = t; i < cols; i += blockDim.x) out[i] /= shared[0];
}

struct __align__(8) Running {
  float most, sum;
};
struct Join {
  __device__ Running operator()(const Running& a, const Running& b) const {
    const Running& high = a.most > b.most ? a : b;
    const Running& low = a.most > b.most ? b : a;
    return {high.most, high.sum + low.sum * expf(low.most - high.most)};
  }
};

__global__ void online(float* out, const float* x, int rows, int cols) {
  auto block = cg::this_thread_block();
  auto warp = cg::tiled_partition<32>(block);
  const int row = blockIdx.x * warp.meta_group_size() + warp.meta_group_rank();
  if (row >= rows) return;
  x += row * cols, out += row * cols;
  Running running{-INFINITY, 0};
  for (int i = warp.thread_rank(); i < cols; i += warp.size()) {
    const float before = running.most;
    running.most = fmaxf(before, x[i]);
    running.sum = running.sum * expf(before - running.most) + expf(x[i] - running.most);
  }
  running = cg::reduce(warp, running, Join());
  for (int i = warp.thread_rank(); i < cols; i += warp.size())
    __stcs(out + i, expf(__ldcs(x + i) - running.most) / running.sum);
}

int main() {
  const int rows = 21, cols = 150;
  auto x = wave(rows * cols, 0.9f);
  for (float& value : x) value *= 20;
  std::vector<double> expected(rows * cols);
  for (int row = 0; row < rows; ++row) {
    double sum = 0;
    for (int i = 0; i < cols; ++i) sum += exp(double(x[row * cols + i]));
    for (int i = 0; i < cols; ++i) expected[row * cols + i] = exp(double(x[row * cols + i])) / sum;
  }
  float *dx = to_device(x), *out = on_device<float>(rows * cols);
  three_passes<<<rows, 64, 64 * sizeof(float)>>>(out, dx, cols);
  bool right = farthest(to_host(out, rows * cols), expected) < 1e-6;
  online<<<(rows + 3) / 4, 128>>>(out, dx, rows, cols);
  right = right && farthest(to_host(out, rows * cols), expected) < 1e-6;
  CHECKED(cudaFree(dx));
  CHECKED(cudaFree(out));
  return verdict("softmax", right);
}
