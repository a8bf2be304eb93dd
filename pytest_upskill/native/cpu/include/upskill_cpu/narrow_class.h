// The classes of one narrow floating type; included by cuda_fp16.h and cuda_bf16.h, which define
//   NARROW, NARROW2, NARROW_RAW, NARROW2_RAW   the types,  FORMAT   its encoding.
// Constructors and conversions are those of CUDA, so that calls that are ambiguous there are ambiguous here.
// It has no include guard, because each type includes it once.

struct NARROW_RAW {
  unsigned short x;
};
struct alignas(4) NARROW2_RAW {
  unsigned short x, y;
};

struct NARROW {
 protected:
  unsigned short __x;

 public:
  NARROW() = default;
  constexpr NARROW(const NARROW_RAW& raw) : __x(raw.x) {}
  UPSKILL_CPU_INLINE NARROW(float value) : __x(FORMAT::encode(value)) {}
  UPSKILL_CPU_INLINE NARROW(double value) : __x(FORMAT::encode(::upskill::cpu::round_to_odd(value))) {}
  UPSKILL_CPU_INLINE NARROW(short value) : NARROW(static_cast<float>(value)) {}
  UPSKILL_CPU_INLINE NARROW(unsigned short value) : NARROW(static_cast<float>(value)) {}
  UPSKILL_CPU_INLINE NARROW(int value) : NARROW(static_cast<double>(value)) {}
  UPSKILL_CPU_INLINE NARROW(unsigned int value) : NARROW(static_cast<double>(value)) {}
  UPSKILL_CPU_INLINE NARROW(long value) : NARROW(::upskill::cpu::odd_double(value)) {}
  UPSKILL_CPU_INLINE NARROW(unsigned long value) : NARROW(::upskill::cpu::odd_double(value)) {}
  UPSKILL_CPU_INLINE NARROW(long long value) : NARROW(::upskill::cpu::odd_double(value)) {}
  UPSKILL_CPU_INLINE NARROW(unsigned long long value) : NARROW(::upskill::cpu::odd_double(value)) {}
#ifdef NARROW_FROM_OTHER
  NARROW_FROM_OTHER
#endif

  UPSKILL_CPU_INLINE NARROW& operator=(const NARROW_RAW& raw) { return __x = raw.x, *this; }
  UPSKILL_CPU_INLINE NARROW& operator=(float value) { return *this = NARROW(value); }
  UPSKILL_CPU_INLINE NARROW& operator=(double value) { return *this = NARROW(value); }
  UPSKILL_CPU_INLINE NARROW& operator=(short value) { return *this = NARROW(value); }
  UPSKILL_CPU_INLINE NARROW& operator=(unsigned short value) { return *this = NARROW(value); }
  UPSKILL_CPU_INLINE NARROW& operator=(int value) { return *this = NARROW(value); }
  UPSKILL_CPU_INLINE NARROW& operator=(unsigned int value) { return *this = NARROW(value); }
  UPSKILL_CPU_INLINE NARROW& operator=(long long value) { return *this = NARROW(value); }
  UPSKILL_CPU_INLINE NARROW& operator=(unsigned long long value) { return *this = NARROW(value); }

  UPSKILL_CPU_INLINE operator NARROW_RAW() const { return {__x}; }
  UPSKILL_CPU_INLINE operator float() const { return FORMAT::decode(__x); }
  UPSKILL_CPU_INLINE operator signed char() const { return truncate<signed char>(); }
  UPSKILL_CPU_INLINE operator unsigned char() const { return truncate<unsigned char>(); }
  UPSKILL_CPU_INLINE operator char() const { return truncate<char>(); }
  UPSKILL_CPU_INLINE operator short() const { return truncate<short>(); }
  UPSKILL_CPU_INLINE operator unsigned short() const { return truncate<unsigned short>(); }
  UPSKILL_CPU_INLINE operator int() const { return truncate<int>(); }
  UPSKILL_CPU_INLINE operator unsigned int() const { return truncate<unsigned int>(); }
  UPSKILL_CPU_INLINE operator long() const { return truncate<long>(); }
  UPSKILL_CPU_INLINE operator unsigned long() const { return truncate<unsigned long>(); }
  UPSKILL_CPU_INLINE operator long long() const { return truncate<long long>(); }
  UPSKILL_CPU_INLINE operator unsigned long long() const { return truncate<unsigned long long>(); }
  UPSKILL_CPU_INLINE operator bool() const { return (__x & 0x7fff) != 0; }

 private:
  template <class Integer>
  UPSKILL_CPU_INLINE Integer truncate() const {
    return ::upskill::cpu::to_integer<Integer>(std::trunc(FORMAT::decode(__x)));
  }
};

struct alignas(4) NARROW2 {
  NARROW x, y;

  NARROW2() = default;
  constexpr NARROW2(const NARROW& a, const NARROW& b) : x(a), y(b) {}
  UPSKILL_CPU_INLINE NARROW2(const NARROW2_RAW& raw) : x(NARROW_RAW{raw.x}), y(NARROW_RAW{raw.y}) {}
  UPSKILL_CPU_INLINE operator NARROW2_RAW() const {
    return {static_cast<NARROW_RAW>(x).x, static_cast<NARROW_RAW>(y).x};
  }
};
