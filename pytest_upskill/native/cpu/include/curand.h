// cuRAND's host API: arrays of random numbers. The distributions are cuRAND's; the numbers differ from those of
// NVIDIA's generators.
#ifndef UPSKILL_CPU_CURAND_H
#define UPSKILL_CPU_CURAND_H

// Programs ask for these.
#define CURAND_H_
#define CURANDAPI
#define CURAND_VER_MAJOR 10
#define CURAND_VER_MINOR 4
#define CURAND_VER_PATCH 0
#define CURAND_VERSION 10400

#include <cstddef>
#include <random>
#include <vector>

#include "cuda_runtime.h"

enum curandStatus_t {
  CURAND_STATUS_SUCCESS = 0,
  CURAND_STATUS_VERSION_MISMATCH = 100,
  CURAND_STATUS_NOT_INITIALIZED = 101,
  CURAND_STATUS_ALLOCATION_FAILED = 102,
  CURAND_STATUS_TYPE_ERROR = 103,
  CURAND_STATUS_OUT_OF_RANGE = 104,
  CURAND_STATUS_LENGTH_NOT_MULTIPLE = 105,
  CURAND_STATUS_DOUBLE_PRECISION_REQUIRED = 106,
  CURAND_STATUS_LAUNCH_FAILURE = 201,
  CURAND_STATUS_PREEXISTING_FAILURE = 202,
  CURAND_STATUS_INITIALIZATION_FAILED = 203,
  CURAND_STATUS_ARCH_MISMATCH = 204,
  CURAND_STATUS_INTERNAL_ERROR = 999,
};
typedef curandStatus_t curandStatus;

enum curandRngType_t {
  CURAND_RNG_PSEUDO_DEFAULT = 100,
  CURAND_RNG_PSEUDO_XORWOW = 101,
  CURAND_RNG_PSEUDO_MRG32K3A = 121,
  CURAND_RNG_PSEUDO_MTGP32 = 141,
  CURAND_RNG_PSEUDO_MT19937 = 142,
  CURAND_RNG_PSEUDO_PHILOX4_32_10 = 161,
};
enum curandOrdering_t {
  CURAND_ORDERING_PSEUDO_BEST = 100,
  CURAND_ORDERING_PSEUDO_DEFAULT = 101,
  CURAND_ORDERING_PSEUDO_SEEDED = 102,
  CURAND_ORDERING_PSEUDO_LEGACY = 103,
};

struct curandGenerator_st {
  std::mt19937_64 engine;
};
typedef curandGenerator_st* curandGenerator_t;
typedef curandRngType_t curandRngType;
typedef curandOrdering_t curandOrdering;

namespace upskill::cpu {

// Fills an array on the device or the host with numbers from `draw`.
template <class T, class Draw>
curandStatus_t fill_random(curandGenerator_t generator, T* target, size_t count, Draw draw) {
  if (generator == nullptr) return CURAND_STATUS_NOT_INITIALIZED;
  std::vector<T> numbers(count);
  for (T& number : numbers) number = static_cast<T>(draw(generator->engine));
  const cudaError_t error = cudaMemcpy(target, numbers.data(), count * sizeof(T), cudaMemcpyDefault);
  return error == cudaSuccess ? CURAND_STATUS_SUCCESS : CURAND_STATUS_LAUNCH_FAILURE;
}

// In (0, 1], as cuRAND has it.
template <class T>
curandStatus_t fill_uniform(curandGenerator_t generator, T* target, size_t count) {
  return fill_random(generator, target, count, [](std::mt19937_64& engine) {
    constexpr int bits = std::numeric_limits<T>::digits;
    return (static_cast<double>(engine() >> (64 - bits)) + 1.0) / static_cast<double>(1ull << bits);
  });
}

}  // namespace upskill::cpu

inline curandStatus_t curandCreateGenerator(curandGenerator_t* generator, curandRngType_t) {
  *generator = new curandGenerator_st;
  return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandCreateGeneratorHost(curandGenerator_t* generator, curandRngType_t type) {
  return curandCreateGenerator(generator, type);
}
inline curandStatus_t curandDestroyGenerator(curandGenerator_t generator) {
  delete generator;
  return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandSetPseudoRandomGeneratorSeed(curandGenerator_t generator, unsigned long long seed) {
  generator->engine.seed(seed);
  return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandSetGeneratorOffset(curandGenerator_t generator, unsigned long long offset) {
  generator->engine.discard(offset);
  return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandSetGeneratorOrdering(curandGenerator_t, curandOrdering_t) { return CURAND_STATUS_SUCCESS; }
inline curandStatus_t curandSetStream(curandGenerator_t, cudaStream_t) { return CURAND_STATUS_SUCCESS; }
inline curandStatus_t curandGetVersion(int* version) {
  *version = CURAND_VERSION;
  return CURAND_STATUS_SUCCESS;
}

inline curandStatus_t curandGenerate(curandGenerator_t generator, unsigned int* target, size_t count) {
  return upskill::cpu::fill_random(generator, target, count, [](std::mt19937_64& engine) { return engine() >> 32; });
}
inline curandStatus_t curandGenerateUniform(curandGenerator_t generator, float* target, size_t count) {
  return upskill::cpu::fill_uniform(generator, target, count);
}
inline curandStatus_t curandGenerateUniformDouble(curandGenerator_t generator, double* target, size_t count) {
  return upskill::cpu::fill_uniform(generator, target, count);
}
inline curandStatus_t curandGenerateNormal(curandGenerator_t generator, float* target, size_t count, float mean,
                                           float deviation) {
  return upskill::cpu::fill_random(generator, target, count, std::normal_distribution<float>(mean, deviation));
}
inline curandStatus_t curandGenerateNormalDouble(curandGenerator_t generator, double* target, size_t count, double mean,
                                                 double deviation) {
  return upskill::cpu::fill_random(generator, target, count, std::normal_distribution<double>(mean, deviation));
}
inline curandStatus_t curandGenerateLogNormal(curandGenerator_t generator, float* target, size_t count, float mean,
                                              float deviation) {
  return upskill::cpu::fill_random(generator, target, count, std::lognormal_distribution<float>(mean, deviation));
}
inline curandStatus_t curandGenerateLogNormalDouble(curandGenerator_t generator, double* target, size_t count,
                                                    double mean, double deviation) {
  return upskill::cpu::fill_random(generator, target, count, std::lognormal_distribution<double>(mean, deviation));
}
inline curandStatus_t curandGenerateLongLong(curandGenerator_t generator, unsigned long long* target, size_t count) {
  return upskill::cpu::fill_random(generator, target, count, [](std::mt19937_64& engine) { return engine(); });
}
inline curandStatus_t curandGenerateSeeds(curandGenerator_t) { return CURAND_STATUS_SUCCESS; }
inline curandStatus_t curandGeneratePoisson(curandGenerator_t generator, unsigned int* target, size_t count,
                                            double mean) {
  return upskill::cpu::fill_random(generator, target, count, std::poisson_distribution<unsigned int>(mean));
}

#endif  // UPSKILL_CPU_CURAND_H
