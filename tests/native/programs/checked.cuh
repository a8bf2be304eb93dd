// What the programs share: calls that must succeed, arrays on the device, and a verdict.
#pragma once
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#define CHECKED(call)                                                                            \
  do {                                                                                           \
    const cudaError_t status = (call);                                                           \
    if (status != cudaSuccess) {                                                                 \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(status)); \
      exit(2);                                                                                   \
    }                                                                                            \
  } while (0)

template <typename T>
T* to_device(const std::vector<T>& values) {
  T* pointer = nullptr;
  CHECKED(cudaMalloc(&pointer, values.size() * sizeof(T)));
  CHECKED(cudaMemcpy(pointer, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  return pointer;
}

template <typename T>
T* on_device(size_t count) {
  T* pointer = nullptr;
  CHECKED(cudaMalloc(&pointer, count * sizeof(T)));
  return pointer;
}

template <typename T>
std::vector<T> to_host(const T* pointer, size_t count) {
  std::vector<T> values(count);
  CHECKED(cudaGetLastError());
  CHECKED(cudaMemcpy(values.data(), pointer, count * sizeof(T), cudaMemcpyDeviceToHost));
  return values;
}

inline std::vector<float> wave(size_t count, float step) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = sinf(step * static_cast<float>(i + 1));
  return values;
}

// Pseudo-random words (a linear congruential generator, its high bits).
inline std::vector<unsigned> words(size_t count, unsigned below, unsigned seed = 1) {
  std::vector<unsigned> values(count);
  unsigned long long state = seed;
  for (unsigned& value : values) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    value = static_cast<unsigned>(state >> 33) % below;
  }
  return values;
}

template <typename A, typename B>
double farthest(const A& got, const B& expected) {
  double most = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double distance = std::abs(double(got[i]) - double(expected[i]));
    if (!(distance <= most)) most = distance;
  }
  return most;
}

// Prints the verdict, and is the exit status.
inline int verdict(const char* name, bool right) {
  printf("%s: %s\n", name, right ? "right" : "WRONG");
  return right ? 0 : 1;
}
