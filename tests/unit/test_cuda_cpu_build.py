from __future__ import annotations

import re
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_upskill.build import toolchain
from pytest_upskill.build.cache import Cache
from pytest_upskill.build.compilation import CompileLimits
from pytest_upskill.contracts.launcher.signature import entry_source
from pytest_upskill.errors import ToolchainError
from pytest_upskill.languages.cuda.cpu_build import HostCompiler, native_hash, translation_unit
from pytest_upskill.sandbox.client import RUNTIME
from pytest_upskill.sandbox.confinement import Confinement, strongest
from tests.unit.sandbox_kernels import AXPY, AXPY_SIGNATURE, HEADERS, PROBE_SIGNATURE, build, probe

ENTRY = entry_source(PROBE_SIGNATURE)

bubblewrapped = pytest.mark.skipif(
    strongest().level != "bubblewrap",
    reason="bubblewrap does not work here: install it, and let it make user namespaces",
)


def unique() -> str:
    return f"// {uuid.uuid4()}\n"


@pytest.mark.parametrize("level", sorted({"process", strongest().level}))
def test_kernel_is_built_once_and_then_found(level: str) -> None:
    confinement = strongest() if level == strongest().level else Confinement("process")
    source = AXPY + unique()
    first, second = (build(source, AXPY_SIGNATURE, confinement) for _ in range(2))
    assert first.ok, first.message
    assert (first.cached, second.cached) == (False, True)
    assert first.library == second.library
    assert first.compilers == (toolchain.describe(),)
    assert first.library is not None
    assert first.library.with_name(RUNTIME).exists()


def test_error_names_the_line_of_the_students_source_and_is_kept() -> None:
    source = probe("out[0] = undeclared;") + unique()
    first, second = (build(source, PROBE_SIGNATURE) for _ in range(2))
    assert not first.ok
    assert "kernel.cu:5: error: 'undeclared' was not declared in this scope" in first.message
    assert (second.cached, second.message) == (True, first.message)


def test_error_in_the_generated_code_is_named_after_its_call() -> None:
    made = build(AXPY.replace("bool negate, int64_t shift", "int64_t shift, bool* negate"), AXPY_SIGNATURE)
    assert not made.ok
    assert "the generated call `axpy<float>(...)`: " in made.message
    assert "upskill_entry" not in made.message


def test_function_that_is_missing_in_the_end_is_the_kernels_fault() -> None:
    made = build(HEADERS + "int64_t helper(int64_t);\n" + probe("out[0] = helper(n);"), PROBE_SIGNATURE)
    assert not made.ok
    assert "undefined reference to `helper(long)'" in made.message


def test_macro_that_hides_the_entry_is_the_kernels_fault() -> None:
    made = build(probe("", "#define upskill_entry other"), PROBE_SIGNATURE)
    assert not made.ok
    assert "upskill_entry" in made.message


def test_launch_that_never_ends_is_the_kernels_fault_with_its_line() -> None:
    made = build(probe("k<<<1, 1, 0, stream", "__global__ void k() {}"), PROBE_SIGNATURE)
    assert not made.ok
    assert made.message.startswith("kernel.cu:5: ")


@pytest.mark.parametrize(
    "attribute",
    ["no_sanitize_thread", "no_sanitize_coverage", '__no_sanitize__("thread")', "JOIN(no_sani, tize_thread)"],
)
def test_attribute_that_would_hide_accesses_is_refused_however_it_is_spelled(attribute: str) -> None:
    before = f"#define JOIN(a, b) a##b\n__attribute__(({attribute})) void hidden() {{}}\n{unique()}"
    assert "poisoned" in build(probe("", before), PROBE_SIGNATURE).message


@pytest.mark.parametrize(
    "assembly",
    [
        '#define HOST asm\nvoid host() { HOST("nop"); }',
        '#define JOIN(a, b) a##b\nJOIN(__as, m__)(".incbin \\"/etc/passwd\\"");',
        'asm(".globl zero\\nzero: ret");',
        'void host() { asm volatile("pause"); }',
        'extern int other asm("elsewhere");',
    ],
)
def test_assembly_of_the_host_is_refused_wherever_it_stands(assembly: str) -> None:
    made = build(probe("", f"{unique()}{assembly}\n"), PROBE_SIGNATURE)
    assert not made.ok
    assert "assembly of the host is not allowed" in made.message


