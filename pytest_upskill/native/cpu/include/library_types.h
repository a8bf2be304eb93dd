// cudaDataType: the names of element types for libraries.
#ifndef UPSKILL_CPU_LIBRARY_TYPES_H
#define UPSKILL_CPU_LIBRARY_TYPES_H
#define __LIBRARY_TYPES_H__

typedef enum cudaDataType_t {
  CUDA_R_16F = 2,
  CUDA_R_32F = 0,
  CUDA_R_64F = 1,
  CUDA_R_8I = 3,
  CUDA_R_8U = 8,
  CUDA_R_32I = 10,
  CUDA_R_16BF = 14,
  CUDA_R_8F_E4M3 = 28,
  CUDA_R_8F_E5M2 = 29,
} cudaDataType;

#endif  // UPSKILL_CPU_LIBRARY_TYPES_H
