// cuBLASLt: matrix products on the host with the usual epilogues, slowly.
#ifndef UPSKILL_CPU_CUBLASLT_H
#define UPSKILL_CPU_CUBLASLT_H
#define CUBLASLT_H_

#include <cstdint>
#include <cstring>

#include "cublas_v2.h"

typedef struct cublasLtContext* cublasLtHandle_t;
typedef enum {
  CUBLASLT_MATMUL_DESC_COMPUTE_TYPE = 0,
  CUBLASLT_MATMUL_DESC_SCALE_TYPE = 1,
  CUBLASLT_MATMUL_DESC_POINTER_MODE = 2,
  CUBLASLT_MATMUL_DESC_TRANSA = 3,
  CUBLASLT_MATMUL_DESC_TRANSB = 4,
  CUBLASLT_MATMUL_DESC_TRANSC = 5,
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
  CUBLASLT_EPILOGUE_BGRADA = 256,
  CUBLASLT_EPILOGUE_BGRADB = 512,
} cublasLtEpilogue_t;
typedef enum { CUBLASLT_ORDER_COL = 0, CUBLASLT_ORDER_ROW = 1 } cublasLtOrder_t;
typedef enum { CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1 } cublasLtMatmulPreferenceAttributes_t;
typedef enum {
  CUBLASLT_MATRIX_LAYOUT_TYPE = 0,
  CUBLASLT_MATRIX_LAYOUT_ORDER = 1,
  CUBLASLT_MATRIX_LAYOUT_ROWS = 2,
  CUBLASLT_MATRIX_LAYOUT_COLS = 3,
  CUBLASLT_MATRIX_LAYOUT_LD = 4,
  CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT = 5,
  CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET = 6,
} cublasLtMatrixLayoutAttribute_t;

// Attributes are kept by number, as the bytes that the caller gave.
struct cublasLtMatmulDescOpaque {
  cublasComputeType_t compute;
  cudaDataType scale;
  uint64_t attributes[64];
};
struct cublasLtMatrixLayoutOpaque {
  cudaDataType type;
  uint64_t rows, columns;
  int64_t pitch;
  uint64_t attributes[8];
};
typedef cublasLtMatmulDescOpaque *cublasLtMatmulDesc_t, cublasLtMatmulDescOpaque_t;
typedef cublasLtMatrixLayoutOpaque *cublasLtMatrixLayout_t, cublasLtMatrixLayoutOpaque_t;
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

