// XORWOW, cuRAND's default generator. Its steps are linear over bits, so that it can skip ahead far: a subsequence
// begins 2^67 steps after the previous one.
#ifndef UPSKILL_CPU_RANDOM_XORWOW_H
#define UPSKILL_CPU_RANDOM_XORWOW_H

#include "../cuda_runtime.h"

struct curandStateXORWOW {
  unsigned int d, v[5];
  int boxmuller_flag, boxmuller_flag_double;
  float boxmuller_extra;
  double boxmuller_extra_double;
};
typedef curandStateXORWOW curandStateXORWOW_t;
typedef curandStateXORWOW curandState_t;
typedef curandStateXORWOW curandState;

extern "C" {
// Advances the generator by n * 2^power steps.
void upskill_cpu_xorwow_leap(unsigned int* words, unsigned long long n, unsigned int power);
}

inline void skipahead(unsigned long long n, curandStateXORWOW_t* state) {
  upskill_cpu_xorwow_leap(state->v, n, 0);
  state->d += 362437u * static_cast<unsigned int>(n);
}
inline void skipahead_sequence(unsigned long long n, curandStateXORWOW_t* state) {
  upskill_cpu_xorwow_leap(state->v, n, 67);
}
inline void curand_init(unsigned long long seed, unsigned long long subsequence, unsigned long long offset,
                        curandStateXORWOW_t* state) {
  const unsigned int low = static_cast<unsigned int>(seed) ^ 0xaad26b49u;
  const unsigned int high = static_cast<unsigned int>(seed >> 32) ^ 0xf7dcefddu;
  const unsigned int a = 1099087573u * low, b = 2591861531u * high;
  *state = {};
  state->d = 6615241u + b + a;
  state->v[0] = 123456789u + a;
  state->v[1] = 362436069u ^ a;
  state->v[2] = 521288629u + b;
  state->v[3] = 88675123u ^ b;
  state->v[4] = 5783321u + a;
  skipahead_sequence(subsequence, state);
  skipahead(offset, state);
}
inline unsigned int curand(curandStateXORWOW_t* state) {
  const unsigned int t = state->v[0] ^ state->v[0] >> 2;
  for (int i = 0; i < 4; ++i) state->v[i] = state->v[i + 1];
  state->v[4] ^= state->v[4] << 4 ^ t ^ t << 1;
  state->d += 362437u;
  return state->v[4] + state->d;
}

#endif  // UPSKILL_CPU_RANDOM_XORWOW_H
