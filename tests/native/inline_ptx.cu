// Inline PTX, as kernels write it. a[0]: ints, one for each check, 1 if it held for all threads of the block.
#include <cuda_fp16.h>

#include <cstdint>

#define CP_ASYNC_COMMIT() asm volatile("cp.async.commit_group;\n" ::)
#define CP_ASYNC_WAIT(n) asm volatile("cp.async.wait_group %0;\n" ::"n"(n))
#define CP_ASYNC_CG(dst, src, bytes) \
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], %2;\n" ::"r"(dst), "l"(src), "n"(bytes))

__device__ void check(int* ok, bool held) {
  if (__syncthreads_and(held) && threadIdx.x == 0) *ok = 1;
}

__device__ __forceinline__ unsigned int lane_id() {
  unsigned int id;
  asm volatile("mov.u32 %0, %%laneid;" : "=r"(id));
  return id;
}

__device__ __forceinline__ uint32_t lop3_majority(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t d;
  asm("lop3.b32 %0, %1, %2, %3, 0xE8;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}

__device__ __forceinline__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ __forceinline__ void copy_16(void* shared, const void* global, bool valid) {
  unsigned int address = __cvta_generic_to_shared(shared);
  asm volatile(
      "{\n"
      "  .reg .pred p;\n"
      "  setp.ne.b32 p, %0, 0;\n"
      "  @p cp.async.cg.shared.global [%1], [%2], 16;\n"
      "}\n" ::"r"((int)valid),
      "r"(address), "l"(global));
}

__device__ float4 data[64];

__global__ void scalars(int* ok) {
  const unsigned int t = threadIdx.x;
  check(ok++, lane_id() == t % 32);
  unsigned int block, threads, below;
  asm("mov.u32 %0, %%ctaid.x;\n\tmov.u32 %1, %%ntid.x;\n\tmov.u32 %2, %%lanemask_lt;"
      : "=r"(block), "=r"(threads), "=r"(below));
  check(ok++, block == blockIdx.x && threads == 64 && below == (1u << t % 32) - 1);
  check(ok++, lop3_majority(0xF0F0, 0xCCCC, 0xAAAA) == 0xE8E8);
  unsigned int permuted, field, negative, high;
  asm("prmt.b32 %0, %1, %2, 0x5410;" : "=r"(permuted) : "r"(0x11112222u), "r"(0x33334444u));
  asm("bfe.u32 %0, %1, 8, 8;" : "=r"(field) : "r"(0xAABBCCDDu));
  asm("bfe.s32 %0, %1, 8, 8;" : "=r"(negative) : "r"(0xAABBCCDDu));
  asm("mul.hi.u32 %0, %1, %2;" : "=r"(high) : "r"(0x80000000u), "r"(6u));
  check(ok++, permuted == 0x44442222u && field == 0xCC && negative == 0xFFFFFFCCu && high == 3);
  int sum;
  asm("mad.lo.s32 %0, %1, %2, %3;" : "=r"(sum) : "r"((int)t), "r"(-3), "r"(7));
  asm volatile("add.s32 %0, %0, 1;" : "+r"(sum));
  check(ok++, sum == 8 - 3 * (int)t);
  unsigned long long wide, packed;
  unsigned int low_half, high_half;
  asm("mul.wide.u32 %0, %1, %2;" : "=l"(wide) : "r"(0xFFFFFFFFu), "r"(16u));
  asm("mov.b64 %0, {%1, %2};" : "=l"(packed) : "r"(5u), "r"(9u));
  asm("mov.b64 {%0, %1}, %2;" : "=r"(low_half), "=r"(high_half) : "l"(packed));
  check(ok++, wide == 0xFFFFFFFF0ull && packed == 0x900000005ull && low_half == 5 && high_half == 9);
  float fused;
  asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(fused) : "f"(2.0f), "f"(3.0f), "f"(0.5f));
  check(ok++, exp2_fast(3.0f) == 8.0f && fused == 6.5f);
  __half2 pair = __floats2half2_rn(1.5f, -2.0f), doubled;
  asm("add.f16x2 %0, %1, %2;" : "=r"(*(unsigned int*)&doubled) : "r"(*(unsigned int*)&pair), "r"(*(unsigned int*)&pair));
  unsigned int both;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(4.0f), "f"(1.0f));
  check(ok++, __low2float(doubled) == 3.0f && __high2float(doubled) == -4.0f && both == 0x44003c00u);
  float as_float;
  unsigned int tf32;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(tf32) : "f"(1.0f + 1.0f / 2048));
  asm("mov.b32 %0, %1;" : "=f"(as_float) : "r"(tf32));
  int rounded;
  asm("cvt.rni.s32.f32 %0, %1;" : "=r"(rounded) : "f"(2.5f));
  unsigned int lowest, highest;
  asm("cvt.rni.sat.s8.f32 %0, %1;" : "=r"(lowest) : "f"(-300.0f));
  asm("cvt.rni.sat.s8.f32 %0, %1;" : "=r"(highest) : "f"(127.5f));
  const bool saturated = static_cast<signed char>(lowest) == -128 && static_cast<signed char>(highest) == 127;
  check(ok++, as_float == 1.0f + 1.0f / 1024 && rounded == 2 && saturated);
  unsigned int got, votes;
  asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 0x1f, 0xffffffff;" : "=r"(got) : "r"(t), "r"(1));
  asm volatile("{ .reg .pred p; setp.lt.u32 p, %1, 8; vote.sync.ballot.b32 %0, p, 0xffffffff; }" : "=r"(votes) : "r"(t % 32));
  check(ok++, got == (t ^ 1) && votes == 0xFF);
}

