"""The functions that a launcher may import from the C and C++ libraries, the compiler's runtime and CUDA's runtime.

They compute, handle memory and text, lock, tell the time or print. Names are as in symbol tables, where C++ names are
mangled (Itanium C++ ABI, 5.1), and ``__NAME_chk`` is the form of a function that ``_FORTIFY_SOURCE`` checks.
"""

from __future__ import annotations

import re


def _any(*patterns: str) -> str:
    return "|".join(patterns)


_CUDA = r"_*cuda[A-Z]\w*|__nv\w*|(thread|block)Idx|(block|grid)Dim|warpSize"
_STANDARD = r"(?:GV|T[ISVTC]|T[hv]\w*?_)?N?[VK]*S[tabsiod]\w*"
_CPP = _any(
    rf"_Z(?:{_STANDARD}|N[VK]*9__gnu_cxx\w*|(?:T[ISV])?N10__cxxabiv1\w*|T[IS][PK]*[a-z]|T[ISV]F\w+|n[wa]m\w*|d[al]Pv\w*)",
    r"__cxa_\w+|__gxx_personality_v0|__dynamic_cast|__once_proxy|__libc_single_threaded",
    r"_Unwind_(?:Resume|Resume_or_Rethrow|RaiseException|DeleteException)",
)
_COMPILER = _any(
    r"_ITM_\w+|__gmon_start__|__dso_handle|__tls_get_addr|__stack_chk_(?:fail|guard)|_GLOBAL_OFFSET_TABLE_|__TMC_END__",
    # Arithmetic of libgcc: an operation, then one or two modes (ti: 128-bit integers, tf: 128-bit floats, ...).
    r"__(?:abs|add|sub|mul|neg)v?[a-z]{2}[23]|__(?:ash[lr]|lshr|u?div|u?mod|u?divmod|u?cmp|powi)[a-z]{2}[234]",
    r"__(?:bswap|clrsb|clz|ctz|ffs|parity|popcount|eq|ne|l[et]|g[et]|unord)[a-z]{2}2",
    r"__(?:extend|trunc|fix|fixuns|float|floatun)[a-z]{4}2?",
)
_MEMORY_AND_TEXT = _any(
    r"__mem\w+_chk|__v?(?:f|s|sn|as)?printf_chk|__memcmpeq|__mempcpy",
    r"mem\w+|st[rp]\w+|__st[rp]\w+|bcmp|bcopy|bzero|explicit_bzero|rawmemchr|r?index|ffs(?:l|ll)?",
    r"(?:wcs|wmem)\w+|btowc|wctob|isw?(?:alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit|ascii)|to(?:lower|upper)|__ctype_\w+",
    r"(?:__isoc\d\d_)?(?:strto\w+|v?sscanf)|ato(?:i|l|ll|f)",
    r"malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|memalign|malloc_usable_size",
)
_OTHER_C = _any(
    r"l{0,2}abs|imaxabs|l{0,2}div|rand(?:_r|om)?|srand(?:om)?|[delmnjs]rand48|qsort(?:_r)?|bsearch|abort|exit|atexit",
    r"secure_getenv|getenv|sysconf|getpagesize|sched_yield|__errno_location|__assert\w*|perror",
    r"v?(?:f|s|sn|as)?printf|(?:f?put[cs]|putchar|fwrite|fflush|f(?:error|eof|ileno)|clearerr)(?:_unlocked)?|_IO_putc",
    r"setv?buf|setlinebuf|stdout|stderr|stdin|v?asprintf|open_memstream",
    r"time|clock|clock_get(?:time|res)|gettimeofday|timespec_get|difftime|(?:gm|local)time(?:_r)?|mktime|ctime(?:_r)?",
    r"asctime(?:_r)?|mtx_\w+|call_once|(?:clock_)?nanosleep|u?sleep",
    r"_*pthread_(?:(?:mutex|mutexattr|rwlock|rwlockattr|cond|condattr|spin)_\w+|once|self|equal|key_\w+|[gs]etspecific)",
)
_FUNCTION = _any(
    r"a?(?:sin|cos|tan)h?(?:pi)?|sincos(?:pi)?|atan2(?:pi)?|exp(?:2|10|m1|2m1|10m1)?|log(?:2|10|1p|b|2p1|10p1|p1)?",
    r"l?logb|[il]logb|ldexp|frexp|scalb(?:n|ln)?|significand|pow(?:n|r|10)?|rootn|compoundn|r?sqrt|cbrt|hypot|erfc?",
    r"[lt]?gamma|[jy](?:0|1|n)|ceil|floor|trunc|round|roundeven|l{0,2}r(?:int|ound)|nearbyint|u?fromfpx?|modf|fmod",
    r"remainder|remquo|drem|copysign|nan|next(?:after|toward|up|down)|fdim|f(?:max|min)(?:imum|mag)?(?:_\w+)?|fma|fabs",
    r"isinf|isnan|finite|signbit|fpclassify|iseqsig|issignaling|signgam|l(?:dexp)",
    r"c(?:a?(?:sin|cos|tan)h?|abs|arg|exp|log(?:10)?|pow|sqrt|real|imag|onj|proj)",
)
_MATHEMATICS = rf"_*(?:{_FUNCTION})(?:f|l|f16|f32x?|f64x?|f128)?(?:_r)?(?:_finite)?|_*fe[a-z]+"

_ALLOWED = re.compile(_any(_CUDA, _CPP, _COMPILER, _MEMORY_AND_TEXT, _OTHER_C, _MATHEMATICS))


def is_allowed(name: str) -> bool:
    """Whether a launcher may import this name, unless another rule forbids it."""
    return _ALLOWED.fullmatch(name) is not None
