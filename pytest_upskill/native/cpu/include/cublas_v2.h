// cuBLAS, for programs that compare their own kernels with it: handles, and plain matrix products on the host.
//
// Other functions are not declared, so that the compiler names the missing one.
#ifndef UPSKILL_CPU_CUBLAS_V2_H
#define UPSKILL_CPU_CUBLAS_V2_H

// Programs ask for these.
#define CUBLAS_V2_H_
#define CUBLAS_API_H_
#define CUBLASAPI
#define CUBLASWINAPI
#define CUBLAS_VER_MAJOR 13
#define CUBLAS_VER_MINOR 0
#define CUBLAS_VER_PATCH 0
#define CUBLAS_VERSION 130000

#include "cuComplex.h"
#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "library_types.h"

typedef struct cublasContext* cublasHandle_t;
typedef enum {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_ALLOC_FAILED = 3,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_ARCH_MISMATCH = 8,
  CUBLAS_STATUS_MAPPING_ERROR = 11,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_INTERNAL_ERROR = 14,
  CUBLAS_STATUS_NOT_SUPPORTED = 15,
  CUBLAS_STATUS_LICENSE_ERROR = 16,
} cublasStatus_t;
typedef enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_OP_C = 2 } cublasOperation_t;
typedef enum {
  CUBLAS_DEFAULT_MATH = 0,
  CUBLAS_TENSOR_OP_MATH = 1,
  CUBLAS_PEDANTIC_MATH = 2,
  CUBLAS_TF32_TENSOR_OP_MATH = 3,
} cublasMath_t;
typedef enum { CUBLAS_POINTER_MODE_HOST = 0, CUBLAS_POINTER_MODE_DEVICE = 1 } cublasPointerMode_t;
typedef enum {
  CUBLAS_COMPUTE_16F = 64,
  CUBLAS_COMPUTE_32F = 68,
  CUBLAS_COMPUTE_32F_PEDANTIC = 69,
  CUBLAS_COMPUTE_32F_FAST_16F = 74,
  CUBLAS_COMPUTE_32F_FAST_16BF = 75,
  CUBLAS_COMPUTE_32F_FAST_TF32 = 77,
  CUBLAS_COMPUTE_64F = 70,
} cublasComputeType_t;
typedef enum { CUBLAS_GEMM_DEFAULT = -1, CUBLAS_GEMM_DFALT = -1, CUBLAS_GEMM_DEFAULT_TENSOR_OP = 99 } cublasGemmAlgo_t;

inline cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  *handle = reinterpret_cast<cublasHandle_t>(1);
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasDestroy(cublasHandle_t) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasSetStream(cublasHandle_t, cudaStream_t) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasSetWorkspace(cublasHandle_t, void*, size_t) { return CUBLAS_STATUS_SUCCESS; }
// Device memory can be read here, so both modes are alike.
inline cublasStatus_t cublasSetPointerMode(cublasHandle_t, cublasPointerMode_t) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasGetVersion(cublasHandle_t, int* version) {
  *version = CUBLAS_VERSION;
  return CUBLAS_STATUS_SUCCESS;
}
inline const char* cublasGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "a cuBLAS error";
}

namespace upskill::cpu::blas {

// The result of a column-major product: each of the n columns holds m elements, `ldc` apart.
template <class C>
void mark_columns(C* c, int m, int n, int ldc) {
  if (m <= 0 || n <= 0) return;
  if (ldc == m) return upskill_cpu_mark_written(c, size_t(m) * n * sizeof(C));
  for (int j = 0; j < n; ++j) upskill_cpu_mark_written(c + size_t(j) * ldc, m * sizeof(C));
}

// Column-major matrices, as in BLAS: A and B of one type, C of any. Sums run over columns, so that the inner loop runs
// along memory.
template <class Sum, class T, class C>
UPSKILL_CPU_UNCHECKED cublasStatus_t multiply(bool transpose_a, bool transpose_b, int m, int n, int k, Sum alpha,
                                              const T* a, int lda, const T* b, int ldb, Sum beta, C* c, int ldc) {
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < m; ++i) {
      Sum sum = 0;
      for (int l = 0; l < k; ++l)
        sum += static_cast<Sum>(a[transpose_a ? size_t(i) * lda + l : size_t(l) * lda + i]) *
               static_cast<Sum>(b[transpose_b ? size_t(l) * ldb + j : size_t(j) * ldb + l]);
      C& target = c[size_t(j) * ldc + i];
      target = static_cast<C>(alpha * sum + (beta == 0 ? Sum(0) : beta * static_cast<Sum>(target)));
    }
  mark_columns(c, m, n, ldc);
  return CUBLAS_STATUS_SUCCESS;
}

template <class T, class C>
cublasStatus_t mixed(bool transpose_a, bool transpose_b, int m, int n, int k, float alpha, const void* a, int lda,
                     const void* b, int ldb, float beta, void* c, int ldc) {
  return multiply(transpose_a, transpose_b, m, n, k, alpha, static_cast<const T*>(a), lda, static_cast<const T*>(b),
                  ldb, beta, static_cast<C*>(c), ldc);
}

}  // namespace upskill::cpu::blas

