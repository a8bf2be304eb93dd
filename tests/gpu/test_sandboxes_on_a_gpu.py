"""Kernels that misbehave on a GPU fail with their cause, and the next call still works."""

from __future__ import annotations

import array
import os
import statistics
from collections.abc import Callable, Iterator

import pytest

from pytest_upskill.contracts.launcher.signature import Parameter, Signature
from pytest_upskill.devices.cuda import CudaMachine
from pytest_upskill.languages.cuda.language import CudaLanguage
from pytest_upskill.records import Call, ScalarArgument, TensorArgument
from pytest_upskill.sandbox.client import Sandbox
from pytest_upskill.sandbox.message_process import Limits
from tests.unit.sandbox_kernels import (
    AXPY,
    AXPY_SIGNATURE,
    PROBE_SIGNATURE,
    axpy_call,
    decode,
    integers,
    probe,
    probe_call,
)

SandboxOf = Callable[..., Sandbox]
COUNT = "__global__ void k(int64_t* out) { out[threadIdx.x] = threadIdx.x; }"


@pytest.fixture
def sandbox_of(machine: CudaMachine) -> Iterator[SandboxOf]:
    """Sandboxes on the GPU, closed after the test."""
    opened: list[Sandbox] = []

    def make(source: str, signature: Signature = PROBE_SIGNATURE, **limits: float) -> Sandbox:
        built = CudaLanguage().build({CudaLanguage.source_name: source}, signature.entry, machine)
        assert built.library is not None, built.message
        chosen = Limits(**{"memory": 16 << 30, "file_size": 256 << 20, **limits})  # type: ignore[arg-type]
        gpu, name = machine.gpu.access(), CudaLanguage.source_name
        opened.append(Sandbox(built.library, machine.confinement, chosen, gpu=gpu, source_name=name))
        return opened[-1]

    yield make
    for sandbox in opened:
        sandbox.close()


@pytest.mark.parametrize("dtype", AXPY_SIGNATURE.dtypes)
def test_values_come_back_from_the_gpu(sandbox_of: SandboxOf, dtype: str) -> None:
    sandbox = sandbox_of(AXPY, AXPY_SIGNATURE)
    answer = sandbox.call(axpy_call([1.0, 2.0, -4.0], [0.5, 0.0, 3.0], 2.0, False, 0, dtype))
    assert answer.findings == ()
    assert decode(answer.outputs["out"], dtype) == [2.5, 4.0, -5.0]
    assert answer.device_memory > 0


def test_base_is_aligned_to_16_bytes_and_no_more(sandbox_of: SandboxOf) -> None:
    address = "__global__ void a(int64_t* out, const int64_t* x) { out[0] = (int64_t)out; out[1] = (int64_t)x; }"
    answer = sandbox_of(probe("a<<<1, 1, 0, stream>>>(out, x);", address)).call(probe_call(2))
    assert [value % 32 for value in integers(answer)] == [16, 16]


@pytest.mark.parametrize(("place", "words"), [("n", "after the end of 'out'"), ("-1", "before the start of 'out'")])
def test_a_write_beside_a_tensor_is_found_by_the_guard_band(sandbox_of: SandboxOf, place: str, words: str) -> None:
    wild = "__global__ void k(int64_t* out, int64_t i) { out[i] = 7; }"
    answer = sandbox_of(probe(f"k<<<1, 1, 0, stream>>>(out, {place});", wild)).call(probe_call(4))
    assert [finding.assertion for finding in answer.findings] == ["memory"]
    assert words in answer.findings[0].message


def test_a_changed_input_is_found(sandbox_of: SandboxOf) -> None:
    change = "__global__ void k(const int64_t* x) { const_cast<int64_t*>(x)[1] = 7; }"
    answer = sandbox_of(probe("k<<<1, 1, 0, stream>>>(x);", change)).call(probe_call(4))
    assert [finding.kind for finding in answer.findings] == ["input-modified"]


