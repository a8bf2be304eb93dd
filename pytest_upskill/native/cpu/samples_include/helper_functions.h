// The helpers of NVIDIA's CUDA samples that do not need CUDA, for programs that have left their Common folder behind.
#pragma once
#include <cassert>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "helper_string.h"
#include "helper_timer.h"

#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#endif
#ifndef MAX
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif

// Whether the relative distance of two vectors, by the second norm, is below a bound.
inline bool sdkCompareL2fe(const float* expected, const float* got, unsigned int count, float bound) {
  double error = 0, size = 0;
  for (unsigned int i = 0; i < count; ++i) {
    const double difference = double(expected[i]) - got[i];
    error += difference * difference;
    size += double(expected[i]) * expected[i];
  }
  return size > 0 && std::sqrt(error / size) < bound;
}
template <class T, class Bound>
bool compareData(const T* expected, const T* got, unsigned int count, Bound bound, float share_wrong) {
  unsigned int wrong = 0;
  for (unsigned int i = 0; i < count; ++i) wrong += !(std::abs(double(expected[i]) - double(got[i])) <= double(bound));
  return share_wrong == 0 ? wrong == 0 : float(wrong) < share_wrong * float(count);
}
