// The loss of a language model and its gradient, fused; and the optimiser's step, AdamW.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

#include "checked.cuh"

namespace cg = cooperative_groups;

__global__ void loss_and_gradient(float* losses, float* gradient, const float* logits, const int* targets, int rows,
                                  int classes) {
  auto warp = cg::tiled_partition<32>(cg::this_thread_block());
  const int row = blockIdx.x * warp.meta_group_size() + warp.meta_group_rank();
  if (row >= rows) return;
  logits += row * classes, gradient += row * classes;
  float most = -INFINITY, sum = 0;
  for (int i = warp.thread_rank(); i < classes; i += 32) most = fmaxf(most, logits[i]);
  most = cg::reduce(warp, most, cg::greater<float>{});
  for (int i = warp.thread_rank(); i < classes; i += 32) sum += expf(logits[i] - most);
  sum = cg::reduce(warp, sum, cg::plus<float>{});
  const int target = targets[row];
  for (int i = warp.thread_rank(); i < classes; i += 32)
    gradient[i] = (expf(logits[i] - most) / sum - (i == target)) / rows;
  if (warp.thread_rank() == 0) losses[row] = logf(sum) + most - logits[target];
}

struct Adam {
  float rate, beta1, beta2, epsilon, decay;
};

__global__ void step(float* weights, const float* gradient, float* first, float* second, Adam adam, int t, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  first[i] = fmaf(adam.beta1, first[i], (1 - adam.beta1) * gradient[i]);
  second[i] = fmaf(adam.beta2, second[i], (1 - adam.beta2) * gradient[i] * gradient[i]);
  const float m = first[i] / (1 - powf(adam.beta1, t)), v = second[i] / (1 - powf(adam.beta2, t));
  weights[i] -= adam.rate * (m / (sqrtf(v) + adam.epsilon) + adam.decay * weights[i]);
}

double mean(const std::vector<float>& values) {
  double sum = 0;
  for (float value : values) sum += value;
  return sum / double(values.size());
}

int main() {
  const int rows = 10, classes = 77, n = rows * classes;
  auto logits = wave(n, 0.31f);
  auto picks = words(rows, classes);
  std::vector<int> targets(picks.begin(), picks.end());
  double expected = 0;
  for (int row = 0; row < rows; ++row) {
    double sum = 0;
    for (int i = 0; i < classes; ++i) sum += exp(double(logits[row * classes + i]));
    expected += (log(sum) - logits[row * classes + targets[row]]) / rows;
  }
  float *weights = to_device(logits), *gradient = on_device<float>(n), *losses = on_device<float>(rows);
  float *first = to_device(std::vector<float>(n)), *second = to_device(std::vector<float>(n));
  int* dtargets = to_device(targets);
  const Adam adam{0.1f, 0.9f, 0.999f, 1e-8f, 0.0f};
  double before = 0, after = 0;
  for (int t = 1; t <= 6; ++t) {
    loss_and_gradient<<<(rows + 1) / 2, 64>>>(losses, gradient, weights, dtargets, rows, classes);
    after = mean(to_host(losses, rows));
    if (t == 1) before = after;
    step<<<(n + 127) / 128, 128>>>(weights, gradient, first, second, adam, t, n);
  }
  for (float* pointer : {weights, gradient, losses, first, second}) CHECKED(cudaFree(pointer));
  CHECKED(cudaFree(dtargets));
  return verdict("cross entropy", fabs(before - expected) < 1e-5 && after < before - 0.3);
}
