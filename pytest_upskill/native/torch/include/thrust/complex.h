// thrust::complex for PyTorch's own headers: std::complex under another name.
#pragma once

#include <complex>

namespace thrust {

template <typename T>
struct complex : std::complex<T> {
  using std::complex<T>::complex;
  complex(const std::complex<T>& value) : std::complex<T>(value) {}
};

template <typename T>
T abs(const complex<T>& z) {
  return std::abs(z);
}

template <typename T>
complex<T> polar(const T& magnitude, const T& angle = T()) {
  return std::polar(magnitude, angle);
}

#define UPSKILL_COMPLEX(name)                                 \
  template <typename T>                                       \
  complex<T> name(const complex<T>& z) {                      \
    return std::name(static_cast<const std::complex<T>&>(z)); \
  }
UPSKILL_COMPLEX(acos)
UPSKILL_COMPLEX(acosh)
UPSKILL_COMPLEX(asin)
UPSKILL_COMPLEX(asinh)
UPSKILL_COMPLEX(atan)
UPSKILL_COMPLEX(atanh)
UPSKILL_COMPLEX(conj)
UPSKILL_COMPLEX(cos)
UPSKILL_COMPLEX(cosh)
UPSKILL_COMPLEX(exp)
UPSKILL_COMPLEX(log)
UPSKILL_COMPLEX(log10)
UPSKILL_COMPLEX(proj)
UPSKILL_COMPLEX(sin)
UPSKILL_COMPLEX(sinh)
UPSKILL_COMPLEX(sqrt)
UPSKILL_COMPLEX(tan)
UPSKILL_COMPLEX(tanh)
#undef UPSKILL_COMPLEX

template <typename T, typename U>
auto pow(const complex<T>& base, const complex<U>& exponent) {
  return complex<decltype(T() + U())>(
      std::pow(static_cast<const std::complex<T>&>(base), static_cast<const std::complex<U>&>(exponent)));
}
template <typename T, typename U>
auto pow(const complex<T>& base, const U& exponent) {
  return complex<decltype(T() + U())>(std::pow(static_cast<const std::complex<T>&>(base), exponent));
}
template <typename T, typename U>
auto pow(const T& base, const complex<U>& exponent) {
  return complex<decltype(T() + U())>(std::pow(base, static_cast<const std::complex<U>&>(exponent)));
}

}  // namespace thrust
