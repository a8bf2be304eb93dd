from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest

from pytest_upskill.build import elf
from pytest_upskill.languages.cuda import symbol_policy
from pytest_upskill.languages.cuda.cpu_build import translation_unit
from tests.sampling import first_of_each
from tests.unit.sandbox_kernels import AXPY, AXPY_SIGNATURE, PROBE_SIGNATURE, build, library_of, probe

HEADERS = """
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>
extern "C" void upskill_clear_reports(void);
"""


def violations(body: str, before: str = "") -> tuple[str, ...]:
    made = build(probe(body, HEADERS + before), PROBE_SIGNATURE)
    assert made.ok, made.message
    return made.violations


FORBIDDEN = {
    'out[0] = (int64_t)dlopen("libm.so.6", 1);': ("dlopen", "load code while they run"),
    'out[0] = (int64_t)dlsym(nullptr, "cos");': ("dlsym", "load code while they run"),
    'out[0] = system("id");': ("system", "start processes"),
    'out[0] = (int64_t)popen("id", "r");': ("popen", "start processes"),
    "out[0] = fork();": ("fork", "start processes"),
    'out[0] = execl("/bin/id", "id", nullptr);': ("execl", "start processes"),
    "std::thread([] {}).join();": ("std::thread", "start threads of the host"),
    "out[0] = socket(2, 1, 0);": ("socket", "use sockets"),
    "out[0] = ptrace(PTRACE_TRACEME, 0, 0, 0);": ("ptrace", "inspect or change the process"),
    "out[0] = mprotect(out, 4096, 7);": ("mprotect", "inspect or change the process"),
    "out[0] = syscall(39);": ("syscall", "inspect or change the process"),
    'out[0] = open("/etc/passwd", O_RDONLY);': ("open", "use files"),
    'std::ifstream f("/etc/passwd"); char c; f >> c; out[0] = c;': ("std::fstream", "use files"),
    "out[0] = write(3, out, 8);": ("write", "use files"),
    "out[0] = (int64_t)signal(11, nullptr);": ("signal", "send signals"),
    "_exit(0);": ("_exit", "end the process past its handlers"),
    "upskill_clear_reports();": ("upskill_clear_reports", "call the harness"),
    "cudaHostRegister(out, 8, 0);": ("cudaHostRegister", "use memory that host and device share"),
    "int64_t* p; cudaHostGetDevicePointer(&p, out, 0);": (
        "cudaHostGetDevicePointer",
        "use memory that host and device share",
    ),
    "cudaStreamAddCallback(stream, [](cudaStream_t, cudaError_t, void*) {}, nullptr, 0);": (
        "cudaStreamAddCallback",
        "have the host's functions run in a stream",
    ),
    "void* p; cudaMallocManaged(&p, 8);": ("cudaMallocManaged", "use memory that host and device share"),
    "cudaLaunchHostFunc(stream, [](void*) {}, nullptr);": (
        "cudaLaunchHostFunc",
        "have the host's functions run in a stream",
    ),
}


@pytest.mark.parametrize("body", first_of_each(FORBIDDEN, lambda body: FORBIDDEN[body][1], str))
def test_forbidden_call_is_named_with_its_rule(body: str) -> None:
    name, rule = FORBIDDEN[body]
    found = violations(body)
    assert any(f"the kernel calls '{name}'; kernels may not {rule}" in message for message in found), found