FAULTS = {
    "an illegal address": "__global__ void k(int64_t* o, int64_t n) { if (n == 1) o[1ll << 40] = 1; else o[0] = n; }",
    "a trap": '__global__ void k(int64_t* o, int64_t n) { if (n == 1) asm volatile("trap;"); else o[0] = n; }',
    "a hang": "__global__ void k(volatile int64_t* o, int64_t n) { o[0] = n; while (o[0] == 1) {} }",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_finding_and_the_next_call_is_served(sandbox_of: SandboxOf, fault: str) -> None:
    sandbox = sandbox_of(probe("k<<<1, 1, 0, stream>>>(out, n);", FAULTS[fault]), seconds=3.0)
    first, second = sandbox.call(probe_call(1)), sandbox.call(probe_call(2))
    assert [finding.kind for finding in first.findings] == ["timeout" if fault == "a hang" else "launch-error"]
    assert second.findings == ()
    assert integers(second)[0] == 2


@pytest.mark.parametrize("launch", ["<<<1, 4096, 0, stream>>>", "<<<1, 1, 1 << 20, stream>>>", "<<<0, 1, 0, stream>>>"])
def test_a_launch_that_the_gpu_refuses_is_a_launch_error(sandbox_of: SandboxOf, launch: str) -> None:
    answer = sandbox_of(probe(f"k{launch}(out);", COUNT)).call(probe_call(4))
    assert {finding.kind for finding in answer.findings} == {"launch-error"}


def test_work_on_another_stream_is_waited_for(sandbox_of: SandboxOf) -> None:
    aside = probe("cudaStream_t s; cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking); k<<<1, n, 0, s>>>(out);", SLOW)
    assert integers(sandbox_of(aside).call(probe_call(4))) == [0, 1, 2, 3]


SLOW = COUNT.replace("{", "{ for (int i = 0; i < 1000; ++i) __nanosleep(1000);")


def test_scratch_memory_is_measured_and_limited(sandbox_of: SandboxOf) -> None:
    takes = "void* p; cudaMallocAsync(&p, n << 20, stream); k<<<1, 1, 0, stream>>>(out); cudaFreeAsync(p, stream);"
    sandbox = sandbox_of(probe(takes, COUNT), scratch_memory=256 << 20)
    within, beyond = sandbox.call(probe_call(64)), sandbox.call(probe_call(1024))
    assert within.findings == ()
    assert within.device_memory >= 64 << 20
    assert [finding.kind for finding in beyond.findings] == ["memory-limit"]


def test_a_grid_past_65535_blocks_and_threads_that_share_it(sandbox_of: SandboxOf) -> None:
    wide = "__global__ void k(int64_t* out, int64_t n) { if (blockIdx.x < n) out[blockIdx.x] = blockIdx.x; }"
    count = 70_001
    answer = sandbox_of(probe("k<<<n, 1, 0, stream>>>(out, n);", wide)).call(probe_call(count))
    assert integers(answer) == list(range(count))


# ------------------------------------------------------------------------------------------- past 2^31

COPY = Signature(
    "copy",
    ("uint8",),
    False,
    (
        Parameter("out", "uint8_t", "output"),
        Parameter("x", "uint8_t", "input"),
        Parameter("n", "int64_t", "dim"),
        Parameter("stream", "cudaStream_t", "stream"),
    ),
)
COPY_KERNEL = """
#include <cuda_runtime.h>
#include <stdint.h>
__global__ void copy_kernel(uint8_t* out, const uint8_t* x, int64_t n) {
  INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x;
  const INDEX step = (INDEX)gridDim.x * blockDim.x;
  for (; i >= 0 && i < n; i += step) out[i] = x[i];
}
void copy(uint8_t* out, const uint8_t* x, int64_t n, cudaStream_t stream) {
  copy_kernel<<<1 << 16, 256, 0, stream>>>(out, x, n);
}
"""


@pytest.mark.parametrize(("index", "right"), [("int64_t", True), ("int32_t", False)])
def test_an_index_past_2_to_the_31_tells_64_bits_from_32(
    sandbox_of: SandboxOf, machine: CudaMachine, index: str, right: bool
) -> None:
    count = (1 << 31) + 4097
    host = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if host < 6 * count or machine.gpu.memory < 4 * count:
        pytest.skip("this needs 12 GiB of free host memory, and a GPU of 8 GiB")
    data = bytes(range(1, 252)) * (count // 251 + 1)
    arguments = (
        TensorArgument("out", "output", "uint8", (count,)),
        TensorArgument("x", "input", "uint8", (count,), memoryview(data)[:count]),
        ScalarArgument("n", "int", count),
    )
    answer = sandbox_of(COPY_KERNEL.replace("INDEX", index), COPY, seconds=60.0).call(Call(0, arguments))
    assert (answer.ran and answer.outputs["out"] == memoryview(data)[:count]) is right


# ------------------------------------------------------------------------------------------- what a call costs


def test_a_call_costs_under_two_milliseconds_beside_the_kernel(sandbox_of: SandboxOf) -> None:
    sandbox = sandbox_of(AXPY, AXPY_SIGNATURE)
    values = array.array("f", range(4096)).tolist()
    seconds = [sandbox.call(axpy_call(values, values, 1.0, False, 0)).seconds for _ in range(31)]
    assert statistics.median(seconds[1:]) < 0.002
