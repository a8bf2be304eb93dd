// min and max in the global namespace, with CUDA's overloads for mixed types: two of one type, or signed and unsigned
// of one width (then unsigned), or float and double. A number wins against a NaN.
#ifndef UPSKILL_CPU_MINMAX_H
#define UPSKILL_CPU_MINMAX_H

#include <cmath>

#include "keywords.h"

#define UPSKILL_CPU_MINMAX(A, B, R)                                                       \
  UPSKILL_CPU_INLINE R min(A a, B b) {                                                    \
    return static_cast<R>(a) < static_cast<R>(b) ? static_cast<R>(a) : static_cast<R>(b); \
  }                                                                                       \
  UPSKILL_CPU_INLINE R max(A a, B b) {                                                    \
    return static_cast<R>(a) > static_cast<R>(b) ? static_cast<R>(a) : static_cast<R>(b); \
  }

UPSKILL_CPU_MINMAX(int, int, int)
UPSKILL_CPU_MINMAX(unsigned int, unsigned int, unsigned int)
UPSKILL_CPU_MINMAX(int, unsigned int, unsigned int)
UPSKILL_CPU_MINMAX(unsigned int, int, unsigned int)
UPSKILL_CPU_MINMAX(long, long, long)
UPSKILL_CPU_MINMAX(unsigned long, unsigned long, unsigned long)
UPSKILL_CPU_MINMAX(long, unsigned long, unsigned long)
UPSKILL_CPU_MINMAX(unsigned long, long, unsigned long)
UPSKILL_CPU_MINMAX(long long, long long, long long)
UPSKILL_CPU_MINMAX(unsigned long long, unsigned long long, unsigned long long)
UPSKILL_CPU_MINMAX(long long, unsigned long long, unsigned long long)
UPSKILL_CPU_MINMAX(unsigned long long, long long, unsigned long long)
#undef UPSKILL_CPU_MINMAX

UPSKILL_CPU_INLINE float min(float a, float b) { return fminf(a, b); }
UPSKILL_CPU_INLINE float max(float a, float b) { return fmaxf(a, b); }
UPSKILL_CPU_INLINE double min(double a, double b) { return fmin(a, b); }
UPSKILL_CPU_INLINE double max(double a, double b) { return fmax(a, b); }
UPSKILL_CPU_INLINE double min(float a, double b) { return fmin(static_cast<double>(a), b); }
UPSKILL_CPU_INLINE double max(float a, double b) { return fmax(static_cast<double>(a), b); }
UPSKILL_CPU_INLINE double min(double a, float b) { return fmin(a, static_cast<double>(b)); }
UPSKILL_CPU_INLINE double max(double a, float b) { return fmax(a, static_cast<double>(b)); }

UPSKILL_CPU_INLINE unsigned int umin(unsigned int a, unsigned int b) { return min(a, b); }
UPSKILL_CPU_INLINE unsigned int umax(unsigned int a, unsigned int b) { return max(a, b); }
UPSKILL_CPU_INLINE long long llmin(long long a, long long b) { return min(a, b); }
UPSKILL_CPU_INLINE long long llmax(long long a, long long b) { return max(a, b); }
UPSKILL_CPU_INLINE unsigned long long ullmin(unsigned long long a, unsigned long long b) { return min(a, b); }
UPSKILL_CPU_INLINE unsigned long long ullmax(unsigned long long a, unsigned long long b) { return max(a, b); }

#endif  // UPSKILL_CPU_MINMAX_H