@pytest.mark.parametrize(("name", "rule"), [called for called in FORBIDDEN.values() if "::" not in called[0]])
def test_import_of_a_forbidden_function_is_named_with_its_rule(
    name: str, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = elf.Image((), imports=frozenset({name}), defined=frozenset(), exports=frozenset())
    monkeypatch.setattr(elf, "read", lambda _: image)
    (message,) = symbol_policy.violations(Path("kernel.so"))
    assert message.startswith(f"the kernel calls '{name}'; kernels may not {rule}")


def test_words_in_the_source_and_functions_of_ones_own_are_no_calls() -> None:
    own = "static int64_t my_fork() { return 1; }\nstruct Shell { int64_t system(const char*) { return 2; } };\n"
    assert violations('/* fork() */ out[0] = my_fork() + Shell().system("dlopen");', own) == ()


def test_what_honest_launchers_use_is_allowed() -> None:
    body = """
      static std::mutex m; std::lock_guard<std::mutex> g(m);
      static std::vector<float> table(8, 1.0f);
      float* scratch; cudaMallocAsync(&scratch, 32, stream);
      if (cudaMemcpyAsync(scratch, table.data(), 32, cudaMemcpyHostToDevice, stream) != cudaSuccess) {
        fprintf(stderr, "%s\\n", cudaGetErrorString(cudaGetLastError())); std::cerr << "failed\\n"; exit(1);
      }
      if (n < 0) throw std::runtime_error("negative"); if (n > 1LL << 40) abort();
      cudaFuncSetAttribute((void*)k, cudaFuncAttributeMaxDynamicSharedMemorySize, 65536);
      k<<<1, 1, 0, stream>>>(out, std::sqrt((float)n)); cudaFreeAsync(scratch, stream);
    """
    assert violations(body, "__global__ void k(int64_t* out, float v) { out[0] = expf(v); }") == ()
    assert build(AXPY, AXPY_SIGNATURE).violations == ()


@pytest.mark.parametrize(
    ("before", "name"),
    [
        ('extern "C" void __tsan_write8(void*) {}', "__tsan_write8"),
        ('extern "C" cudaError_t cudaGetLastError() { return cudaSuccess; }', "cudaGetLastError"),
        (
            'extern "C" __attribute__((visibility("default"), used)) const char* upskill_call() { return ""; }',
            "upskill_call",
        ),
    ],
)
def test_name_of_the_harness_that_is_defined_is_named(before: str, name: str) -> None:
    made = build(probe("out[0] = 1; cudaGetLastError();", before), PROBE_SIGNATURE)
    assert made.ok, made.message
    assert any(f"the kernel defines '{name}', a name of the harness" in message for message in made.violations)


def test_variables_may_be_called_like_what_they_hold() -> None:
    before = "cudaError_t cudaStatus;\n__device__ int cudaCounter;\nconst int cudaBlocks[2] = {1, 2};\n"
    assert violations("cudaStatus = cudaGetLastError(); out[0] = cudaStatus + cudaBlocks[n % 2];", before) == ()


def test_nothing_but_the_entry_is_seen_from_outside() -> None:
    shown = 'extern "C" __attribute__((visibility("default"), used)) int main() { return 0; }\n'
    shown += 'extern "C" __attribute__((visibility("default"))) void* malloc(size_t) { return nullptr; }\n'
    image = elf.read(library_of(probe("", shown), PROBE_SIGNATURE))
    assert image.exports == {"upskill_entry"}
    assert {"main", "malloc"} <= image.defined


def test_of_many_violations_the_first_are_told() -> None:
    found = violations("fork(); vfork(); system(0); dlopen(0, 1); socket(2, 1, 0); kill(1, 0); unlink(0);")
    assert len(found) == 6
    assert found[-1] == "and 2 more of this kind"


def test_library_that_is_not_allowed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    image = elf.Image(("libc.so.6", "libstdc++.so.6", "libtorch_cpu.so"), frozenset(), frozenset(), frozenset())
    monkeypatch.setattr(elf, "read", lambda _: image)
    (message,) = symbol_policy.violations(Path("kernel.so"))
    assert message.startswith("the kernel needs the library 'libtorch_cpu.so'; only the C, C++ and CUDA run times")


def damaged(library: bytes, kind: str) -> bytes:
    if kind == "cut":
        return library[: len(library) // 2]
    if kind == "text":
        return b"no library"
    if kind == "sections":  # the table of sections lies beyond the end
        return library[:40] + struct.pack("<Q", 1 << 40) + library[48:]
    table = struct.unpack_from("<Q", library, 40)[0]
    return library[: table + 64 + 24] + struct.pack("<QQ", 1 << 50, 1 << 50) + library[table + 64 + 40 :]


@pytest.mark.parametrize("kind", ["cut", "text", "sections", "offsets"])
def test_library_that_cannot_be_read_breaks_the_contract(tmp_path: Path, kind: str) -> None:
    library = library_of(AXPY, AXPY_SIGNATURE).read_bytes()
    (tmp_path / "kernel.so").write_bytes(damaged(library, kind))
    if kind == "offsets":  # of a section that nobody needs
        assert elf.read(tmp_path / "kernel.so").exports == {"upskill_entry"}
        return
    (message,) = symbol_policy.violations(tmp_path / "kernel.so")
    assert message.startswith("the built kernel cannot be read (")


NOT_LISTED = (
    "fallocate",
    "aio_write",
    "eventfd",
    "getdents64",
    "inotify_init",
    "setenv",
    "environ",
    "__dprintf_chk",
    "__sysctl",
    "x" * 5000,
)
LISTED = (
    "_ZNSt6vectorIiSaIiEE9push_backEOi", "_ZTVSt13runtime_error", "_ZNKSt7__cxx1112basic_stringIcE7compareEPKc",
    "_ZTv0_n24_NSt13basic_ostreamIwE", "__cxa_throw", "_ZnwmSt11align_val_t", "_ZSt4cout", "_Unwind_Resume", "memmove",
    "strtok_r", "__isoc99_sscanf", "__snprintf_chk", "puts", "qsort", "pthread_mutex_lock", "nanosleep", "lgammaf_r",
    "sincosf", "__expf_finite", "remquol", "cexp", "fesetround", "__popcountdi2", "__multi3", "__udivmodti4",
    "__extendhfsf2", "__floattisf", "__libc_single_threaded", "__once_proxy", "__dynamic_cast",
    "cudaMallocAsync", "__cudaRegisterFatBinary", "_ITM_registerTMCloneTable",
)  # fmt: skip


def importing(names: Iterable[str], monkeypatch: pytest.MonkeyPatch, **more: bool) -> tuple[str, ...]:
    image = elf.Image((), frozenset(names), frozenset(), frozenset(), **more)
    monkeypatch.setattr(elf, "read", lambda _: image)
    return symbol_policy.violations(Path("kernel.so"))


@pytest.mark.parametrize("name", NOT_LISTED)
def test_function_that_is_not_listed_breaks_the_contract(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (message,) = importing([name], monkeypatch)
    assert message.startswith(f"the kernel calls '{name[:80]}', which is not one of the functions that launchers may")


def test_functions_of_the_libraries_that_compute_and_print_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert importing(LISTED, monkeypatch) == ()


@pytest.mark.parametrize(("fact", "word"), [("runs_early", "ifunc"), ("executable_stack", "executable stack")])
def test_what_the_loader_would_do_is_told(fact: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (message,) = importing([], monkeypatch, **{fact: True})
    assert word in message


# Each would add a line of assembly, hide an import, or choose a section; in one build, since only the first is told.
SMUGGLERS = {
    '#ident "x\\"\\n\\tnop\\n\\t.ident \\"y"': "'#ident' is a directive that kernels may not use",
    "#un\\\ndef section": "'#undef section' is a directive that kernels may not use",
    '[[gnu::section(".a,\\"aw\\",@0x6#")]] int q;': "kernel.cu:5: a section's name may have letters",
    '__attribute__((used, __section__(".a\\n\\tnop"))) int q;': "kernel.cu:5: a section's name may have letters",
}


@pytest.mark.parametrize("text", SMUGGLERS)
def test_text_that_would_become_assembly_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(SMUGGLERS[text])):
        translation_unit(probe("", f"\n{text}"), "")


SECTIONS = """
#define JOIN(a, b) a##b
#define RAW ".a,\\"aw\\"\\n.globl raw\\nraw: mov $5, %eax\\nret\\n#"
__attribute__((JOIN(sec, tion)(RAW))) int one = 1;
[[gnu::JOIN(__sec, tion__)(RAW)]] int two = 2;
#pragma push_macro("section")
#pragma pop_macro("section")
__attribute__((section(RAW))) int three = 3;
extern "C" __attribute__((weak)) int raw();
"""


def test_macros_do_not_bring_a_section_back() -> None:
    found = violations("out[0] = one + two + three + (raw ? raw() : 0);", SECTIONS)
    assert found == (f"the kernel calls 'raw', which {symbol_policy.UNLISTED}: remove the call",)


def test_section_is_a_name_like_others() -> None:
    own = "static int section[2] = {1, 2};\nstruct Rows { int section(int i) { return at[i]; } int at[2]; };\n"
    own += '__attribute__((section(".text.hot"))) static int hot(int i) { return i; }\n'
    assert violations("out[0] = section[1] + Rows().section(0) + hot(1);", own) == ()
