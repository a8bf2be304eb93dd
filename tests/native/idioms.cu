// A kernel as a model writes one, without any #include: nvcc brings cuda_runtime.h itself.
template <typename scalar_t, typename acc_t = float>
__device__ __forceinline__ acc_t warp_sum(acc_t value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(0xffffffff, value, offset);
  return value;
}

template <typename scalar_t, int kThreads>
__global__ void rms_norm_kernel(scalar_t* __restrict__ out, const scalar_t* __restrict__ x,
                                const scalar_t* __restrict__ weight, float eps, int64_t cols) {
  extern __shared__ __align__(16) char shared[];
  scalar_t* row = reinterpret_cast<scalar_t*>(shared);
  __shared__ float partial[kThreads / 32];
  const int64_t base = static_cast<int64_t>(blockIdx.x) * cols;
  float sum = 0.0f;
  for (int64_t c = threadIdx.x; c < cols; c += kThreads) {
    row[c] = x[base + c];
    const float value = static_cast<float>(row[c]);
    sum += value * value;
  }
  sum = warp_sum<scalar_t>(sum);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  float total = scalar_t(0);
  for (int i = 0; i < kThreads / 32; ++i) total += partial[i];
  const float scale = rsqrtf(total / static_cast<float>(cols) + eps);
  for (int64_t c = threadIdx.x; c < cols; c += kThreads)
    out[base + c] = static_cast<scalar_t>(static_cast<float>(row[c]) * scale * static_cast<float>(weight[c]));
}

template <typename scalar_t>
void rms_norm(scalar_t* out, const scalar_t* x, const scalar_t* weight, float eps, int64_t rows, int64_t cols,
              cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  constexpr int threads = 128;
  rms_norm_kernel<scalar_t, threads>
      <<<static_cast<unsigned int>(rows), threads, cols * sizeof(scalar_t), stream>>>(out, x, weight, eps, cols);
}

// The inputs lie on the device; scalars and sizes on the host.
extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  rms_norm<float>((float*)a[0], (const float*)a[1], (const float*)a[2], 1e-5f, 5, 333, stream);
  rms_norm<double>((double*)a[3], (const double*)a[4], (const double*)a[5], 1e-5f, 5, 333, stream);
}
