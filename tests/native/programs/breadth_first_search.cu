// Breadth-first search in a graph of compressed rows: a launch for each level, with a queue for the next one.
#include <queue>

#include "checked.cuh"

__global__ void expand(const int* first, const int* edges, int* level, const int* queue, int size, int* next,
                       int* next_size, int depth) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const int node = queue[i];
  for (int edge = first[node]; edge < first[node + 1]; ++edge) {
    const int other = edges[edge];
    if (atomicCAS(&level[other], -1, depth) == -1) next[atomicAdd(next_size, 1)] = other;
  }
}

int main() {
  const int nodes = 600, degree = 3;
  auto targets = words(nodes * degree, nodes);
  std::vector<int> first(nodes + 1), edges(targets.begin(), targets.end()), expected(nodes, -1), start(nodes, -1);
  for (int i = 0; i <= nodes; ++i) first[i] = i * degree;
  std::queue<int> waiting({0});
  for (expected[0] = start[0] = 0; !waiting.empty(); waiting.pop())
    for (int edge = first[waiting.front()]; edge < first[waiting.front() + 1]; ++edge)
      if (expected[edges[edge]] < 0) {
        expected[edges[edge]] = expected[waiting.front()] + 1;
        waiting.push(edges[edge]);
      }
  int *dfirst = to_device(first), *dedges = to_device(edges), *level = to_device(start);
  int *queue = to_device(std::vector<int>(nodes)), *next = on_device<int>(nodes), *next_size = on_device<int>(1);
  int size = 1;
  for (int depth = 1; size > 0; ++depth) {
    CHECKED(cudaMemset(next_size, 0, sizeof(int)));
    expand<<<(size + 63) / 64, 64>>>(dfirst, dedges, level, queue, size, next, next_size, depth);
    size = to_host(next_size, 1)[0];
    std::swap(queue, next);
  }
  const bool right = to_host(level, nodes) == expected;
  for (int* pointer : {dfirst, dedges, level, queue, next, next_size}) CHECKED(cudaFree(pointer));
  return verdict("breadth-first search", right);
}
