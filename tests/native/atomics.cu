// Atomic operations of every type. a[0]: 32 long longs.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

__device__ int i32[8];
__device__ unsigned u32[8];
__device__ unsigned long long u64[4];
__device__ long long s64[2];
__device__ float f32[2];
__device__ double f64;
__device__ __half f16;
__device__ __half2 f16x2;
__device__ __nv_bfloat16 bf16;

__device__ float atomic_max_float(float* address, float value) {
  int* word = reinterpret_cast<int*>(address);
  int old = *word, assumed;
  do {
    assumed = old;
    old = atomicCAS(word, assumed, __float_as_int(fmaxf(value, __int_as_float(assumed))));
  } while (assumed != old);
  return __int_as_float(old);
}

__global__ void update() {
  int t = threadIdx.x + blockIdx.x * blockDim.x;  // 0 to 127
  atomicAdd(&i32[0], t);
  atomicSub(&i32[1], 1);
  atomicMax(&i32[2], t - 5);
  atomicMin(&i32[3], -t);
  atomicOr(&i32[4], 1 << (t % 32));
  atomicXor(&i32[5], t);
  atomicAnd(&i32[6], t | 0x7f00);
  atomicExch(&i32[7], 42);
  atomicInc(&u32[0], 9);
  atomicDec(&u32[1], 9);
  atomicAdd(&u32[2], 3);
  atomicAdd(&u64[0], 1ull << 33);
  atomicMax(&u64[1], (unsigned long long)t << 40);
  atomicCAS(&u64[2], 0ull, 77ull);
  atomicMin(&s64[0], -(long long)t << 40);
  atomicAdd(&f32[0], 0.5f);
  atomic_max_float(&f32[1], t * 0.25f);
  atomicAdd(&f64, 0.125);
  atomicAdd_block(&u32[3], 1u);
  atomicAdd(&f16, __float2half(1.0f));
  atomicAdd(&f16x2, __floats2half2_rn(1.0f, 2.0f));
  atomicAdd(&bf16, __float2bfloat16(1.0f));
}

__global__ void store(long long* out) {
  for (int i = 0; i < 8; ++i) out[i] = i32[i];
  for (int i = 0; i < 4; ++i) out[8 + i] = u32[i];
  for (int i = 0; i < 3; ++i) out[12 + i] = (long long)u64[i];
  out[15] = s64[0];
  out[16] = (long long)(f32[0] * 8);
  out[17] = (long long)(f32[1] * 8);
  out[18] = (long long)(f64 * 8);
  out[19] = (long long)__half2float(f16);
  out[20] = (long long)__low2float(f16x2) * 1000 + (long long)__high2float(f16x2);
  out[21] = (long long)__bfloat162float(bf16);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int mask = 0xffff;
  cudaMemcpyToSymbol(i32, &mask, sizeof mask, 6 * sizeof(int));
  update<<<4, 32, 0, stream>>>();
  store<<<1, 1, 0, stream>>>(static_cast<long long*>(a[0]));
}
