// Device functions that call themselves, and arrays on the stack.
#include "checks.h"

constexpr int CHECKS = 1;

__device__ int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
__device__ void hanoi(int n, int from, int to, int* moves) {
  if (n == 0) return;
  hanoi(n - 1, from, 3 - from - to, moves);
  ++moves[to];
  hanoi(n - 1, 3 - from - to, to, moves);
}
__global__ void recursive(int* ok) {
  int moves[3] = {};
  hanoi(5, 0, 2, moves);
  check(ok, fibonacci(10) == 55 && moves[0] + moves[1] + moves[2] == 31);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  recursive<<<1, 32, 0, stream>>>(ok);
}
