"""Compiled kernels that cheat over several calls: work that goes on afterwards, results that were kept, no result."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.explore import Judgement, explore
from tests.unit.oracle_kernels import failed, make_case, signature_of
from tests.unit.sandbox_kernels import HEADERS, integers, probe, probe_call, sandbox_of

THREADS = "#include <thread>\n#include <chrono>\n"
LATER = "std::this_thread::sleep_for(std::chrono::seconds(5));"


STORE = "__global__ void store(int64_t* out, int64_t value) { out[threadIdx.x] = value; }"


def test_a_thread_that_writes_after_the_launcher_has_returned_is_named() -> None:
    body = f"store<<<1, n, 0, stream>>>(out, 0); std::thread([=] {{ {LATER} out[0] = 1; }}).detach();"
    with sandbox_of(probe(body, THREADS + STORE)) as sandbox:
        (found,) = sandbox.call(probe_call()).findings
    assert (found.assertion, found.kind) == ("runs", "host-thread")
    assert "1 host thread(s) of its own are still there" in found.message


def test_the_process_with_the_thread_ends_and_the_next_call_finds_a_new_one() -> None:
    before = THREADS + STORE + "\nstatic int64_t calls = 0;"
    body = f"store<<<1, n, 0, stream>>>(out, ++calls); if (n == 3) std::thread([=] {{ {LATER} }}).detach();"
    with sandbox_of(probe(body, before)) as sandbox:
        left, sound = sandbox.call(probe_call(3)), sandbox.call(probe_call(4))
    assert not left.ran and sound.findings == () and integers(sound) == [1] * 4


def test_threads_that_are_joined_are_nobodys_business() -> None:
    body = "int64_t value = 0; std::thread worker([&] { value = 7; }); worker.join();"
    body += "store<<<1, n, 0, stream>>>(out, value);"
    with sandbox_of(probe(body, THREADS + STORE)) as sandbox:
        answers = [sandbox.call(probe_call()) for _ in range(20)]
    assert all(answer.findings == () and integers(answer) == [7] * 4 for answer in answers)


# ------------------------------------------------------------------------------------------- judged


@pytest.fixture
def doubles(tmp_path: Path) -> Case:
    front = "dims:\n  n: 1..300\nargs:\n  x: [n]\n"
    return make_case(tmp_path, "doubles(Tensor x) -> Tensor", front, "def doubles(x):\n    return x * 2")


def judged(case: Case, kernel: str, launcher: str, before: str = "") -> Judgement:
    parameters = "float* out, const float* x, int64_t n"
    source = (
        f"{HEADERS}{before}\n__global__ void k({parameters}) {{ {kernel} }}\n"
        f"void {case.name}({parameters}, cudaStream_t stream) {{ {launcher} }}\n"
    )
    signature = signature_of(case)
    with sandbox_of(source, signature) as sandbox:
        return explore(case, signature.layout, sandbox.call, seed=3, examples=8, only=None, repeat=sandbox.repeat)


KERNEL = "const int64_t i = blockIdx.x * 256 + threadIdx.x; if (i < n) out[i] = 2 * x[i];"
LAUNCH = "k<<<(n + 255) / 256, 256, 0, stream>>>(out, x, n);"


def test_a_right_kernel_passes(doubles: Case) -> None:
    assert failed(judged(doubles, KERNEL, LAUNCH)) == []


def test_a_kernel_that_writes_nothing_passes_under_neither_poison(doubles: Case) -> None:
    found = judged(doubles, "", LAUNCH)
    assert "correct[float32]" in failed(found)
    assert "as if never written" in next(one.message for one in found.assertions if one.name.startswith("correct"))
    assert "(8 of 8 examples fail)" in next(one.message for one in found.assertions if one.name.startswith("correct"))


def test_a_result_that_is_cached_by_its_addresses_is_met_by_unseen_contents(doubles: Case) -> None:
    """As of a handle that is made on first use: addresses and sizes repeat, contents do not."""
    before = "#include <map>\n#include <vector>\nstatic std::map<std::pair<const float*, int64_t>, float*> known;\n"
    launcher = (
        "float*& kept = known[{x, n}];"
        "if (kept == nullptr) { cudaMalloc(&kept, n * 4); k<<<(n + 255) / 256, 256, 0, stream>>>(kept, x, n); }"
        "cudaMemcpyAsync(out, kept, n * 4, cudaMemcpyDeviceToDevice, stream);"
    )
    case_of_one_size = doubles.path.read_text().replace("n: 1..300", "n: [64, 300]")
    doubles.path.write_text(case_of_one_size)
    from pytest_upskill.cases.case_file import load_case

    found = judged(load_case(doubles.path, "demo"), KERNEL, launcher, before)
    assert "correct[float32]" in failed(found)


def test_a_nan_that_is_due_and_never_written_shows_in_the_bits_of_a_repeat(tmp_path: Path) -> None:
    front = "dims:\n  n: 40..300\nargs:\n  x: {shape: [n], values: [-1.0, 1.0, 4.0]}\n"
    case = make_case(tmp_path, "roots(Tensor x) -> Tensor", front, "def roots(x):\n    return x.sqrt()")
    kernel = "const int64_t i = blockIdx.x * 256 + threadIdx.x; if (i < n {0}) out[i] = sqrtf(x[i]);"
    assert failed(judged(case, kernel.replace("{0}", ""), LAUNCH)) == []
    found = judged(case, kernel.replace("{0}", "&& x[i] >= 0"), LAUNCH)
    assert failed(found) == ["deterministic"]
    assert "two kinds of NaN, as if never written" in found.assertions[3].message
