// CUDA's built-in vector types, with CUDA's alignments: `float4` is 16 bytes, aligned to 16.
#ifndef UPSKILL_CPU_VECTOR_TYPES_H
#define UPSKILL_CPU_VECTOR_TYPES_H

#define UPSKILL_CPU_VECTOR(element, name, align2, align4) \
  struct name##1 {                                        \
    element x;                                            \
  };                                                      \
  struct alignas(align2) name##2 {                        \
    element x, y;                                         \
  };                                                      \
  struct name##3 {                                        \
    element x, y, z;                                      \
  };                                                      \
  struct alignas(align4) name##4 {                        \
    element x, y, z, w;                                   \
  };

UPSKILL_CPU_VECTOR(signed char, char, 2, 4)
UPSKILL_CPU_VECTOR(unsigned char, uchar, 2, 4)
UPSKILL_CPU_VECTOR(short, short, 4, 8)
UPSKILL_CPU_VECTOR(unsigned short, ushort, 4, 8)
UPSKILL_CPU_VECTOR(int, int, 8, 16)
UPSKILL_CPU_VECTOR(unsigned int, uint, 8, 16)
UPSKILL_CPU_VECTOR(long, long, 16, 16)
UPSKILL_CPU_VECTOR(unsigned long, ulong, 16, 16)
UPSKILL_CPU_VECTOR(long long, longlong, 16, 16)
UPSKILL_CPU_VECTOR(unsigned long long, ulonglong, 16, 16)
UPSKILL_CPU_VECTOR(float, float, 8, 16)
UPSKILL_CPU_VECTOR(double, double, 16, 16)
#undef UPSKILL_CPU_VECTOR

// The spellings of CUDA 13, which say how a 32-byte vector is aligned.
#define UPSKILL_CPU_WIDE_VECTOR(element, name) \
  struct alignas(16) name##4_16a {             \
    element x, y, z, w;                        \
  };                                           \
  struct alignas(32) name##4_32a {             \
    element x, y, z, w;                        \
  };

UPSKILL_CPU_WIDE_VECTOR(long, long)
UPSKILL_CPU_WIDE_VECTOR(unsigned long, ulong)
UPSKILL_CPU_WIDE_VECTOR(long long, longlong)
UPSKILL_CPU_WIDE_VECTOR(unsigned long long, ulonglong)
UPSKILL_CPU_WIDE_VECTOR(double, double)
#undef UPSKILL_CPU_WIDE_VECTOR

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int vx = 1, unsigned int vy = 1, unsigned int vz = 1) : x(vx), y(vy), z(vz) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return uint3{x, y, z}; }
};

#endif  // UPSKILL_CPU_VECTOR_TYPES_H
