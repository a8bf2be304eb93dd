from __future__ import annotations

import gc
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pytest_upskill.errors import SandboxError
from pytest_upskill.records import Answer, Call, TensorArgument
from pytest_upskill.sandbox.client import RUNTIME, Sandbox
from pytest_upskill.sandbox.confinement import Confinement, strongest
from tests.unit.sandbox_kernels import (
    AXPY,
    AXPY_SIGNATURE,
    HEADERS,
    PROBE_SIGNATURE,
    axpy_call,
    decode,
    integers,
    library_of,
    probe,
    probe_call,
    sandbox_of,
)

LEVELS = sorted({"process", strongest().level})


def confinement_of(level: str) -> Confinement:
    return strongest() if level == strongest().level else Confinement(level)


def only_finding(answer: Answer) -> tuple[str, str, str]:
    assert len(answer.findings) == 1, answer.findings
    return answer.findings[0].assertion, answer.findings[0].kind, answer.findings[0].message


def one_call(source: str, **options) -> Answer:
    with sandbox_of(source, **options) as sandbox:
        return sandbox.call(probe_call())


# ------------------------------------------------------------------------------------------- what a kernel computes


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", AXPY_SIGNATURE.dtypes)
def test_kernel_gets_its_tensors_and_scalars_and_gives_its_output(level: str, dtype: str) -> None:
    with sandbox_of(AXPY, AXPY_SIGNATURE, confinement=confinement_of(level)) as sandbox:
        plain = sandbox.call(axpy_call([1.0, 2.0, -3.0], [0.5, 0.0, 1.0], 2.0, False, 0, dtype))
        negated = sandbox.call(axpy_call([1.0, 2.0, -3.0], [0.5, 0.0, 1.0], 1.0, True, 2, dtype))
    assert plain.findings == negated.findings == ()
    assert decode(plain.outputs["out"], dtype) == [2.5, 4.0, -5.0]
    assert decode(negated.outputs["out"], dtype) == [-3.5, -6.0, 8.0]
    assert plain.ran
    assert 0 < plain.seconds < 10


def test_a_million_elements_go_through() -> None:
    values = [float(i % 1000) for i in range(1 << 20)]
    with sandbox_of(AXPY, AXPY_SIGNATURE) as sandbox:
        small = sandbox.call(axpy_call(values[:3], values[:3], 1.0, False, 0))
        large = sandbox.call(axpy_call(values, values, 1.0, False, 0))
    assert decode(small.outputs["out"], "float32") == [0.0, 2.0, 4.0]
    assert decode(large.outputs["out"], "float32") == [2 * value for value in values]


def test_tensor_without_elements_is_a_valid_pointer() -> None:
    with sandbox_of(probe("if (!out || !x) __builtin_trap();")) as sandbox:
        answer = sandbox.call(probe_call(0))
    assert answer.findings == ()
    assert answer.outputs == {"out": b""}


def test_base_is_aligned_to_16_bytes_and_no_more() -> None:
    address = probe("address<<<1, 1, 0, stream>>>(out, x);", ADDRESS)
    with sandbox_of(address) as sandbox:
        answer = sandbox.call(probe_call(2))
    assert [value % 32 for value in integers(answer)] == [16, 16]


ADDRESS = "__global__ void address(int64_t* out, const int64_t* x) { out[0] = (int64_t)out; out[1] = (int64_t)x; }"


def test_address_is_the_same_in_each_call_of_the_same_size() -> None:
    with sandbox_of(probe("address<<<1, 1, 0, stream>>>(out, x);", ADDRESS)) as sandbox:
        assert integers(sandbox.call(probe_call(2))) == integers(sandbox.call(probe_call(2)))


def test_output_that_is_not_written_differs_from_call_to_call() -> None:
    with sandbox_of(probe("")) as sandbox:
        first, second = (sandbox.call(probe_call(3)) for _ in range(2))
        again = sandbox.repeat(probe_call(3), 0)
        third = sandbox.call(probe_call(3))
    assert first.findings == second.findings == again.findings == ()
    assert integers(first) == integers(third) == [0x7FF97FF97FF97FF9] * 3
    assert integers(second) == [0xFFFAFFFAFFFAFFFA - 2**64] * 3
    assert integers(again) == [0x7FFC7FFC7FFC7FFC] * 3