__global__ void memory(int* ok, unsigned int* counter) {
  __shared__ __align__(16) float4 tile[64];
  __shared__ float words[64];
  const unsigned int t = threadIdx.x;
  data[t] = make_float4(t, t + 1, t + 2, t + 3);
  words[t] = -1.0f;
  __syncthreads();
  CP_ASYNC_CG((unsigned int)__cvta_generic_to_shared(&tile[t]), &data[63 - t], 16);
  CP_ASYNC_COMMIT();
  CP_ASYNC_WAIT(0);
  asm volatile("bar.sync 0;" ::: "memory");
  check(ok++, tile[t].x == 63 - t && tile[63 - t].w == t + 3);
  copy_16(&tile[t], &data[t], t % 2 == 0);
  asm volatile("cp.async.wait_all;\n" ::: "memory");
  __syncthreads();
  check(ok++, tile[t].x == (t % 2 == 0 ? t : 63 - t));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"((unsigned int)__cvta_generic_to_shared(&words[t])),
               "l"(&data[t].y), "r"(t < 32 ? 4 : 0));
  asm volatile("cp.async.commit_group;\ncp.async.wait_group 0;\n");
  check(ok++, words[t] == (t < 32 ? t + 1.0f : 0.0f));
  float x, y, z, w;
  asm volatile("ld.global.nc.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(x), "=f"(y), "=f"(z), "=f"(w) : "l"(data + t));
  float next;
  asm volatile("ld.shared.f32 %0, [%1+4];" : "=f"(next) : "r"((unsigned int)__cvta_generic_to_shared(&words[t & 31])));
  check(ok++, x == t && y == t + 1 && z == t + 2 && w == t + 3 && next == ((t & 31) < 31 ? (t & 31) + 2.0f : 0.0f));
  asm volatile("st.shared.f32 [%0], %1;" ::"r"((unsigned int)__cvta_generic_to_shared(&words[t])), "f"(2.0f * t) : "memory");
  check(ok++, words[t] == 2.0f * t);
  unsigned int before;
  asm volatile("atom.global.add.u32 %0, [%1], %2;" : "=r"(before) : "l"(counter), "r"(2u) : "memory");
  asm volatile("membar.gl;" ::: "memory");
  __syncthreads();
  unsigned int total;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(total) : "l"(counter));
  check(ok++, before % 2 == 0 && total == 128);
  if (t < 32)
    asm volatile("bar.sync 1, 32;");
  else
    asm volatile("bar.sync 2, %0;" ::"r"(32));
  check(ok++, true);
}

// C = A B for 16x8x16, with the operands loaded by ldmatrix.
__global__ void matrices(int* ok) {
  __shared__ __align__(16) half a[16][16], b[16][8];
  const int t = threadIdx.x;
  for (int i = t; i < 256; i += 32) a[i / 16][i % 16] = __float2half((i * 7) % 11 - 5);
  for (int i = t; i < 128; i += 32) b[i / 8][i % 8] = __float2half((i * 5) % 13 - 6);
  __syncwarp();
  uint32_t ra[4], rb[2];
  uint32_t a_address = __cvta_generic_to_shared(&a[t % 16][t / 16 * 8]);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(ra[0]), "=r"(ra[1]), "=r"(ra[2]), "=r"(ra[3])
               : "r"(a_address));
  uint32_t b_address = __cvta_generic_to_shared(&b[t % 16][0]);
  asm volatile("ldmatrix.sync.aligned.x2.trans.m8n8.shared.b16 {%0, %1}, [%2];" : "=r"(rb[0]), "=r"(rb[1]) : "r"(b_address));
  float c[4] = {1, 1, 1, 1};
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(ra[0]), "r"(ra[1]), "r"(ra[2]), "r"(ra[3]), "r"(rb[0]), "r"(rb[1]));
  bool same = true;
  for (int i = 0; i < 4; ++i) {
    int row = t / 4 + i / 2 * 8, column = t % 4 * 2 + i % 2;
    float expected = 1;
    for (int k = 0; k < 16; ++k) expected += __half2float(a[row][k]) * __half2float(b[k][column]);
    same = same && c[i] == expected;
  }
  check(ok++, same);
  uint32_t rc[2] = {0, 0};
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %3, %4, %5}, {%6, %7}, {%8, %9};"
               : "=r"(rc[0]), "=r"(rc[1])
               : "r"(ra[0]), "r"(ra[1]), "r"(ra[2]), "r"(ra[3]), "r"(rb[0]), "r"(rb[1]), "r"(0), "r"(0));
  half2 first = *reinterpret_cast<half2*>(&rc[0]);
  check(ok++, __low2float(first) == c[0] - 1 && __high2float(first) == c[1] - 1);
}

__device__ unsigned int counter;

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  unsigned int* address;
  cudaGetSymbolAddress((void**)&address, counter);
  cudaMemsetAsync(address, 0, 4, stream);
  scalars<<<1, 64, 0, stream>>>(ok);
  memory<<<1, 64, 0, stream>>>(ok + 10, address);
  matrices<<<1, 32, 0, stream>>>(ok + 17);
}