// Copies of every `step`th element of a vector, and of column-major matrices.
inline cublasStatus_t cublasSetVector(int n, int bytes, const void* x, int step_x, void* y, int step_y) {
  const size_t width = bytes;
  const cudaError_t error = cudaMemcpy2D(y, step_y * width, x, step_x * width, width, n, cudaMemcpyDefault);
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_MAPPING_ERROR;
}
inline cublasStatus_t cublasSetMatrix(int rows, int columns, int bytes, const void* a, int lda, void* b, int ldb) {
  const size_t width = bytes;
  const cudaError_t error = cudaMemcpy2D(b, ldb * width, a, lda * width, rows * width, columns, cudaMemcpyDefault);
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_MAPPING_ERROR;
}
inline cublasStatus_t cublasGetVector(int n, int bytes, const void* x, int step_x, void* y, int step_y) {
  return cublasSetVector(n, bytes, x, step_x, y, step_y);
}
inline cublasStatus_t cublasGetMatrix(int rows, int columns, int bytes, const void* a, int lda, void* b, int ldb) {
  return cublasSetMatrix(rows, columns, bytes, a, lda, b, ldb);
}

inline cublasStatus_t cublasSgemm(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                                  const float* alpha, const float* a, int lda, const float* b, int ldb,
                                  const float* beta, float* c, int ldc) {
  return upskill::cpu::blas::multiply(ta, tb, m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc);
}
inline cublasStatus_t cublasDgemm(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                                  const double* alpha, const double* a, int lda, const double* b, int ldb,
                                  const double* beta, double* c, int ldc) {
  return upskill::cpu::blas::multiply(ta, tb, m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc);
}
inline cublasStatus_t cublasHgemm(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                                  const __half* alpha, const __half* a, int lda, const __half* b, int ldb,
                                  const __half* beta, __half* c, int ldc) {
  return upskill::cpu::blas::multiply(ta, tb, m, n, k, static_cast<float>(*alpha), a, lda, b, ldb,
                                      static_cast<float>(*beta), c, ldc);
}
inline cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb,
                                                int m, int n, int k, const float* alpha, const float* a, int lda,
                                                long long step_a, const float* b, int ldb, long long step_b,
                                                const float* beta, float* c, int ldc, long long step_c, int count) {
  for (int i = 0; i < count; ++i)
    cublasSgemm(handle, ta, tb, m, n, k, alpha, a + i * step_a, lda, b + i * step_b, ldb, beta, c + i * step_c, ldc);
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasGemmEx(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                                   const void* alpha, const void* a, cudaDataType type_a, int lda, const void* b,
                                   cudaDataType type_b, int ldb, const void* beta, void* c, cudaDataType type_c,
                                   int ldc, cublasComputeType_t compute, cublasGemmAlgo_t) {
  using namespace upskill::cpu::blas;
  if (type_a != type_b) return CUBLAS_STATUS_NOT_SUPPORTED;
  const bool halves = compute == CUBLAS_COMPUTE_16F;
  const float x = halves ? static_cast<float>(*static_cast<const __half*>(alpha)) : *static_cast<const float*>(alpha);
  const float y = halves ? static_cast<float>(*static_cast<const __half*>(beta)) : *static_cast<const float*>(beta);
  if (type_a == CUDA_R_32F && type_c == CUDA_R_32F)
    return mixed<float, float>(ta, tb, m, n, k, x, a, lda, b, ldb, y, c, ldc);
  if (type_a == CUDA_R_16F && type_c == CUDA_R_16F)
    return mixed<__half, __half>(ta, tb, m, n, k, x, a, lda, b, ldb, y, c, ldc);
  if (type_a == CUDA_R_16F && type_c == CUDA_R_32F)
    return mixed<__half, float>(ta, tb, m, n, k, x, a, lda, b, ldb, y, c, ldc);
  if (type_a == CUDA_R_16BF && type_c == CUDA_R_16BF)
    return mixed<__nv_bfloat16, __nv_bfloat16>(ta, tb, m, n, k, x, a, lda, b, ldb, y, c, ldc);
  if (type_a == CUDA_R_16BF && type_c == CUDA_R_32F)
    return mixed<__nv_bfloat16, float>(ta, tb, m, n, k, x, a, lda, b, ldb, y, c, ldc);
  return CUBLAS_STATUS_NOT_SUPPORTED;
}
// Programs older than compute types pass the type of the sums.
inline cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n,
                                   int k, const void* alpha, const void* a, cudaDataType type_a, int lda, const void* b,
                                   cudaDataType type_b, int ldb, const void* beta, void* c, cudaDataType type_c,
                                   int ldc, cudaDataType sums, cublasGemmAlgo_t algorithm) {
  return cublasGemmEx(handle, ta, tb, m, n, k, alpha, a, type_a, lda, b, type_b, ldb, beta, c, type_c, ldc,
                      sums == CUDA_R_16F ? CUBLAS_COMPUTE_16F : CUBLAS_COMPUTE_32F, algorithm);
}

#endif  // UPSKILL_CPU_CUBLAS_V2_H