def test_headers_of_the_system_may_hold_assembly() -> None:
    headers = "".join(f"#include <{name}>\n" for name in ("signal.h", "sys/io.h", "math.h", "csignal", "unistd.h"))
    missing = "#ifdef NOWHERE\n#include <no/such/header.h>\n#endif\n"
    made = build(probe("", f"{unique()}{headers}{missing}"), PROBE_SIGNATURE)
    assert made.ok, made.message


def test_assembly_that_the_preprocessor_drops_is_none() -> None:
    dead = '// asm\nconst char* text = "asm";\n#ifndef __CUDACC__\nasm("nop"); void f() { __asm__("frob"); }\n#endif\n'
    assert build(probe("", f"{unique()}{dead}"), PROBE_SIGNATURE).ok


@pytest.mark.parametrize("word", ["UPSKILL_CPU_UNCHECKED", "upskill_cpu_x", "upskill::cpu"])
def test_name_of_the_harness_is_refused_with_its_line(word: str) -> None:
    with pytest.raises(ValueError, match=rf"kernel.cu:2: '{word}' is a name of the harness"):
        translation_unit(f"// {word}\n{word} void hidden() {{}}\n", ENTRY)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("UPSK\\\nILL_CPU_UNCHECKED void hidden() {}", 2),
        ("#define M(x) \\\n  (x)\n\nusing namespace upskill;", 5),
        ("namespace other = upskill\n  ;", 2),
        ("void f() { ups\\\nkill\n::cpu::g(); }", 2),
        ('_Pragma("redefine_extname mark upskill_cpu_mark_written")', 2),
        ('#define DO _Pragma\nDO(R"(weak mark = upskill_cpu_mark_written)")', 3),
    ],
)
def test_name_of_the_harness_is_found_across_lines_and_in_a_namespace(source: str, line: int) -> None:
    with pytest.raises(ValueError, match=rf"kernel.cu:{line}: .* is a name of the harness"):
        translation_unit(f"\n{source}\n", ENTRY)


def test_texts_and_comments_may_mention_what_is_no_name_of_the_harness() -> None:
    source = (
        '// upskill_cpu_yield\n/* UPSKILL_CPU_UNCHECKED */\nconst char* text = "made by upskill, UPSKILL_SECRET";\n'
    )
    assert '"made by upskill, UPSKILL_SECRET"' in translation_unit(source, ENTRY)


PASTE = "#define JOIN(a, b) a##b\n#define TWICE(a, b) JOIN(a, b)\n"


@pytest.mark.parametrize(
    "hidden",
    [
        "JOIN(UPS, KILL_CPU_UNCHECKED) void hidden() {}",
        "using namespace TWICE(up, JOIN(ski, ll));",
        "#define OTHER(a, b) a#\\\n#b\nOTHER(upsk, ill_cpu_yield)();",
    ],
)
def test_name_of_the_harness_that_is_made_of_pieces_is_refused(hidden: str) -> None:
    """With the first one a kernel could hide its accesses."""
    paste = "" if "OTHER" in hidden else PASTE
    made = build(probe("", f"{unique()}{paste}{hidden}"), PROBE_SIGNATURE)
    assert re.search(r"kernel.cu:\d+: a name of the harness is made here from pieces", made.message)


def test_names_that_are_made_of_pieces_are_allowed() -> None:
    honest = (
        f"{PASTE}#include <cooperative_groups.h>\n#include <cuComplex.h>\n#include <mma.h>\nvoid JOIN(help, er)() {{}}"
    )
    made = build(probe("JOIN(help, er)();", f"{unique()}{honest}"), PROBE_SIGNATURE)
    assert made.ok, made.message


