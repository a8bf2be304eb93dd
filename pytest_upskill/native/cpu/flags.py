"""Flags with which the parts of the cpu device are compiled, and paths of its sources.

There are three products: the runtime (once per machine), the precompiled header (once per machine and set of flags),
and the student's library (once per kernel). The header and the student's unit must be compiled with the same flags.
"""

from __future__ import annotations

from pathlib import Path

from pytest_upskill.native import BEGIN

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parent
"""The folder of all native sources."""

ALIAS = "pytest_upskill/native"
"""The name of the folder ``NATIVE`` in builds: a link to it, below the working directory of the compiler. Because of
the link, debug information and precompiled headers do not depend on where the package is installed, and all its copies
share them. (-ffile-prefix-map does not reach precompiled headers, nor the callers of inlined functions in gcc 12.)
"""

INCLUDE = HERE / "include"
INCLUDE_FOLDERS = (INCLUDE,)
"""The folders of ``cuda_runtime.h`` and other CUDA headers. Every compilation gets them with ``-I``."""

SAMPLES_INCLUDE = HERE / "samples_include"
"""Substitutes for the headers that NVIDIA's CUDA samples share. Whole programs get them with ``-idirafter``, so the
user's own headers have priority.
"""

INTERNAL_PREFIXES = ("::upskill::cpu::", "upskill::cpu::", "upskill_cpu_")
"""Prefixes of our own names, which are removed from the compiler's messages."""

PCH_HEADER = INCLUDE / "upskill_cpu.h"
"""The header that every student's unit includes first. A copy of it is precompiled, and the unit is compiled with
``-include FOLDER/upskill_cpu.h``."""

RUNTIME_SOURCES = tuple(sorted((HERE / "src").glob("*.cpp")))
RUNTIME_UNITS = 3
"""The number of units into which the runtime's sources are grouped. Each unit compiles a third of the sources. This
takes half the time of one unit per source, because most of the time goes into the standard headers. Sources of one unit
share a namespace, including the unnamed one.
"""


ASSEMBLE = HERE / "assemble.sh"
"""Separates ``__shared__`` variables, so that an overrun from one to the next is detected."""

BEGIN_SOURCE, SEAL_SOURCE = HERE / "begin.cpp", HERE / "seal.cpp"
"""``BEGIN_SOURCE`` is linked into the student's library, and defines its initialisation function. ``SEAL_SOURCE`` is
compiled with the driver.
"""

EXPORTS = HERE / "exports"
"""The linker's version script for the student's library: only the entry point is visible."""

STUDENT_FLAGS = (
    "-std=c++17",
    "-O1",
    "-g1",
    "-gdwarf-4",  # with version 5, older addr2lines confuse lines of other files with the source's
    "-fPIC",
    "-fno-plt",  # faster, because every access calls the runtime
    "-ftree-vrp",  # removes checks of indices that are always within their array
    "-w",
    "-fmax-errors=20",
    "-fdiagnostics-color=never",
    "-ffp-contract=off",  # GPU compilers contract some operations; the tolerance must cover both results
    "-fno-strict-aliasing",
    "-fstack-clash-protection",  # or a large local array could reach past the guard page, into another thread's stack
    "-fno-gnu-unique",  # or one kernel's __shared__ variables in templates would be another's
    "-fno-threadsafe-statics",
    "-fdata-sections",  # for ASSEMBLE
    "-fwrapv-pointer",
    # The runtime implements these sanitizers' entry points; their own libraries are never linked.
    # With signed-integer-overflow, an overflow wraps around and is noted. -fwrapv would switch it off.
    "-fsanitize=thread,alignment,bounds,signed-integer-overflow",
    "--param=tsan-instrument-func-entry-exit=0",
    "--param=tsan-distinguish-volatile=1",
)
"""The flags, with g++, for the student's unit (``-c``) and for the precompiled header (``-x c++-header``)."""

_GCC_ONLY = ("-ftree-vrp", "-fno-gnu-unique", "-fmax-errors=", "--param=", "-fdata-sections", "-fwrapv-pointer")


def student_flags(family: str) -> tuple[str, ...]:
    """STUDENT_FLAGS for a compiler family: "gcc" or "clang"."""
    if family == "gcc":
        # A comma would end the path. clang has no -wrapper, so its __shared__ variables are adjacent.
        return STUDENT_FLAGS if "," in str(ASSEMBLE) else (*STUDENT_FLAGS, "-wrapper", f"/bin/sh,{ASSEMBLE}")
    return (*(flag for flag in STUDENT_FLAGS if not flag.startswith(_GCC_ONLY)), "-ferror-limit=20")


COVERAGE_FLAGS = ("-fsanitize-coverage=trace-pc,trace-cmp", "-fplt")
"""Flags for the traced build of the student's unit, in addition to STUDENT_FLAGS. The precompiled header is the same.
Calls of the coverage runtime go through the PLT, where ``tracing.LIST_PLACES`` finds them.
"""

_SILENCERS = (
    "no_sanitize", "no_sanitize_thread", "no_sanitize_undefined", "no_sanitize_coverage",
    "disable_sanitizer_instrumentation",
)  # fmt: skip
_RAW_TEXT = ("weakref", "symver", "ifunc", "fentry_name", "fentry_section")
NO_SILENCERS = (
    f"#pragma GCC poison {' '.join(f'{word} __{word}__' for word in (*_SILENCERS, *_RAW_TEXT))}\n"
    "#define section section_without_attribute\n#define __section__ section_without_attribute\n"
)
"""Precedes a student's source. Attributes that would hide accesses become errors, also if they are made by token
pasting, and so do attributes whose text the compiler copies into its assembly. The attribute ``section`` is such an
attribute, too, but honest sources have variables of this name. Therefore ``section`` is only renamed, so that the
attribute has no effect.
"""

NO_ASSEMBLY = "#pragma GCC poison asm __asm __asm__\n"
"""Precedes a student's source. Inline PTX has been replaced by C++ before, so any assembly that is left would be
assembly for the host; it becomes an error.
"""

NO_LIBRARIES = "".join(f"#define UPSKILL_CPU_{name}_H\n" for name in ("CUBLAS_V2", "CUBLASLT", "CURAND"))
"""Precedes a student's source. Inside it, the headers of libraries of ready-made kernels are empty."""

LINK_FLAGS = (
    "-shared",
    "-Wl,-z,defs,-z,noexecstack,-z,text",
    f"-Wl,-init={BEGIN}",
    "-Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset,--wrap=clock",
    "-Wl,--wrap=malloc,--wrap=free,--wrap=_Znwm,--wrap=_Znam,--wrap=_ZdlPv,--wrap=_ZdaPv,--wrap=_ZdlPvm,--wrap=_ZdaPvm",
    f"-Wl,--version-script={EXPORTS}",
)
"""Flags for linking the student's object. The runtime's library comes last."""

RUNTIME_FLAGS = (
    "-std=c++20",
    "-O2",
    "-g1",
    "-fPIC",
    "-fvisibility-inlines-hidden",
    "-fno-semantic-interposition",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-Wall",
    "-Wextra",
    "-Wno-unknown-pragmas",
    "-Werror",
    "-DUPSKILL_CPU_RUNTIME",
)
"""Flags for compiling each of RUNTIME_SOURCES (``-c``)."""

RUNTIME_LINK_FLAGS = ("-shared", "-Wl,-z,defs", "-Wl,-Bsymbolic")
"""Flags for linking the objects of the runtime and of the driver into one library."""
