// Kernels get structs as copies, arrays in them included.
#include "checks.h"

constexpr int CHECKS = 2;

struct Shape {
  int dims[4];
  int rank;
  __host__ __device__ int size() const {
    int product = 1;
    for (int i = 0; i < rank; ++i) product *= dims[i];
    return product;
  }
};
struct Triple {
  char tag;
  double value;
  short rest[3];
};
__global__ void sizes(int* ok, Shape shape, const Triple triple) {
  check(ok + 0, shape.size() == 24);
  shape.rank = 1;
  check(ok + 1, shape.size() == 2 && triple.tag == 'x' && triple.value == 0.5 && triple.rest[2] == 9);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  const Shape shape = {{2, 3, 4, 0}, 3};
  sizes<<<1, 32, 0, stream>>>(ok, shape, Triple{'x', 0.5, {7, 8, 9}});
}