def test_kernel_is_compiled_as_cpp17() -> None:
    body = probe('static_assert(__cplusplus == 201703L, "version");')
    assert build(body, PROBE_SIGNATURE).ok


def test_messages_have_no_more_than_a_screen() -> None:
    made = build(probe("\n".join(f"out[{n}] = undeclared{n};" for n in range(200))), PROBE_SIGNATURE)
    assert len(made.message.splitlines()) <= 41


BOMB = probe(
    "out[0] = F<0, 40>::v;",
    "template <long A, int N> struct F { static constexpr long v = F<2 * A, N - 1>::v + F<2 * A + 1, N - 1>::v; };"
    "\ntemplate <long A> struct F<A, 0> { static constexpr long v = A; };",
)


def test_compilation_without_end_stops_at_its_limit(tmp_path: Path) -> None:
    limited = HostCompiler(limits=CompileLimits(seconds=1.0))
    made = limited.build(BOMB + unique(), ENTRY, confinement=strongest())
    assert made.message == "the compiler did not finish within the limit of 1 s"
    assert not made.ok


def test_compilation_that_eats_memory_stops_at_its_limit() -> None:
    limited = HostCompiler(limits=CompileLimits(memory=1 << 30))
    made = limited.build(probe("") + '#include "/dev/zero"\n', ENTRY, confinement=strongest())
    assert not made.ok
    assert "ran out of memory (limit 1024 MiB)" in made.message


def test_output_of_the_compiler_has_a_limit() -> None:
    made = build(probe("") + "char large[1ull << 34] = {1};\n", PROBE_SIGNATURE)
    assert not made.ok
    assert "room for its output (256 MiB a file" in made.message


@bubblewrapped
@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/hostname", str(Path(__file__).resolve())])
def test_files_of_the_machine_cannot_be_included(path: str) -> None:
    made = build(probe("") + f'#include "{path}"\n', PROBE_SIGNATURE)
    assert not made.ok
    assert "No such file or directory" in made.message or "file not found" in made.message


def test_environment_of_the_compiler_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPLUS_INCLUDE_PATH", "/nowhere")
    monkeypatch.setenv("UPSKILL_SECRET", "abc123")
    made = build(probe("") + f'{unique()}#include "/proc/self/environ"\n', PROBE_SIGNATURE)
    assert "abc123" not in made.message
    assert "/nowhere" not in made.message


def test_threads_that_build_at_once_share_what_they_can() -> None:
    source = AXPY + unique()
    with ThreadPoolExecutor(4) as pool:
        builds = list(pool.map(lambda _: build(source, AXPY_SIGNATURE), range(4)))
    assert all(made.ok for made in builds)
    assert [made.cached for made in builds].count(False) == 1


def test_processes_that_build_the_same_source_at_once_build_it_once() -> None:
    source = AXPY + unique()
    here = str(Path(__file__).resolve().parents[2])
    code = (
        f"import sys; sys.path.insert(0, {here!r}); from tests.unit.sandbox_kernels import *\n"
        f"made = build({source!r}, AXPY_SIGNATURE); print(made.ok, made.cached)"
    )
    argv = [sys.executable, "-c", code]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in running)
    assert said == ["True False", "True True"]


def test_missing_compiler_is_an_error_that_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    missing = HostCompiler(Cache(tmp_path / "cache"))
    assert toolchain.describe().startswith("none (no C++ compiler was found")
    with pytest.raises(ToolchainError, match="apt-get install"):
        missing.build(AXPY, entry_source(AXPY_SIGNATURE), confinement=Confinement("process"))


def test_installed_compiler_is_described() -> None:
    assert toolchain.describe() == toolchain.find_compiler().describe()


def test_hash_of_our_own_sources_is_stable_within_a_process() -> None:
    assert native_hash() == native_hash()
    assert len(native_hash()) == 40


def test_lines_of_the_source_stay_where_they_are() -> None:
    unit = translation_unit("int a;\nint b;\n", "ENTRY")
    assert '#line 1 "kernel.cu"' in unit
    assert unit.endswith('#line 1 "upskill_entry.cu"\nENTRY\n')
