// cuRAND's device API: the generators Philox4x32-10 (Salmon et al., 2011) and XORWOW (Marsaglia, 2003).
#ifndef UPSKILL_CPU_CURAND_KERNEL_H
#define UPSKILL_CPU_CURAND_KERNEL_H
#define CURAND_KERNEL_H_

#include "cuda_runtime.h"
#include "upskill_cpu/random_xorwow.h"

struct curandStatePhilox4_32_10 {
  uint4 ctr, output;
  uint2 key;
  unsigned int STATE;
  int boxmuller_flag, boxmuller_flag_double;
  float boxmuller_extra;
  double boxmuller_extra_double;
};
typedef curandStatePhilox4_32_10 curandStatePhilox4_32_10_t;

namespace upskill::cpu::random {

UPSKILL_CPU_INLINE uint4 philox(uint4 counter, uint2 key) {
  for (int round = 0; round < 10; ++round) {
    const unsigned int high0 = __umulhi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
    const unsigned int high1 = __umulhi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
    counter = {high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0};
    key.x += 0x9E3779B9u;
    key.y += 0xBB67AE85u;
  }
  return counter;
}

UPSKILL_CPU_INLINE unsigned int word(const uint4& words, unsigned int i) {
  return i == 0 ? words.x : i == 1 ? words.y : i == 2 ? words.z : words.w;
}

// Adds to the counter's low or its high half.
UPSKILL_CPU_INLINE void advance(uint4& counter, unsigned long long by) {
  unsigned long long low = static_cast<unsigned long long>(counter.y) << 32 | counter.x, sum = low + by;
  counter.x = static_cast<unsigned int>(sum), counter.y = static_cast<unsigned int>(sum >> 32);
  if (sum < low && ++counter.z == 0) ++counter.w;
}
UPSKILL_CPU_INLINE void advance_high(uint4& counter, unsigned long long by) {
  unsigned long long sum = (static_cast<unsigned long long>(counter.w) << 32 | counter.z) + by;
  counter.z = static_cast<unsigned int>(sum), counter.w = static_cast<unsigned int>(sum >> 32);
}

// In (0, 1]: zero is left out and one is not.
UPSKILL_CPU_INLINE float uniform(unsigned int x) {
  return static_cast<float>(x) * 2.3283064e-10f + 2.3283064e-10f / 2.0f;
}
UPSKILL_CPU_INLINE double uniform(unsigned int x, unsigned int y) {
  const unsigned long long bits = x ^ static_cast<unsigned long long>(y) << (53 - 32);
  return static_cast<double>(bits) * 1.1102230246251565e-16 + 1.1102230246251565e-16 / 2.0;
}
UPSKILL_CPU_INLINE float2 normal_pair(unsigned int x, unsigned int y) {
  const float u = uniform(x), v = static_cast<float>(y) * 1.46291807e-09f + 1.46291807e-09f / 2.0f;
  const float s = sqrtf(-2.0f * logf(u));
  return {sinf(v) * s, cosf(v) * s};
}

}  // namespace upskill::cpu::random

UPSKILL_CPU_INLINE void skipahead(unsigned long long n, curandStatePhilox4_32_10_t* state) {
  state->STATE += static_cast<unsigned int>(n & 3);
  n /= 4;
  if (state->STATE > 3) {
    ++n;
    state->STATE -= 4;
  }
  ::upskill::cpu::random::advance(state->ctr, n);
  state->output = ::upskill::cpu::random::philox(state->ctr, state->key);
}
UPSKILL_CPU_INLINE void skipahead_sequence(unsigned long long n, curandStatePhilox4_32_10_t* state) {
  ::upskill::cpu::random::advance_high(state->ctr, n);
  state->output = ::upskill::cpu::random::philox(state->ctr, state->key);
}
UPSKILL_CPU_INLINE void curand_init(unsigned long long seed, unsigned long long subsequence, unsigned long long offset,
                                    curandStatePhilox4_32_10_t* state) {
  *state = {};
  state->key = {static_cast<unsigned int>(seed), static_cast<unsigned int>(seed >> 32)};
  skipahead_sequence(subsequence, state);
  skipahead(offset, state);
}

UPSKILL_CPU_INLINE unsigned int curand(curandStatePhilox4_32_10_t* state) {
  const unsigned int result = ::upskill::cpu::random::word(state->output, state->STATE++);
  if (state->STATE == 4) {
    ::upskill::cpu::random::advance(state->ctr, 1);
    state->output = ::upskill::cpu::random::philox(state->ctr, state->key);
    state->STATE = 0;
  }
  return result;
}
UPSKILL_CPU_INLINE uint4 curand4(curandStatePhilox4_32_10_t* state) {
  uint4 result;
  result.x = curand(state), result.y = curand(state), result.z = curand(state), result.w = curand(state);
  return result;
}
UPSKILL_CPU_INLINE float4 curand_uniform4(curandStatePhilox4_32_10_t* state) {
  using ::upskill::cpu::random::uniform;
  const uint4 x = curand4(state);
  return {uniform(x.x), uniform(x.y), uniform(x.z), uniform(x.w)};
}
UPSKILL_CPU_INLINE float4 curand_normal4(curandStatePhilox4_32_10_t* state) {
  const uint4 x = curand4(state);
  const float2 a = ::upskill::cpu::random::normal_pair(x.x, x.y), b = ::upskill::cpu::random::normal_pair(x.z, x.w);
  return {a.x, a.y, b.x, b.y};
}

// What both generators have.
template <class State>
UPSKILL_CPU_INLINE float curand_uniform(State* state) {
  return ::upskill::cpu::random::uniform(curand(state));
}
template <class State>
UPSKILL_CPU_INLINE double curand_uniform_double(State* state) {
  const unsigned int x = curand(state), y = curand(state);
  return ::upskill::cpu::random::uniform(x, y);
}
template <class State>
UPSKILL_CPU_INLINE float2 curand_normal2(State* state) {
  const unsigned int x = curand(state), y = curand(state);
  return ::upskill::cpu::random::normal_pair(x, y);
}
template <class State>
UPSKILL_CPU_INLINE float curand_normal(State* state) {
  if (state->boxmuller_flag != 0) {
    state->boxmuller_flag = 0;
    return state->boxmuller_extra;
  }
  const float2 pair = curand_normal2(state);
  state->boxmuller_flag = 1;
  state->boxmuller_extra = pair.y;
  return pair.x;
}
template <class State>
UPSKILL_CPU_INLINE double2 curand_normal2_double(State* state) {
  const double u = curand_uniform_double(state), v = curand_uniform_double(state) * 6.283185307179586;
  const double s = sqrt(-2.0 * log(u));
  return {sin(v) * s, cos(v) * s};
}
template <class State>
UPSKILL_CPU_INLINE double curand_normal_double(State* state) {
  if (state->boxmuller_flag_double != 0) {
    state->boxmuller_flag_double = 0;
    return state->boxmuller_extra_double;
  }
  const double2 pair = curand_normal2_double(state);
  state->boxmuller_flag_double = 1;
  state->boxmuller_extra_double = pair.y;
  return pair.x;
}
template <class State>
UPSKILL_CPU_INLINE float curand_log_normal(State* state, float mean, float deviation) {
  return expf(mean + deviation * curand_normal(state));
}

#endif  // UPSKILL_CPU_CURAND_KERNEL_H
