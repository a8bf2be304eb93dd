"""What a launcher is seen to do: kernels that it launches, and device memory that it copies to the host."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_upskill.records import Answer, Call, LaunchStatistics, TensorArgument
from tests.unit.sandbox_kernels import AXPY, AXPY_SIGNATURE, axpy_call, integers, probe, probe_call, sandbox_of

KERNEL = (
    "__global__ void put(int64_t* out, int64_t value) { out[threadIdx.x] = value; }\n__device__ int64_t stored[16];"
)


def launch_statistics_of(body: str, *sizes: int) -> LaunchStatistics:
    with sandbox_of(probe(body, KERNEL)) as sandbox:
        for size in sizes:
            assert sandbox.call(probe_call(size)).ran
        return replace(sandbox.launch_statistics, device_memory=0)


def test_launches_are_counted_over_calls_that_have_something_to_write() -> None:
    body = "if (n > 0) { put<<<1, n, 0, stream>>>(out, 1); put<<<1, n, 0, stream>>>(out, 2); }"
    assert launch_statistics_of(body, 4, 0, 2) == LaunchStatistics(calls=2, launches=4)


def test_call_without_an_element_to_read_asks_for_no_launch() -> None:
    out, x, size = probe_call(4).arguments
    assert isinstance(x, TensorArgument)
    nothing = Call(0, (out, replace(x, shape=(0,), data=b""), size))
    with sandbox_of(probe("cudaMemsetAsync(out, 0, 8 * n, stream);")) as sandbox:
        assert integers(sandbox.call(nothing)) == [0, 0, 0, 0]
        assert sandbox.launch_statistics.calls == 0
        assert (
            LaunchStatistics().with_call(Call(0, (out,)), Answer({})).calls == 1
        )  # a kernel that reads no tensor at all


def test_result_of_a_memset_alone_counts_no_launch() -> None:
    assert launch_statistics_of("cudaMemsetAsync(out, 0, 8 * n, stream);", 4, 4) == LaunchStatistics(calls=2)


def test_call_that_does_not_end_in_order_counts_for_nothing() -> None:
    with sandbox_of(probe("abort();", KERNEL)) as sandbox:
        sandbox.call(probe_call(4))
        assert sandbox.launch_statistics == LaunchStatistics()


def choice_of(bodies: list[str]) -> str:
    """A launcher that does what the body of number ``n - 1`` does, so that all of them are compiled once."""
    cases = "".join(f"case {n}: {{ {body} break; }} " for n, body in enumerate(bodies, 1))
    return f"static int64_t h[16]; int64_t local[16] = {{}}; void* p; switch (n) {{ {cases} }}"


TO_THE_HOST = [
    "cudaMemcpy(local, x, 8 * n, cudaMemcpyDeviceToHost);",
    "cudaMemcpyAsync(local, x, 8 * n, cudaMemcpyDefault, stream);",
    "cudaMemcpyAsync(h, x, 8 * n, cudaMemcpyDeviceToHost, stream);",
    "cudaMemcpy2D(local, 8, x, 8, 8, n, cudaMemcpyDeviceToHost);",
    "cudaMemcpyFromSymbol(local, stored, 8 * n);",
    "cudaGetSymbolAddress(&p, stored); cudaMemcpy(local, p, 8 * n, cudaMemcpyDeviceToHost);",
    "cudaMallocHost(&p, 8 * n); cudaMemcpy(p, x, 8 * n, cudaMemcpyDefault); cudaFreeHost(p);",
]
WITHIN_OR_TOWARDS_THE_DEVICE = [
    "cudaMemcpyAsync(out, x, 8 * n, cudaMemcpyDeviceToDevice, stream);",
    "cudaMemcpyAsync(out, h, 8 * n, cudaMemcpyHostToDevice, stream);",
    "cudaGetSymbolAddress(&p, stored); cudaMemcpyAsync(p, x, 8 * n, cudaMemcpyDeviceToDevice, stream);",
    "cudaGetSymbolAddress(&p, stored); cudaMemcpyAsync(p, x, 8 * n, cudaMemcpyDefault, stream);",
    "cudaMemcpyFromSymbol(out, stored, 8 * n, 0, cudaMemcpyDeviceToDevice);",
    "cudaMemcpyToSymbol(stored, local, 8 * n);",
]


@pytest.mark.parametrize("number", range(len(TO_THE_HOST)))
def test_copy_to_the_host_is_counted_however_it_is_made(number: int) -> None:
    body = choice_of(TO_THE_HOST) + " put<<<1, 1, 0, stream>>>(out, 1);"
    assert launch_statistics_of(body, number + 1).copied_back == 8 * (number + 1)


@pytest.mark.parametrize("number", range(len(WITHIN_OR_TOWARDS_THE_DEVICE)))
def test_copies_within_the_device_and_towards_it_are_not_counted(number: int) -> None:
    assert launch_statistics_of(choice_of(WITHIN_OR_TOWARDS_THE_DEVICE), number + 1).copied_back == 0


def test_variable_of_the_device_is_copied_to_and_from_through_its_address() -> None:
    body = """
      int64_t h[4] = {3, 5, 7, 9}; void* p; cudaGetSymbolAddress(&p, stored);
      cudaMemcpyAsync(p, h, 32, cudaMemcpyHostToDevice, stream);
      cudaMemcpyAsync(out, (int64_t*)p + 1, 8 * n, cudaMemcpyDeviceToDevice, stream);
    """
    with sandbox_of(probe(body, KERNEL)) as sandbox:
        assert integers(sandbox.call(probe_call(3))) == [5, 7, 9]


def test_copies_of_the_drivers_own_are_not_the_launchers() -> None:
    with sandbox_of(AXPY, AXPY_SIGNATURE) as sandbox:
        sandbox.call(axpy_call([1.0], [2.0], 1.0, False, 0))
        assert (
            sandbox.launch_statistics.calls,
            sandbox.launch_statistics.launches,
            sandbox.launch_statistics.copied_back,
        ) == (1, 1, 0)


def test_launch_that_the_device_refuses_is_none() -> None:
    with sandbox_of(probe("put<<<1, 4096, 0, stream>>>(out, 1);", KERNEL)) as sandbox:
        answer = sandbox.call(probe_call(4))
    assert (answer.launches, answer.ran) == (0, False)


def test_launch_through_the_runtime_api_counts_like_any_other() -> None:
    body = "int64_t v = 7; void* a[] = {&out, &v}; cudaLaunchKernel((const void*)put, dim3(1), dim3(n), a, 0, stream);"
    with sandbox_of(probe(body, KERNEL)) as sandbox:
        answer = sandbox.call(probe_call(2))
    assert (integers(answer), answer.launches) == ([7, 7], 1)


UNCHECKED = """
#include <cstring>
static void by_hand(int64_t* out, const int64_t* x, int64_t n) { memccpy(out, x, -1, 8 * n); }
__global__ void nothing() {}
"""
"""The C library's own code is not watched."""


