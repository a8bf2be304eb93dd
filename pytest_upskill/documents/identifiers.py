"""Checks the names of the operator, arguments, results and dims of a case, which must be valid in C++ and in Python."""

from __future__ import annotations

import keyword
import re

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")

CPP_KEYWORDS = frozenset(
    """
    alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor bool break case catch
    char char8_t char16_t char32_t class compl concept const consteval constexpr constinit const_cast continue
    co_await co_return co_yield decltype default delete do double dynamic_cast else enum explicit export extern false
    float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private
    protected public reflexpr register reinterpret_cast requires restrict return short signed sizeof static
    static_assert static_cast struct switch synchronized template this thread_local throw true try typedef typeid
    typename typeof union unsigned using virtual void volatile wchar_t while xor xor_eq
    """.split()  # noqa: SIM905 - a table
)

_TAKEN = {
    "stream": "it is the last parameter of the launcher",
    "scalar_t": "it is the template parameter of the launcher",
    "torch": "it is the name of PyTorch in the reference",
    "main": "it is the first function of a program",
    "std": "it is the namespace of the C++ standard library",
}

CUDA_AND_C = frozenset(
    """
    threadIdx blockIdx blockDim gridDim warpSize dim3 uint3 half half2 cudaStream_t nv_bfloat16 cooperative_groups
    int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t ssize_t ptrdiff_t intptr_t uintptr_t
    ushort uint ulong time_t clock_t div_t ldiv_t FILE
    NULL EOF BUFSIZ RAND_MAX CHAR_BIT SCHAR_MAX SCHAR_MIN SHRT_MAX SHRT_MIN INT_MAX INT_MIN LONG_MAX LONG_MIN UCHAR_MAX
    FLT_MAX FLT_MIN FLT_EPSILON DBL_MAX DBL_MIN DBL_EPSILON INFINITY NAN HUGE_VAL M_PI M_E
    errno stdin stdout stderr assert offsetof setjmp isnan isinf isfinite isnormal signbit fpclassify
    linux unix I
    """.split()  # noqa: SIM905 - a table
)

_RESERVED = re.compile(r"(?:upskill|cuda)(?:_|[A-Z]|\Z)")


def refusal(name: str) -> str | None:  # noqa: PLR0911 - one line for each reason
    """The reason why ``name`` cannot be used, as the end of a sentence. None for a valid name."""
    if name.startswith("_") or name.endswith("_") or "__" in name:
        return "begins or ends with an underscore or doubles one, which C++ and PyTorch reserve"
    if not _IDENTIFIER.match(name):
        return "is not a name: write an ASCII letter, then letters, digits and underscores"
    if name in CPP_KEYWORDS:
        return "is a C++ keyword"
    if keyword.iskeyword(name):
        return "is a Python keyword"
    if name in _TAKEN:
        return f"is taken: {_TAKEN[name]}"
    if name in CUDA_AND_C:
        return "is taken: the headers of CUDA or C define it"
    return "is taken: names with this prefix belong to CUDA or to the harness" if _RESERVED.match(name) else None
