// cuBLASLt, declared for programs that include it and run kernels of their own. Its products need a GPU.
#ifndef UPSKILL_CPU_CUBLASLT_H
#define UPSKILL_CPU_CUBLASLT_H

#include <cstdio>

#include "cublas_v2.h"

typedef struct cublasLtContext* cublasLtHandle_t;
typedef struct cublasLtMatmulDescOpaque* cublasLtMatmulDesc_t;
typedef struct cublasLtMatrixLayoutOpaque* cublasLtMatrixLayout_t;
typedef struct cublasLtMatmulPreferenceOpaque* cublasLtMatmulPreference_t;
struct cublasLtMatmulAlgo_t {
  unsigned long long data[8];
};
struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  size_t workspaceSize;
  cublasStatus_t state;
  float wavesCount;
  int reserved[4];
};
typedef enum {
  CUBLASLT_MATMUL_DESC_COMPUTE_TYPE = 0,
  CUBLASLT_MATMUL_DESC_TRANSA = 3,
  CUBLASLT_MATMUL_DESC_TRANSB = 4,
  CUBLASLT_MATMUL_DESC_EPILOGUE = 7,
  CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8,
  CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER = 10,
  CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD = 11,
  CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE = 26,
} cublasLtMatmulDescAttributes_t;
typedef enum {
  CUBLASLT_EPILOGUE_DEFAULT = 1,
  CUBLASLT_EPILOGUE_RELU = 2,
  CUBLASLT_EPILOGUE_BIAS = 4,
  CUBLASLT_EPILOGUE_RELU_BIAS = 6,
  CUBLASLT_EPILOGUE_GELU = 32,
  CUBLASLT_EPILOGUE_GELU_BIAS = 36,
  CUBLASLT_EPILOGUE_GELU_AUX = 160,
  CUBLASLT_EPILOGUE_GELU_AUX_BIAS = 164,
  CUBLASLT_EPILOGUE_DGELU = 192,
  CUBLASLT_EPILOGUE_BGRADB = 512,
} cublasLtEpilogue_t;
typedef enum { CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1 } cublasLtMatmulPreferenceAttributes_t;
typedef enum {
  CUBLASLT_MATRIX_LAYOUT_ORDER = 1,
  CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT = 5,
  CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET = 6,
} cublasLtMatrixLayoutAttribute_t;

inline cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(1);
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtDestroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }

// The other functions accept anything, report what they would need, and fail.
#define UPSKILL_CPU_NEEDS_GPU(name)                                             \
  template <class... Arguments>                                                 \
  cublasStatus_t name(Arguments...) {                                           \
    std::fprintf(stderr, "pytest-upskill cpu device: " #name " needs a GPU\n"); \
    return CUBLAS_STATUS_NOT_SUPPORTED;                                         \
  }
UPSKILL_CPU_NEEDS_GPU(cublasLtMatmul)
UPSKILL_CPU_NEEDS_GPU(cublasLtMatmulAlgoGetHeuristic)
UPSKILL_CPU_NEEDS_GPU(cublasLtMatmulDescCreate)
UPSKILL_CPU_NEEDS_GPU(cublasLtMatmulDescDestroy)
UPSKILL_CPU_NEEDS_GPU(cublasLtMatmulDescSetAttribute)
UPSKILL_CPU_NEEDS_GPU(cublasLtMatrixLayoutCreate)
UPSKILL_CPU_NEEDS_GPU(cublasLtMatrixLayoutDestroy)
UPSKILL_CPU_NEEDS_GPU(cublasLtMatrixLayoutSetAttribute)
UPSKILL_CPU_NEEDS_GPU(cublasLtMatmulPreferenceCreate)
UPSKILL_CPU_NEEDS_GPU(cublasLtMatmulPreferenceDestroy)
UPSKILL_CPU_NEEDS_GPU(cublasLtMatmulPreferenceSetAttribute)
#undef UPSKILL_CPU_NEEDS_GPU

#endif  // UPSKILL_CPU_CUBLASLT_H