def test_host_code_that_computes_in_device_memory_is_told() -> None:
    with sandbox_of(probe("for (int64_t i = 0; i < n; ++i) out[i] = 2 * x[i];")) as sandbox:
        answer = sandbox.call(probe_call(4))
    assert {finding.kind for finding in answer.findings} == {"host-access"}


@pytest.mark.parametrize("body", ["by_hand(out, x, n); nothing<<<1, 1, 0, stream>>>();", "by_hand(out, x, n);"])
def test_host_code_that_hides_from_the_checks_does_not_reach_device_memory(body: str) -> None:
    with sandbox_of(probe(body, UNCHECKED)) as sandbox:
        answer = sandbox.call(probe_call(4))
    assert [finding.kind for finding in answer.findings] == ["host-access"]


def test_scratch_of_the_launchers_own_is_out_of_reach_too_and_the_runtime_still_works_on_it() -> None:
    use = "int64_t* s; cudaMallocAsync((void**)&s, 8 * n, stream); cudaMemsetAsync(s, 0, 8 * n, stream); "
    end = "cudaMemcpyAsync(out, s, 8 * n, cudaMemcpyDeviceToDevice, stream); cudaFreeAsync(s, stream);"
    with sandbox_of(probe(use + end, UNCHECKED)) as sandbox:
        assert integers(sandbox.call(probe_call(2))) == [0, 0]
    with sandbox_of(probe(f"{use} by_hand(s, s, n); {end}", UNCHECKED)) as sandbox:
        assert [finding.kind for finding in sandbox.call(probe_call(2)).findings] == ["host-access"]
