// Special functions that <cmath> lacks, in double.
#include <cmath>
#include <limits>

namespace {

constexpr double pi = 3.14159265358979323846;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

// erf is 1 at infinity; so is the quantile's argument. Newton's method on log(erfc) converges from any start in (0, 1).
double inverse_erfc_in_tail(double y) {
  double x = std::sqrt(-std::log(y));
  for (int i = 0; i < 60; ++i) {
    const double value = std::erfc(x), slope = -2 / std::sqrt(pi) * std::exp(-x * x);
    const double step = std::log(value / y) * value / slope;
    x -= step;
    if (std::fabs(step) <= 1e-16 * std::fabs(x)) break;
  }
  return x;
}

double inverse_erf_near_zero(double y) {
  double x = y * std::sqrt(pi) / 2;
  for (int i = 0; i < 60; ++i) {
    const double step = (std::erf(x) - y) * std::sqrt(pi) / 2 * std::exp(x * x);
    x -= step;
    if (std::fabs(step) <= 1e-16 * std::fabs(x)) break;
  }
  return x;
}

// The sum of (x/2)^(2k+n) / (k! (k+n)!), all terms positive.
double bessel_i(double x, int order) {
  const double half = x / 2;
  double term = order == 0 ? 1 : half, sum = term;
  for (int k = 1; k < 2000 && std::fabs(term) > 1e-17 * std::fabs(sum); ++k) {
    term *= half * half / (static_cast<double>(k) * (k + order));
    sum += term;
  }
  return sum;
}

}  // namespace

extern "C" {

double upskill_cpu_inverse_erf(double x) {
  if (!(std::fabs(x) <= 1)) return nan_value;
  if (std::fabs(x) == 1) return x * infinity;
  if (std::fabs(x) < 0.5) return inverse_erf_near_zero(x);
  return std::copysign(inverse_erfc_in_tail(1 - std::fabs(x)), x);
}

double upskill_cpu_inverse_erfc(double x) {
  if (!(x >= 0 && x <= 2)) return nan_value;
  if (x == 0) return infinity;
  if (x == 2) return -infinity;
  if (x < 0.5) return inverse_erfc_in_tail(x);
  return x > 1.5 ? -inverse_erfc_in_tail(2 - x) : inverse_erf_near_zero(1 - x);
}

double upskill_cpu_inverse_normal(double probability) {
  return -std::sqrt(2.0) * upskill_cpu_inverse_erfc(2 * probability);
}

double upskill_cpu_scaled_erfc(double x) {
  if (x < 25) return std::exp(x * x) * std::erfc(x);
  const double inverse = 1 / (x * x);  // the asymptotic series
  return (1 - inverse / 2 * (1 - 1.5 * inverse * (1 - 2.5 * inverse))) / (x * std::sqrt(pi));
}

double upskill_cpu_bessel_i0(double x) { return bessel_i(x, 0); }
double upskill_cpu_bessel_i1(double x) { return bessel_i(x, 1); }

// The argument is reduced before it is multiplied, so that whole and half numbers are exact.
double upskill_cpu_sinpi(double x) {
  if (!std::isfinite(x)) return nan_value;
  const double rest = std::remainder(x, 2.0);
  if (rest == std::trunc(rest)) return std::copysign(0.0, x);
  if (std::fabs(rest) <= 0.25) return std::sin(pi * rest);
  if (std::fabs(rest) <= 0.75) return std::copysign(std::cos(pi * (0.5 - std::fabs(rest))), rest);
  return std::copysign(std::sin(pi * (1 - std::fabs(rest))), rest);
}

double upskill_cpu_cospi(double x) {
  if (!std::isfinite(x)) return nan_value;
  const double rest = std::fabs(std::remainder(x, 2.0));
  if (rest == 0.5) return 0;
  if (rest <= 0.25) return std::cos(pi * rest);
  if (rest <= 0.75) return std::sin(pi * (0.5 - rest));
  return -std::cos(pi * (1 - rest));
}

}  // extern "C"