def test_inplace_tensor_comes_back_changed() -> None:
    kernel = "__global__ void k(int64_t* out) { out[threadIdx.x] += 100; }"
    with sandbox_of(probe("k<<<1, n, 0, stream>>>(out);", kernel)) as sandbox:
        arguments = probe_call(2).arguments
        inplace = TensorArgument("out", "inplace", "int64", (2,), arguments[1].data)
        answer = sandbox.call(Call(0, (inplace, *arguments[1:])))
    assert integers(answer) == [100, 101]


def test_one_process_serves_many_calls() -> None:
    state = probe("k<<<1, 1, 0, stream>>>(out, ++calls);", STATE)
    with sandbox_of(state) as sandbox:
        assert [integers(sandbox.call(probe_call(1))) for _ in range(3)] == [[1], [2], [3]]


STATE = "static int64_t calls = 0;\n__global__ void k(int64_t* out, int64_t value) { out[0] = value; }"


def test_library_may_vanish_once_the_cell_has_it(tmp_path: Path) -> None:
    library = library_of(AXPY, AXPY_SIGNATURE)
    for name in (library.name, RUNTIME):
        shutil.copy(library.with_name(name), tmp_path / name)
    with Sandbox(tmp_path / library.name, strongest()) as sandbox:
        shutil.rmtree(tmp_path)
        assert sandbox.call(axpy_call([1.0], [1.0], 1.0, False, 0)).findings == ()


# ------------------------------------------------------------------------------------------- findings


def test_write_past_the_end_is_reported_with_its_line() -> None:
    source = HEADERS + (
        "__global__ void k(int64_t* out, int64_t n) {\n"
        "  out[threadIdx.x] = 1;\n"
        "}\n"
        "void probe(int64_t* out, const int64_t* x, int64_t n, cudaStream_t stream) {\n"
        "  k<<<1, n + 1, 0, stream>>>(out, n);\n"
        "}\n"
    )
    with sandbox_of(source) as sandbox:
        answer = sandbox.call(probe_call(4))
    finding = next(finding for finding in answer.findings if finding.assertion == "memory")
    assert finding.line == 5
    assert "'out'" in finding.message
    assert integers(answer) == [1, 1, 1, 1]


def test_race_has_the_lines_of_both_accesses() -> None:
    source = HEADERS + (
        "__global__ void k(int64_t* out) {\n"
        "  __shared__ int64_t s[64];\n"
        "  s[threadIdx.x] = threadIdx.x;\n"
        "  out[threadIdx.x] = s[threadIdx.x ^ 1];\n"
        "}\n"
        "void probe(int64_t* out, const int64_t* x, int64_t n, cudaStream_t stream) {\n"
        "  k<<<1, n, 0, stream>>>(out);\n"
        "}\n"
    )
    with sandbox_of(source) as sandbox:
        findings = sandbox.call(probe_call(64)).findings
    assert {(finding.assertion, finding.kind) for finding in findings} == {("deterministic", "race")}
    assert findings[0].line is not None
    other = 13 - findings[0].line
    assert f"at line {other} have no order" in findings[0].message


def test_repeats_run_in_reverse_and_then_in_random_orders_that_their_number_tells() -> None:
    source = HEADERS + (
        "__global__ void k(unsigned long long* out) {\n"
        "  __shared__ unsigned long long turn;\n"
        "  if (threadIdx.x == 0) turn = 0;\n"
        "  __syncthreads();\n"
        "  out[atomicAdd(&turn, 1ull)] = threadIdx.x;\n"
        "}\n"
        "void probe(int64_t* out, const int64_t* x, int64_t n, cudaStream_t stream) {\n"
        "  k<<<1, n, 0, stream>>>((unsigned long long*)out);\n"
        "}\n"
    )
    with sandbox_of(source) as sandbox:
        forward, *others = [
            sandbox.call(probe_call(64)),
            *(sandbox.repeat(probe_call(64), time) for time in (0, 1, 2, 1)),
        ]
    orders = [integers(answer) for answer in others]
    assert sorted(integers(forward)) == list(range(64))
    assert orders[0][1:] == list(range(63, 0, -1))  # who comes last to the barrier goes on first
    assert orders[1] == orders[3] != orders[2]
    assert sorted(orders[1]) == list(range(64))