inline cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(1);
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtDestroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description, cublasComputeType_t compute,
                                               cudaDataType scale) {
  *description = new cublasLtMatmulDescOpaque{compute, scale, {}};
  (*description)->attributes[CUBLASLT_MATMUL_DESC_EPILOGUE] = CUBLASLT_EPILOGUE_DEFAULT;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  delete description;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                                     cublasLtMatmulDescAttributes_t attribute, const void* value,
                                                     size_t bytes) {
  if (bytes > sizeof(uint64_t)) return CUBLAS_STATUS_INVALID_VALUE;
  description->attributes[attribute] = 0;
  std::memcpy(&description->attributes[attribute], value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                                 uint64_t columns, int64_t pitch) {
  *layout = new cublasLtMatrixLayoutOpaque{type, rows, columns, pitch, {}};
  (*layout)->attributes[CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT] = 1;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                       cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                       size_t bytes) {
  if (attribute < CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT && attribute != CUBLASLT_MATRIX_LAYOUT_ORDER)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (bytes > sizeof(uint64_t)) return CUBLAS_STATUS_INVALID_VALUE;
  layout->attributes[attribute] = 0;
  std::memcpy(&layout->attributes[attribute], value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = reinterpret_cast<cublasLtMatmulPreference_t>(1);
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                           cublasLtMatmulPreferenceAttributes_t, const void*, size_t) {
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                                     cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                                     cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int wanted,
                                                     cublasLtMatmulHeuristicResult_t* results, int* returned) {
  *returned = wanted > 0;
  if (wanted > 0) results[0] = {};
  return CUBLAS_STATUS_SUCCESS;
}

namespace upskill::cpu::blas {

// An element of a matrix whose type is known when it is used.
UPSKILL_CPU_UNCHECKED inline double load(const void* memory, cudaDataType type, size_t i) {
  switch (type) {
    case CUDA_R_64F:
      return static_cast<const double*>(memory)[i];
    case CUDA_R_16F:
      return static_cast<float>(static_cast<const __half*>(memory)[i]);
    case CUDA_R_16BF:
      return static_cast<float>(static_cast<const __nv_bfloat16*>(memory)[i]);
    default:
      return static_cast<const float*>(memory)[i];
  }
}
UPSKILL_CPU_UNCHECKED inline void store(void* memory, cudaDataType type, size_t i, double value) {
  switch (type) {
    case CUDA_R_64F:
      static_cast<double*>(memory)[i] = value;
      break;
    case CUDA_R_16F:
      static_cast<__half*>(memory)[i] = static_cast<__half>(static_cast<float>(value));
      break;
    case CUDA_R_16BF:
      static_cast<__nv_bfloat16*>(memory)[i] = static_cast<__nv_bfloat16>(static_cast<float>(value));
      break;
    default:
      static_cast<float*>(memory)[i] = static_cast<float>(value);
  }
}
inline void mark(void* memory, cudaDataType type, size_t first, size_t count) {
  const size_t bytes = type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2;
  upskill_cpu_mark_written(static_cast<char*>(memory) + first * bytes, count * bytes);
}
inline bool is_supported(cudaDataType type) {
  return type == CUDA_R_32F || type == CUDA_R_64F || type == CUDA_R_16F || type == CUDA_R_16BF;
}

// The approximation of GELU by tanh that cuBLASLt computes, and its derivative.
inline double gelu(double x) { return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }
inline double gelu_slope(double x) {
  const double t = std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}

// One matrix of a batch: its first element, and the distance of neighbours in a column and in a row.
struct View {
  void* memory;
  const cublasLtMatrixLayoutOpaque& layout;
  size_t begin, step_row, step_column;

  View(const void* start, const cublasLtMatrixLayoutOpaque& described, size_t batch)
      : memory(const_cast<void*>(start)),
        layout(described),
        begin(batch * described.attributes[CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET]),
        step_row(described.attributes[CUBLASLT_MATRIX_LAYOUT_ORDER] == CUBLASLT_ORDER_ROW ? described.pitch : 1),
        step_column(described.attributes[CUBLASLT_MATRIX_LAYOUT_ORDER] == CUBLASLT_ORDER_ROW ? 1 : described.pitch) {}
  double at(size_t row, size_t column) const {
    return load(memory, layout.type, begin + row * step_row + column * step_column);
  }
  void set(size_t row, size_t column, double value) const {
    store(memory, layout.type, begin + row * step_row + column * step_column, value);
  }
  void mark_all() const {
    const bool by_rows = step_column == 1 && step_row != 1;
    const size_t lines = by_rows ? layout.rows : layout.columns, length = by_rows ? layout.columns : layout.rows;
    for (size_t i = 0; i < lines; ++i) mark(memory, layout.type, begin + i * layout.pitch, length);
  }
};

struct Epilogue {
  uint64_t kind;
  void *bias, *aux;
  size_t aux_pitch;
  cudaDataType type, bias_type;

  explicit Epilogue(const cublasLtMatmulDescOpaque& description, cudaDataType result)
      : kind(description.attributes[CUBLASLT_MATMUL_DESC_EPILOGUE]),
        bias(reinterpret_cast<void*>(description.attributes[CUBLASLT_MATMUL_DESC_BIAS_POINTER])),
        aux(reinterpret_cast<void*>(description.attributes[CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER])),
        aux_pitch(description.attributes[CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD]),
        type(result),
        bias_type(result) {
    const auto given = static_cast<cudaDataType>(description.attributes[CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE]);
    if (given != CUDA_R_32F) bias_type = given;  // which is 0, as where it was not given
  }
  double operator()(double x, size_t row, size_t column) const {
    const size_t place = row + column * aux_pitch;
    if ((kind & CUBLASLT_EPILOGUE_BIAS) != 0) x += load(bias, bias_type, row);
    if (kind == CUBLASLT_EPILOGUE_DGELU) return x * gelu_slope(load(aux, type, place));
    if ((kind & 128) != 0) store(aux, type, place, x);
    if ((kind & CUBLASLT_EPILOGUE_RELU) != 0) return x > 0 ? x : 0;
    return (kind & CUBLASLT_EPILOGUE_GELU) != 0 ? gelu(x) : x;
  }
  // The sums of a factor's gradients over the inner dimension.
  template <class Element>
  void add_gradients(size_t count, size_t inner, Element element) const {
    for (size_t i = 0; i < count; ++i) {
      double sum = 0;
      for (size_t l = 0; l < inner; ++l) sum += element(i, l);
      store(bias, bias_type, i, sum);
    }
    mark(bias, bias_type, 0, count);
  }
  void mark_aux(size_t rows, size_t columns) const {
    if ((kind & 128) == 0 || kind == CUBLASLT_EPILOGUE_DGELU) return;
    for (size_t j = 0; j < columns; ++j) mark(aux, type, j * aux_pitch, rows);
  }
};

}  // namespace upskill::cpu::blas

inline cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t description, const void* alpha,
                                     const void* a, cublasLtMatrixLayout_t layout_a, const void* b,
                                     cublasLtMatrixLayout_t layout_b, const void* beta, const void* c,
                                     cublasLtMatrixLayout_t layout_c, void* d, cublasLtMatrixLayout_t layout_d,
                                     const cublasLtMatmulAlgo_t*, void*, size_t, cudaStream_t) {
  using namespace upskill::cpu::blas;
  for (const auto* layout : {layout_a, layout_b, layout_c, layout_d})
    if (!is_supported(layout->type)) return CUBLAS_STATUS_NOT_SUPPORTED;
  const bool transpose_a = description->attributes[CUBLASLT_MATMUL_DESC_TRANSA] != CUBLAS_OP_N;
  const bool transpose_b = description->attributes[CUBLASLT_MATMUL_DESC_TRANSB] != CUBLAS_OP_N;
  const double factor = load(alpha, description->scale, 0), kept = load(beta, description->scale, 0);
  const size_t inner = transpose_a ? layout_a->rows : layout_a->columns;
  const Epilogue epilogue(*description, layout_d->type);
  for (size_t batch = 0; batch < layout_d->attributes[CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT]; ++batch) {
    const View from_a(a, *layout_a, batch), from_b(b, *layout_b, batch), old(c, *layout_c, batch);
    const View result(d, *layout_d, batch);
    const auto element_a = [&](size_t i, size_t l) { return transpose_a ? from_a.at(l, i) : from_a.at(i, l); };
    const auto element_b = [&](size_t j, size_t l) { return transpose_b ? from_b.at(j, l) : from_b.at(l, j); };
    if ((epilogue.kind & CUBLASLT_EPILOGUE_BGRADA) != 0) epilogue.add_gradients(layout_d->rows, inner, element_a);
    if ((epilogue.kind & CUBLASLT_EPILOGUE_BGRADB) != 0) epilogue.add_gradients(layout_d->columns, inner, element_b);
    for (size_t j = 0; j < layout_d->columns; ++j)
      for (size_t i = 0; i < layout_d->rows; ++i) {
        double sum = 0;
        for (size_t l = 0; l < inner; ++l) sum += element_a(i, l) * element_b(j, l);
        result.set(i, j, epilogue(factor * sum + (kept == 0 ? 0 : kept * old.at(i, j)), i, j));
      }
    result.mark_all();
    epilogue.mark_aux(layout_d->rows, layout_d->columns);
  }
  return CUBLAS_STATUS_SUCCESS;
}

#endif  // UPSKILL_CPU_CUBLASLT_H
