// make_float4 and related functions.
#ifndef UPSKILL_CPU_VECTOR_FUNCTIONS_H
#define UPSKILL_CPU_VECTOR_FUNCTIONS_H

#include "vector_types.h"

#define UPSKILL_CPU_MAKE(element, name)                                                   \
  constexpr name##1 make_##name##1(element x) { return {x}; }                             \
  constexpr name##2 make_##name##2(element x, element y) { return {x, y}; }               \
  constexpr name##3 make_##name##3(element x, element y, element z) { return {x, y, z}; } \
  constexpr name##4 make_##name##4(element x, element y, element z, element w) { return {x, y, z, w}; }

UPSKILL_CPU_MAKE(signed char, char)
UPSKILL_CPU_MAKE(unsigned char, uchar)
UPSKILL_CPU_MAKE(short, short)
UPSKILL_CPU_MAKE(unsigned short, ushort)
UPSKILL_CPU_MAKE(int, int)
UPSKILL_CPU_MAKE(unsigned int, uint)
UPSKILL_CPU_MAKE(long, long)
UPSKILL_CPU_MAKE(unsigned long, ulong)
UPSKILL_CPU_MAKE(long long, longlong)
UPSKILL_CPU_MAKE(unsigned long long, ulonglong)
UPSKILL_CPU_MAKE(float, float)
UPSKILL_CPU_MAKE(double, double)
#undef UPSKILL_CPU_MAKE

#endif  // UPSKILL_CPU_VECTOR_FUNCTIONS_H