def test_one_repeat_in_a_few_meets_a_process_without_a_memory() -> None:
    source = (
        HEADERS
        + "__global__ void k(int64_t* out, int64_t calls) { out[threadIdx.x] = calls; }\n"
        + "void probe(int64_t* out, const int64_t* x, int64_t n, cudaStream_t stream) {\n"
        + "  static int64_t calls = 0;\n"
        + "  k<<<1, n, 0, stream>>>(out, ++calls);\n"
        + "}\n"
    )
    with sandbox_of(source) as sandbox:
        answers = [
            sandbox.call(probe_call(2)),
            sandbox.call(probe_call(2)),
            *(sandbox.repeat(probe_call(2), t) for t in range(6)),
        ]
    assert [integers(answer)[0] for answer in answers] == [1, 2, 1, 2, 3, 4, 1, 2]


def hidden_from_the_checks(tensor: str, offset: str, value: int) -> str:
    """A kernel that writes one byte where the device does not look (in the C library), so that the driver's comparisons
    are what is left."""
    before = (
        "#include <cstring>\n__global__ void k(int64_t* out, int64_t* x, int64_t n) {\n"
        f'  memccpy((char*){tensor} + {offset}, "\\{value:o}", -1, 1);\n}}'
    )
    return probe("k<<<1, 1, 0, stream>>>(out, (int64_t*)x, n);", before)


@pytest.mark.parametrize(
    ("tensor", "offset", "words"),
    [
        ("out", "8 * n + 16", "1 bytes after the end of 'out' were overwritten, the nearest 3 element"),
        ("x", "-9", "1 bytes before the start of 'x' were overwritten, the nearest 2 element"),
    ],
)
def test_broken_guard_names_the_tensor_the_side_and_the_distance(tensor: str, offset: str, words: str) -> None:
    assertion, kind, message = only_finding(one_call(hidden_from_the_checks(tensor, offset, 1)))
    assert (assertion, kind) == ("memory", "guard")
    assert words in message


def test_changed_input_names_the_tensor_and_the_element() -> None:
    assertion, kind, message = only_finding(one_call(hidden_from_the_checks("x", "8 * 2", 77)))
    assert (assertion, kind) == ("inputs", "input-modified")
    assert "changed its input 'x': 1 bytes differ, the first in element 2" in message


def test_launch_that_the_device_refuses_is_a_launch_error() -> None:
    answer = one_call(probe("k<<<1, 4096, 0, stream>>>(out, 1);", STATE))
    assert not answer.ran
    assert "launch-error" in {finding.kind for finding in answer.findings if finding.assertion == "runs"}


def test_exception_of_the_launcher_is_a_finding() -> None:
    answer = one_call(probe('throw std::runtime_error("no such size");', "#include <stdexcept>"))
    assert only_finding(answer) == ("runs", "crash", "the launcher threw an exception: no such size")


# ------------------------------------------------------------------------------------------- how a process ends


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("*(volatile int*)8 = 1;", "crash", "Segmentation fault (SIGSEGV)"),
        ('fprintf(stderr, "giving up\\n"); abort();', "crash", "Aborted (SIGABRT); it printed: giving up"),
        ("exit(0);", "exit", "exit status 0 before the call had returned"),
        ("_exit(3);", "exit", "exit status 3 before the call had returned"),
        ("for (volatile int i = 0;; i = i + 1) {}", "timeout", "no answer within the limit of 1.5 s"),
        ("pause();", "timeout", "no answer within the limit of 1.5 s"),
        ('for (;;) puts("and on and on");', "output-limit", "more than the limit of 100000 bytes"),
        ("std::vector<char> all((size_t)1 << 40); putchar(all[5]);", "memory-limit", "std::bad_alloc"),
        ("for (int i = 3; i < 1024; ++i) close(i); pause();", "protocol", "closed its channel and continued to run"),
    ],
)
def test_every_death_has_a_name(level: str, body: str, kind: str, words: str) -> None:
    source = probe(f"if (n == 4) {{ {body} }}", "#include <unistd.h>\n#include <cstdio>\n#include <vector>")
    limits = {"seconds": 0.5, "output_bytes": 100_000}
    with sandbox_of(source, confinement=confinement_of(level), **limits) as sandbox:
        assertion, found, message = only_finding(sandbox.call(probe_call(4)))
        after = sandbox.call(probe_call(3))
    assert (assertion, found) == ("runs", kind)
    assert words in message
    assert after.findings == ()


