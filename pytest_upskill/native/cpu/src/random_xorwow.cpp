// Skips ahead in the generator XORWOW: its steps are linear over bits, so that a matrix performs many at once.
#include <cstddef>
#include <memory>
#include <vector>

namespace {

struct Bits160 {
  unsigned int words[5];
};

void step(Bits160& v) {
  const unsigned int t = v.words[0] ^ v.words[0] >> 2;
  for (int i = 0; i < 4; ++i) v.words[i] = v.words[i + 1];
  v.words[4] ^= v.words[4] << 4 ^ t ^ t << 1;
}

// The images of the 160 unit vectors under some number of steps.
struct Leap {
  Bits160 columns[160];

  Bits160 apply(const Bits160& v) const {
    Bits160 result{};
    for (int i = 0; i < 160; ++i)
      if (v.words[i / 32] >> i % 32 & 1)
        for (int k = 0; k < 5; ++k) result.words[k] ^= columns[i].words[k];
    return result;
  }
  static Leap once() {
    Leap leap{};
    for (int i = 0; i < 160; ++i) {
      leap.columns[i].words[i / 32] = 1u << i % 32;
      step(leap.columns[i]);
    }
    return leap;
  }
  Leap twice() const {
    Leap leap;
    for (int i = 0; i < 160; ++i) leap.columns[i] = apply(columns[i]);
    return leap;
  }
};

// A skip of 2^power steps; computed once.
const Leap& leap_of(size_t power) {
  static std::vector<std::unique_ptr<Leap>> leaps;
  if (leaps.empty()) leaps.push_back(std::make_unique<Leap>(Leap::once()));
  while (leaps.size() <= power) leaps.push_back(std::make_unique<Leap>(leaps.back()->twice()));
  return *leaps[power];
}

}  // namespace

// Declared in upskill_cpu/random_xorwow.h, which includes all of CUDA: a second of compilation, for nothing here.
extern "C" void upskill_cpu_xorwow_leap(unsigned int* words, unsigned long long n, unsigned int power) {
  Bits160 v;
  for (int i = 0; i < 5; ++i) v.words[i] = words[i];
  for (; n != 0; n >>= 1, ++power)
    if (n & 1) v = leap_of(power).apply(v);
  for (int i = 0; i < 5; ++i) words[i] = v.words[i];
}
