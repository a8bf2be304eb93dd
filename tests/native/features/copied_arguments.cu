// An argument of a class that copies itself member by member: each thread gets a copy.
#include "checks.h"

constexpr int CHECKS = 2;

struct Pair {
  int first, second;
  __host__ __device__ Pair(int a, int b) : first(a), second(b) {}
  __host__ __device__ Pair(const Pair& other) : first(other.first), second(-(-other.second)) {}
};

__global__ void unpack(int* ok, Pair a, Pair b) {
  a.first += threadIdx.x;
  check(ok + 0, a.first == 3 + static_cast<int>(threadIdx.x) && a.second == 5);
  check(ok + 1, b.first == 7 && b.second == 8);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  const Pair here(3, 5);
  unpack<<<2, 32, 0, stream>>>(static_cast<int*>(a[0]), here, Pair(7, 8));
}