def test_a_kernel_is_not_stopped_for_time_in_which_it_had_no_processor() -> None:
    spins = "__global__ void spin(int64_t* out) { for (volatile int i = 0; i < 3000000; i = i + 1) {} out[0] = 1; }"
    body = "usleep(600000); spin<<<1, 1, 0, stream>>>(out);"
    with sandbox_of(probe(body, f"#include <unistd.h>\n{spins}"), seconds=0.5) as sandbox:
        assert sandbox.call(probe_call(1)).findings == ()


KEEPS = """
static int64_t calls = 0;
void* more; cudaMalloc(&more, 1000 + 8 * ++calls);
static std::vector<std::vector<char>*> all;
all.push_back(new std::vector<char>(500'000));
nothing<<<1, 1, 0, stream>>>();
"""
REPLACES = """
static int64_t calls = 0; static void* scratch = nullptr;
if (scratch != nullptr) cudaFree(scratch);
cudaMalloc(&scratch, 1000 + 8 * ++calls);
std::vector<char> all(500'000, 'x'); static char* kept = new char[1 << 20]; kept[0] = all[0];
nothing<<<1, 1, 0, stream>>>();
"""
NOTHING = "#include <vector>\n__global__ void nothing() {}\n"


def test_memory_that_each_call_keeps_is_noted_with_its_line() -> None:
    with sandbox_of(probe(KEEPS, NOTHING)) as sandbox:
        answers = [sandbox.call(probe_call()) for _ in range(4)]
    assert [answer.notes for answer in answers[:3]] == [(), (), ()]
    assert [(note.kind, note.line) for note in answers[3].notes] == [("kept-device", 9), ("kept-host", 11)]
    assert "keeps 4080 bytes of device memory in 4 allocations" in answers[3].notes[0].message
    assert [answer.findings for answer in answers] == [()] * 4


def test_scratch_that_is_kept_for_later_calls_is_not_noted() -> None:
    with sandbox_of(probe(REPLACES, NOTHING)) as sandbox:
        assert [sandbox.call(probe_call()).notes for _ in range(5)] == [()] * 5


def test_answer_of_the_kernels_own_is_not_taken() -> None:
    forged = probe(
        'for (int i = 3; i < 1024; ++i) send(i, "12345678ok\\n", 11, 0);',
        "#include <sys/socket.h>\n#include <unistd.h>",
    )
    assertion, kind, message = only_finding(one_call(forged))
    assert (assertion, kind) == ("runs", "protocol")
    assert "number of the call" in message


def test_constructor_that_ends_the_process_is_the_kernels_fault() -> None:
    early = probe("", "#include <unistd.h>\n__attribute__((constructor)) static void early() { _exit(0); }")
    assert only_finding(one_call(early))[:2] == ("runs", "exit")


def test_interrupt_ends_the_process_and_goes_on() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        with sandbox_of(probe("for (;;) {}")) as sandbox:
            sandbox._ready(64)
            assert sandbox._worker is not None
            process = sandbox._worker._process
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                sandbox.call(probe_call())
            assert process.returncode is not None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@pytest.mark.parametrize("level", LEVELS)
