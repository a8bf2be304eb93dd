// Vector types, intrinsics and math functions. a[0]: 128 doubles; a[1]: 64 floats 0, 1, 2, ..., aligned to 16 bytes.
#include <math_constants.h>

#include <cmath>

__constant__ float scale[2] = {2.0f, 3.0f};

__global__ void bits(double* out) {
  *out++ = __popc(0xf0f0u) + __popcll(~0ull);                        // 72
  *out++ = __clz(1) * 100 + __clz(0);                                // 3132
  *out++ = __clzll(1ll) + __ffs(8) + __ffs(0) + __ffsll(1ll << 40);  // 63 + 4 + 0 + 41
  *out++ = __brev(1u) == 0x80000000u && __brevll(2ull) == 1ull << 62;
  *out++ = __byte_perm(0x33221100u, 0x77665544u, 0x7410u) == 0x77441100u;
  *out++ = __funnelshift_l(0x80000000u, 1u, 1) + __funnelshift_r(0u, 1u, 1) * 1.0;  // 3 + 2^31
  *out++ = __umulhi(0x80000000u, 6u) + __mulhi(-2147483647 - 1, 2);                 // 3 - 1
  *out++ = (double)__umul64hi(1ull << 63, 10ull);                                   // 5
  *out++ = __dp4a(0x01020304, 0x01010101, 5) + __sad(3, -4, 1);                     // 15 + 8
  *out++ = __mul24(-3, 7) + (int)__uhadd(3u, 5u) + __hadd(-3, 1);                   // -21 + 4 - 1
}

__global__ void conversions(double* out) {
  *out++ = __float2int_rn(2.5f) * 1000 + __float2int_ru(2.1f) * 100 + __float2int_rd(2.9f) * 10 + __float2int_rz(2.9f);
  *out++ = __float2int_rz(1e20f);
  *out++ = __float2int_rn(-1e20f);
  *out++ = __float2int_rn(CUDART_NAN_F) + __float2uint_rn(-5.0f);
  *out++ = (double)__double2ll_rn(-3.5) + (double)__float2ll_rz(-3.9f);
  *out++ = __int2float_rn(16777217) - 16777216.0 + __int2float_ru(16777217) - 16777216.0;  // 0 + 2
  *out++ = __uint_as_float(0x3f800000u) + __int_as_float(__float_as_int(2.5f));
  *out++ = __double2float_rd(0.1) < 0.1 && __double2float_ru(0.1) > 0.1;
  *out++ = __hiloint2double(__double2hiint(1.25), __double2loint(1.25));
  *out++ = __fadd_ru(1.0f, 1e-10f) > 1.0f && __fadd_rd(1.0f, 1e-10f) == 1.0f && __fmul_rz(3.0f, 0.5f) == 1.5f;
}

__global__ void functions(double* out) {
  *out++ = rsqrtf(4.0f) + rsqrt(16.0);
  *out++ = __expf(1.0f);
  *out++ = __logf(CUDART_PI_F) + __log2f(8.0f) + exp2f(3.0f) + exp10f(2.0f);
  *out++ = __fdividef(1.0f, 4.0f) + __powf(2.0f, 10.0f) + __saturatef(7.0f) + __frcp_rn(8.0f);
  float sine, cosine;
  __sincosf(0.5f, &sine, &cosine);
  *out++ = sine * sine + cosine * cosine;
  sincospif(0.5f, &sine, &cosine);
  *out++ = sine * 10 + cosine + sinpif(1.0f) + cospif(1.0f);  // 9
  *out++ = erff(0.5f);
  *out++ = normcdff(1.0f) + normcdfinvf(0.5f);
  *out++ = erfinvf(0.5f);
  *out++ = erfcinv(1e-10);
  *out++ = erfcx(2.0) + tgamma(5.0) + lgammaf(3.0f);
  *out++ = fmaxf(1.0f, NAN) + fminf(NAN, 2.0f) + copysignf(3.0f, -1.0f) + fmodf(7.0f, 4.0f);  // 3
  *out++ = max(3, 5u) + min(2.5f, 7.5) + max(1ll, 2ll) + min(4.0f, NAN) + abs(-2.5f);         // 16
  *out++ = norm3df(2.0f, 3.0f, 6.0f) + hypotf(3.0f, 4.0f) + rhypotf(3.0f, 4.0f) + cbrtf(27.0f);
  *out++ = isnan(NAN) + 2 * isinf(CUDART_INF_F) + 4 * isfinite(1.0f) + 8 * signbit(-0.0f);
  *out++ =
      __fmaf_rn(2.0f, 3.0f, 4.0f) + fma(2.0, 3.0, 4.0) + ldexpf(1.0f, 4) + truncf(-2.7f) + roundf(2.5f) + rintf(2.5f);
  *out++ = cyl_bessel_i0f(1.0f) + j0f(0.0f);
  *out++ = scale[0] * scale[1] + std::sqrt(4.0f) + std::abs(-1.0f) + std::exp(0.0f);
}

__global__ void vectors(double* out, const float* in) {
  const float4* quads = reinterpret_cast<const float4*>(in);
  float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  for (int i = 0; i < 16; ++i) {
    float4 q = __ldg(quads + i);
    sum.x += q.x, sum.y += q.y, sum.z += q.z, sum.w += q.w;
  }
  *out++ = sum.x * 1 + sum.y * 2 + sum.z * 3 + sum.w * 4;
  int4 raw = *reinterpret_cast<const int4*>(in + 4);
  *out++ = __int_as_float(raw.w) + __ldcs(in + 1) + reinterpret_cast<const float2*>(in)[3].y;
  *out++ = sizeof(float3) + sizeof(double2) * 100 + alignof(float4) * 10000 + alignof(uchar4) * 1000000;
  uchar4 small = make_uchar4(1, 2, 3, 255);
  ulonglong2 large = make_ulonglong2(1, 2);
  dim3 shape = make_uint3(4, 5, 6);
  *out++ = small.w + large.y + shape.z + make_char3(1, -2, 3).y + make_short2(7, 8).y + uint3{1, 2, 3}.z;
  __stcs(out, 5.0);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  double* out = static_cast<double*>(a[0]);
  bits<<<1, 1, 0, stream>>>(out);
  conversions<<<1, 1, 0, stream>>>(out + 10);
  functions<<<1, 1, 0, stream>>>(out + 20);
  vectors<<<1, 1, 0, stream>>>(out + 40, static_cast<const float*>(a[1]));
}
