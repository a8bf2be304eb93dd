// Integer and bit intrinsics.
#ifndef UPSKILL_CPU_BITS_H
#define UPSKILL_CPU_BITS_H

#include <cstdint>

#include "../vector_types.h"
#include "keywords.h"

UPSKILL_CPU_INLINE int __popc(unsigned int x) { return __builtin_popcount(x); }
UPSKILL_CPU_INLINE int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
UPSKILL_CPU_INLINE int __clz(int x) { return x != 0 ? __builtin_clz(static_cast<unsigned int>(x)) : 32; }
UPSKILL_CPU_INLINE int __clzll(long long x) {
  return x != 0 ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64;
}
UPSKILL_CPU_INLINE int __ffs(int x) { return __builtin_ffs(x); }
UPSKILL_CPU_INLINE int __ffsll(long long x) { return __builtin_ffsll(x); }

UPSKILL_CPU_INLINE unsigned int __brev(unsigned int x) {
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}
UPSKILL_CPU_INLINE unsigned long long __brevll(unsigned long long x) {
  auto low = static_cast<unsigned int>(x), high = static_cast<unsigned int>(x >> 32);
  return static_cast<unsigned long long>(__brev(low)) << 32 | __brev(high);
}

// Picks four of the eight bytes of y:x; the top bit of a selector's nibble spreads the byte's sign.
UPSKILL_CPU_INLINE unsigned int __byte_perm(unsigned int x, unsigned int y, unsigned int selectors) {
  uint64_t bytes = static_cast<uint64_t>(y) << 32 | x;
  unsigned int result = 0;
  for (int i = 0; i < 4; ++i) {
    unsigned int selector = selectors >> (4 * i) & 0xf;
    auto byte = static_cast<unsigned int>(bytes >> (8 * (selector & 7)) & 0xff);
    if (selector & 8) byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * i);
  }
  return result;
}
UPSKILL_CPU_INLINE unsigned int __funnelshift_l(unsigned int low, unsigned int high, unsigned int shift) {
  return static_cast<unsigned int>(((static_cast<uint64_t>(high) << 32 | low) << (shift & 31)) >> 32);
}
UPSKILL_CPU_INLINE unsigned int __funnelshift_r(unsigned int low, unsigned int high, unsigned int shift) {
  return static_cast<unsigned int>((static_cast<uint64_t>(high) << 32 | low) >> (shift & 31));
}
UPSKILL_CPU_INLINE unsigned int __funnelshift_lc(unsigned int low, unsigned int high, unsigned int shift) {
  return shift >= 32 ? low : __funnelshift_l(low, high, shift);
}
UPSKILL_CPU_INLINE unsigned int __funnelshift_rc(unsigned int low, unsigned int high, unsigned int shift) {
  return shift >= 32 ? high : __funnelshift_r(low, high, shift);
}

UPSKILL_CPU_INLINE int __mulhi(int a, int b) { return static_cast<int>(static_cast<int64_t>(a) * b >> 32); }
UPSKILL_CPU_INLINE unsigned int __umulhi(unsigned int a, unsigned int b) {
  return static_cast<unsigned int>(static_cast<uint64_t>(a) * b >> 32);
}
UPSKILL_CPU_INLINE long long __mul64hi(long long a, long long b) {
  return static_cast<long long>(static_cast<__int128>(a) * b >> 64);
}
UPSKILL_CPU_INLINE unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
UPSKILL_CPU_INLINE int __mul24(int a, int b) {
  auto wide = [](int x) { return static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(x) << 8) >> 8); };
  return static_cast<int>(wide(a) * wide(b));
}
UPSKILL_CPU_INLINE unsigned int __umul24(unsigned int a, unsigned int b) { return (a & 0xffffff) * (b & 0xffffff); }
UPSKILL_CPU_INLINE int __hadd(int a, int b) { return static_cast<int>((static_cast<int64_t>(a) + b) >> 1); }
UPSKILL_CPU_INLINE int __rhadd(int a, int b) { return static_cast<int>((static_cast<int64_t>(a) + b + 1) >> 1); }
UPSKILL_CPU_INLINE unsigned int __uhadd(unsigned int a, unsigned int b) {
  return static_cast<unsigned int>((static_cast<uint64_t>(a) + b) >> 1);
}
UPSKILL_CPU_INLINE unsigned int __urhadd(unsigned int a, unsigned int b) {
  return static_cast<unsigned int>((static_cast<uint64_t>(a) + b + 1) >> 1);
}
UPSKILL_CPU_INLINE unsigned int __sad(int a, int b, unsigned int c) {
  int64_t difference = static_cast<int64_t>(a) - b;
  return static_cast<unsigned int>(difference < 0 ? -difference : difference) + c;
}
UPSKILL_CPU_INLINE unsigned int __usad(unsigned int a, unsigned int b, unsigned int c) {
  return (a < b ? b - a : a - b) + c;
}

// Dot products of four signed or unsigned bytes.
UPSKILL_CPU_INLINE int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 32; i += 8) c += static_cast<int8_t>(a >> i) * static_cast<int8_t>(b >> i);
  return c;
}
UPSKILL_CPU_INLINE unsigned int __dp4a(unsigned int a, unsigned int b, unsigned int c) {
  for (int i = 0; i < 32; i += 8) c += (a >> i & 0xff) * (b >> i & 0xff);
  return c;
}
UPSKILL_CPU_INLINE int __dp4a(char4 a, char4 b, int c) { return c + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
UPSKILL_CPU_INLINE unsigned int __dp4a(uchar4 a, uchar4 b, unsigned int c) {
  return c + static_cast<unsigned int>(a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w);
}

// Ticks of the processor's clock (cudaDevAttrClockRate), and nanoseconds. In a kernel, the C library's clock() is
// wrapped.
extern "C" long long upskill_cpu_clock(void);
extern "C" long long upskill_cpu_timer(void);
UPSKILL_CPU_INLINE long long clock64() { return upskill_cpu_clock(); }

#endif  // UPSKILL_CPU_BITS_H