def test_process_dies_with_the_parent_even_in_the_middle_of_a_call(level: str) -> None:
    library = library_of(probe("for (;;) {}"), PROBE_SIGNATURE)
    code = (
        f"import sys, threading; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from pathlib import Path; from tests.unit.test_sandbox_client import *\n"
        f"sandbox = Sandbox(Path({str(library)!r}), confinement_of({level!r})); sandbox._ready(64)\n"
        "print(sandbox._worker._process.pid, flush=True); sandbox.call(probe_call())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        assert select.select([descriptor], [], [], 10.0)[0]
    finally:
        os.close(descriptor)


def test_nothing_is_left_behind() -> None:
    def count() -> tuple[int, list[str]]:
        gc.collect()
        children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
        return (
            len(list(Path("/proc/self/fd").iterdir())),
            [child for file in children for child in file.read_text().split()],
        )

    crashing = probe("if (n == 4) *(volatile int*)8 = 1; if (n == 3) for (;;) {}")
    one_call(crashing)
    before, threads = count(), set(threading.enumerate())
    with sandbox_of(crashing, seconds=0.3) as sandbox:
        for size in (4, 3, 2, 4):
            sandbox.call(probe_call(size))
        sandbox._ready(64)
    abandoned = sandbox_of(crashing)
    abandoned._ready(64)
    abandoned.stop()
    abandoned.close()
    assert count() == before
    assert set(threading.enumerate()) <= threads


# ------------------------------------------------------------------------------------------- what a kernel may do

SYSTEM = """
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>
extern char** environ;
__global__ void put(int64_t* out, int64_t value) { out[0] = value; }
"""


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "attempt",
    [
        "fork() >= 0",
        "socket(AF_INET, SOCK_STREAM, 0) >= 0",
        "socket(AF_UNIX, SOCK_STREAM, 0) >= 0",
        "kill(-1, 0) == 0",
        "kill(getppid(), 0) == 0",
        'execl("/bin/true", "true", (char*)0) == 0',
        "setsid() >= 0",
        "({ rlimit l{1 << 20, RLIM_INFINITY}; setrlimit(RLIMIT_NOFILE, &l) == 0; })",
        'open("/proc/sys/kernel/core_pattern", O_WRONLY) >= 0' if LEVELS == ["bubblewrap"] else "fork() >= 0",
        'environ && ({ int k = 0; for (char** e = environ; *e; ++e) k += !strncmp(*e, "UPSKILL_SECRET", 14); k; })',
    ],
)
def test_powers_that_no_kernel_needs_are_refused(level: str, attempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSKILL_SECRET", "key")
    source = probe(f"put<<<1, 1, 0, stream>>>(out, ({attempt}) ? 1 : 0);", SYSTEM)
    with sandbox_of(source, confinement=confinement_of(level)) as sandbox:
        answer = sandbox.call(probe_call(1))
    assert answer.findings == ()
    assert integers(answer) == [0]


def test_threads_and_limits_remain_readable() -> None:
    body = (
        "int64_t v = 0; std::thread([&] { v = 5; }).join(); "
        "rlimit l; v += getrlimit(RLIMIT_NOFILE, &l); put<<<1, 1, 0, stream>>>(out, v);"
    )
    assert integers(one_call(probe(body, SYSTEM)))[0] == 5


def test_shared_memory_cannot_be_cut_off_under_the_parents_feet() -> None:
    body = "int64_t v = 0; for (int i = 3; i < 1024; ++i) v += ftruncate(i, 0) == 0; put<<<1, 1, 0, stream>>>(out, v);"
    assert integers(one_call(probe(body, SYSTEM)))[0] == 0


@pytest.mark.skipif(
    "bubblewrap" not in LEVELS, reason="bubblewrap does not work here: install it, and let it make user namespaces"
)
def test_files_of_the_user_are_not_there() -> None:
    here = str(Path(__file__).resolve())
    body = f'put<<<1, 1, 0, stream>>>(out, access("{here}", F_OK) == 0 || access("{Path.home()}/.bashrc", F_OK) == 0);'
    assert integers(one_call(probe(body, SYSTEM)))[0] == 0


# ------------------------------------------------------------------------------------------- errors of ours


def test_missing_library_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"cannot open .*libupskill_cpu\.so: No such file or directory; build"):
        Sandbox(tmp_path / "kernel.so", strongest())


def test_data_of_another_size_is_named() -> None:
    with sandbox_of(probe("")) as sandbox:
        call = Call(0, (TensorArgument("x", "input", "float32", (3,), b"1234"),))
        with pytest.raises(SandboxError, match=r"tensor 'x' brings 4 bytes, but shape \(3,\) of float32 has 12"):
            sandbox.call(call)


def test_call_beyond_the_limit_on_memory_is_named() -> None:
    with sandbox_of(probe(""), memory=1 << 30) as sandbox:
        call = Call(0, (TensorArgument("out", "output", "float32", (1 << 29,)),))
        with pytest.raises(SandboxError, match=r"needs 2147483648 bytes for its tensors, more than the limit"):
            sandbox.call(call)


def test_process_that_does_not_start_is_a_cell_error(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: no namespaces left' >&2\nexit 1\n")
    broken.chmod(0o755)
    library = library_of(probe(""), PROBE_SIGNATURE)
    refused = pytest.raises(SandboxError, match=r"did not start: bwrap: no namespaces left")
    with Sandbox(library, Confinement("bubblewrap", program=str(broken))) as sandbox, refused:
        sandbox.call(probe_call())
