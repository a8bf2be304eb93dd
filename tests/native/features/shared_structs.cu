// Structs, unions and arrays of arrays in shared memory.
#include "checks.h"

constexpr int CHECKS = 2;

struct Node {
  int key;
  float values[3];
};
__global__ void structs(int* ok) {
  __shared__ Node nodes[32];
  __shared__ union {
    float numbers[32][33];
    int words[32 * 33];
  } both;
  const int t = threadIdx.x;
  nodes[t] = Node{t, {1.0f * t, 2.0f * t, 3.0f * t}};
  both.numbers[t][t] = t;
  __syncwarp();
  const Node other = nodes[31 - t];
  check(ok + 0, other.key == 31 - t && other.values[2] == 3.0f * (31 - t));
  check(ok + 1, both.words[34 * t] == __float_as_int(float(t)));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  structs<<<1, 32, 0, stream>>>(ok);
}
