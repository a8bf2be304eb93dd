// Fast functions are near to the exact ones; special ones are there.
#include "checks.h"

constexpr int CHECKS = 4;

__device__ bool near(double x, double y) { return fabs(x - y) <= 1e-5 * fabs(y) + 1e-6; }
__global__ void functions(int* ok) {
  check(ok + 0, near(__expf(1.0f), exp(1.0)) && near(__logf(5.0f), log(5.0)) && near(__powf(2.0f, 10.0f), 1024));
  float sine, cosine;
  __sincosf(0.5f, &sine, &cosine);
  check(ok + 1, near(sine, sin(0.5)) && near(cosine, cos(0.5)) && near(__fdividef(1.0f, 4.0f), 0.25));
  check(ok + 2, near(rsqrtf(4.0f), 0.5) && near(erff(0.5f), 0.5204998778) && near(normcdff(1.0f), 0.8413447461) &&
                    near(tgammaf(5.0f), 24));
  check(ok + 3, __saturatef(7.0f) == 1 && fmaxf(1.0f, NAN) == 1 && __fmaf_rn(2.0f, 3.0f, 4.0f) == 10 &&
                    near(exp10f(2.0f), 100));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  functions<<<1, 32, 0, stream>>>(ok);
}
