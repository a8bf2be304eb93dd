// Kernels read what calls of libraries and of the runtime have written; macros of NVIDIA's headers are defined.
#include "checked.cuh"

#include <cuComplex.h>
#include <cublasLt.h>
#include <cublas_v2.h>
#include <curand.h>

#if !defined(CUBLAS_V2_H_) || !defined(CUBLAS_API_H_) || !defined(CURAND_H_) || !defined(__LIBRARY_TYPES_H__) || \
    !defined(__DRIVER_TYPES_H__) || !defined(__CUDA_FP16_H__) || !defined(CU_COMPLEX_H_)
#error "a guard is missing"
#endif

__device__ float table[4];

template <class T>
__global__ void raise(T* values) {
  values[threadIdx.x] = T(float(values[threadIdx.x]) + 1);
}

template <class T>
bool is(T* values, std::vector<float> expected, int stride = 1) {
  raise<<<1, 1>>>(values);
  const std::vector<T> got = to_host(values, (expected.size() - 1) * stride + 1);
  for (size_t i = 0; i < expected.size(); ++i)
    if (float(got[i * stride]) != expected[i] + (i == 0)) return false;
  return true;
}

bool products(cublasHandle_t blas) {
  const float one = 1, zero = 0;
  const __half half_one = 1, half_zero = 0;
  const std::vector<double> numbers = {1, 2, 3, 4};
  const double double_one = 1, double_zero = 0;
  float *a = to_device<float>({1, 2, 3, 4}), *c = on_device<float>(8), *rows = on_device<float>(8);
  double *b = to_device(numbers), *d = on_device<double>(4);
  __half *h = to_device<__half>({1, 2, 3, 4}), *k = on_device<__half>(4), *s = on_device<__half>(4);
  const auto n = CUBLAS_OP_N;
  cublasSgemm(blas, n, n, 2, 2, 2, &one, a, 2, a, 2, &zero, rows, 3);  // the third row stays unwritten
  cublasDgemm(blas, n, n, 2, 2, 2, &double_one, b, 2, b, 2, &double_zero, d, 2);
  cublasHgemm(blas, n, n, 2, 2, 2, &half_one, h, 2, h, 2, &half_zero, k, 2);
  cublasGemmEx(blas, n, n, 2, 2, 2, &one, h, CUDA_R_16F, 2, h, CUDA_R_16F, 2, &zero, s, CUDA_R_16F, 2,
               CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  cublasSgemmStridedBatched(blas, n, n, 2, 2, 2, &one, a, 2, 0, a, 2, 0, &zero, c, 2, 4, 2);
  return is(rows, {7, 10}) && is(rows + 3, {15, 22}) && is(d, {7, 10, 15, 22}) && is(k, {7, 10, 15, 22}) &&
         is(s, {7, 10, 15, 22}) && is(c + 4, {7, 10, 15, 22});
}

bool fused_product() {
  float *a = to_device<float>({1, 2, 3, 4}), *bias = to_device<float>({-8, 1}), *d = on_device<float>(4);
  const float one = 1, zero = 0;
  const cublasOperation_t transposed = CUBLAS_OP_T;
  const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_RELU_BIAS;
  cublasLtMatmulDesc_t product;
  cublasLtMatrixLayout_t square;
  cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F);
  cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed);
  cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
  cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
  cublasLtMatrixLayoutCreate(&square, CUDA_R_32F, 2, 2, 2);
  const auto status = cublasLtMatmul(nullptr, product, &one, a, square, a, square, &zero, d, square, d, square, nullptr,
                                     nullptr, 0, nullptr);
  return status == CUBLAS_STATUS_SUCCESS && is(d, {0, 12, 3, 26});
}

bool copies() {
  float *vector = on_device<float>(4), *from_table = on_device<float>(4);
  const float numbers[] = {5, 6, 7, 8};
  cublasSetVector(2, sizeof(float), numbers, 2, vector, 1);
  CHECKED(cudaMemcpyToSymbol(table, numbers, sizeof table));
  CHECKED(cudaMemcpyFromSymbol(from_table, table, sizeof table, 0, cudaMemcpyDeviceToDevice));
  return is(vector, {5, 7}) && is(from_table, {5, 6, 7, 8});
}

bool boxes() {
  cudaPitchedPtr box;
  const cudaExtent extent = make_cudaExtent(2 * sizeof(float), 2, 2);
  CHECKED(cudaMalloc3D(&box, extent));
  const float numbers[] = {1, 2, 3, 4, 5, 6, 7, 8};
  cudaMemcpy3DParms copy = {};
  copy.srcPtr = make_cudaPitchedPtr(const_cast<float*>(numbers), 2 * sizeof(float), 2 * sizeof(float), 2);
  copy.dstPtr = box;
  copy.extent = extent;
  copy.kind = cudaMemcpyHostToDevice;
  CHECKED(cudaMemcpy3D(&copy));
  auto* first = static_cast<float*>(box.ptr);
  const int row = box.pitch / sizeof(float);
  return is(first + row, {3, 4}) && is(first + 3 * row, {7, 8});
}

bool random_numbers() {
  curandGenerator_t generator;
  curandCreateGenerator(&generator, CURAND_RNG_PSEUDO_DEFAULT);
  float* numbers = on_device<float>(1000);
  const bool drawn = curandGenerateUniform(generator, numbers, 1000) == CURAND_STATUS_SUCCESS;
  raise<<<1, 1000>>>(numbers);
  double sum = 0;
  for (float number : to_host(numbers, 1000)) sum += number;
  return drawn && std::abs(sum / 1000 - 1.5) < 0.1;
}

int main() {
  cublasHandle_t blas;
  cublasCreate(&blas);
  const cuFloatComplex i = make_cuFloatComplex(0, 1), minus_one = cuCmulf(i, i);
  const bool right = products(blas) && fused_product() && copies() && boxes() && random_numbers() && cuCrealf(minus_one) == -1;
  printf("library results: %s\n", right ? "right" : "wrong");
}
