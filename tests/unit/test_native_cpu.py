"""CUDA C++ on the host: what kernels may use gives right values, and what they get wrong is reported with its line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit import native_device
from tests.unit.native_device import BUGS, FEATURES, KERNELS, ORDERS, SOURCES, Array, Device, Result, read_only, silent

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")

device = native_device.device


def test_every_form_of_a_launch_runs_its_kernel_once(device: Device) -> None:
    out = silent(device.run("launches", {"buffers": {"out": np.zeros(64, np.int32)}})[0]).buffers[0]
    assert out[0] == (1 << 15) - 1 + 256 + 512
    assert [out[1 + block * 8 + thread] for block in range(4) for thread in range(8)] == [
        100 * block + thread for block in range(4) for thread in range(8)
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_shared_memory_is_one_per_block_and_fresh(device: Device, order: int) -> None:
    call = {"order": order, "buffers": {"ok": np.zeros(9, np.int32)}}
    ok = silent(device.run("shared_memory", call)[0]).buffers[0]
    assert ok.tolist() == [2, 1, 1, 1, 1, 1, 0, 1, 1]


@pytest.mark.parametrize("order", ORDERS)
def test_nothing_of_a_block_is_left_in_shared_memory_for_the_next(device: Device, order: int) -> None:
    call = {"which": 1, "order": order, "buffers": {"ok": np.zeros(9, np.int32)}}
    result = device.run("shared_memory", call)[0]
    assert not result.buffers[0].any()
    assert {report[:2] for report in result.reports} == {(MEMORY, "uninitialised")}


@pytest.mark.parametrize("order", ORDERS)
def test_barriers_and_warp_operations_exchange_the_right_values(device: Device, order: int) -> None:
    ok = silent(device.run("warps", {"order": order, "seed": 5, "buffers": {"ok": np.zeros(31, np.int32)}})[0]).buffers[
        0
    ]
    assert np.flatnonzero(ok != 1).tolist() == []


@pytest.mark.parametrize("order", ORDERS)
def test_atomics_count_every_thread(device: Device, order: int) -> None:
    out = silent(device.run("atomics", {"order": order, "buffers": {"out": np.zeros(32, np.int64)}})[0]).buffers[0]
    ands = 0xFFFF
    for thread in range(128):
        ands &= thread | 0x7F00
    assert out[:8].tolist() == [8128, -128, 122, -127, -1, 0, ands, 42]
    assert out[8:12].tolist() == [128 % 10, (10 - 128 % 10) % 10, 384, 128]
    assert out[12:16].tolist() == [128 << 33, 127 << 40, 77, -127 << 40]
    assert out[16:22].tolist() == [512, 254, 128, 128, 128256, 128]


def test_math_and_integer_intrinsics_give_what_their_names_promise(device: Device) -> None:
    buffers = {"out": np.zeros(128), "in": read_only(np.arange(64, dtype=np.float32))}
    out = silent(device.run("arithmetic", {"buffers": buffers})[0]).buffers[0]
    bits = [72, 3132, 108, 1, 1, 3 + 2.0**31, 2, 5, 23, -18]
    conversions = [2000 + 300 + 20 + 2, 2**31 - 1, -(2**31), 0, -7, 2, 3.5, 1, 1.25, 1]
    functions = [
        0.75, np.e, np.log(np.pi) + 3 + 8 + 100, 0.25 + 1024 + 1 + 0.125, 1, 9, 0.52049988, 0.84134475, 0.47693628,
        4.572824967389486, 0.25539567631050574 + 24 + np.log(2), 3, 16, 7 + 5 + 0.2 + 3, 15, 10 + 10 + 16 - 2 + 3 + 2,
        1.2660658777520084 + 1, 6 + 2 + 1 + 1,
    ]  # fmt: skip
    sums = np.arange(64).reshape(16, 4).sum(0)
    vectors = [sums @ [1, 2, 3, 4], 7 + 1 + 7, 12 + 1600 + 160000 + 4000000, 255 + 2 + 6 - 2 + 8 + 3, 5]
    np.testing.assert_allclose(out[:20], [*bits, *conversions], rtol=0)
    np.testing.assert_allclose(out[20:38], functions, rtol=3e-7)
    np.testing.assert_allclose(out[40:45], vectors, rtol=0)


@pytest.mark.parametrize("order", ORDERS)
def test_cooperative_groups_know_their_members(device: Device, order: int) -> None:
    ok = silent(device.run("groups", {"order": order, "buffers": {"ok": np.zeros(16, np.int32)}})[0]).buffers[0]
    assert np.flatnonzero(ok != 1).tolist() == []


def test_the_runtime_api_answers_as_a_gpu_would(device: Device) -> None:
    result = device.run("runtime_api", {"buffers": {"ok": np.zeros(4, np.int32)}})[0]
    assert result.buffers[0].tolist() == [1, 1, 1, 1]
    assert [report[:2] for report in result.reports] == [(MEMORY, "double-free")]  # which it does on purpose


def test_a_kernel_without_includes_computes_in_two_types(device: Device) -> None:
    generator = np.random.default_rng(1)
    buffers: dict[str, Array] = {}
    expected = []
    dtypes: list[Any] = [np.float32, np.float64]
    for dtype in dtypes:
        x, weight = generator.normal(size=(5, 333)).astype(dtype), generator.normal(size=333).astype(dtype)
        expected.append((x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5) * weight).ravel())
        name = np.dtype(dtype).name
        buffers |= {
            f"out_{name}": np.zeros(5 * 333, dtype),
            f"x_{name}": read_only(x.ravel()),
            f"w_{name}": read_only(weight),
        }
    out = silent(device.run("idioms", {"buffers": buffers})[0]).buffers
    np.testing.assert_allclose(out[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(out[3], expected[1], rtol=1e-5)


# --------------------------------------------------------------------------------------------- faults

RUNS, MEMORY, INPUTS = "runs", "memory", "inputs"
ILLEGAL, MISALIGNED, TIMEOUT, FAILURE, ASSERT, INVALID_VALUE, INVALID_CONFIGURATION = 700, 716, 702, 719, 710, 1, 9

# case: assertion, kind, a part of the reported line, the CUDA error, a part of the message
FAULTS: dict[int, tuple[str, str, str, int, str]] = {
    0: (MEMORY, "out-of-bounds", "x[threadIdx.x + 1]", 0, "read of 4 bytes: element 64 of 'x', which has 64 elements"),
    1: (MEMORY, "out-of-bounds", "oob_write", 0, "write of 4 bytes: 4 bytes before the start of 'y' (256 bytes)"),
    2: (INPUTS, "write-to-input", "write_input", 0, "write of 4 bytes to 'x', which is an input"),
    3: (RUNS, "misaligned-address", "misaligned", MISALIGNED, "needs an address that is a multiple of 16"),
    4: (MEMORY, "illegal-address", "illegal_address", ILLEGAL, "the address belongs to no device memory"),
    5: (MEMORY, "illegal-address", "nothing[threadIdx.x]", ILLEGAL, "a null pointer"),
    6: (RUNS, "barrier-divergence", "left_barrier", 0, "reached by 40 of the 64 threads"),
    7: (RUNS, "barrier-divergence", "two_barriers", 0, "wait at different barriers"),
    8: (RUNS, "deadlock", "deadlock", TIMEOUT, "of 64 threads, "),
    9: (RUNS, "invalid-mask", "bad_mask", FAILURE, "mask 0xfffffff0 is called by lane 3"),
    10: (MEMORY, "out-of-bounds", "shared_index", ILLEGAL, "index 32 is outside the array"),
    11: (MEMORY, "out-of-bounds", "dynamic_overrun", 0, "element 63 of dynamic shared memory, which has 63 elements"),
    12: (RUNS, "device-assert", "device_assert", ASSERT, "assertion `x[threadIdx.x] < 0.0f"),
    13: (RUNS, "trap", "trap", FAILURE, "__trap() was called, in kernel trapped, block (0,0,0), thread (1,0,0)"),
    14: (MEMORY, "out-of-bounds", "scratch_overrun", 0, "element 4 of memory from cudaMalloc"),
    15: (
        MEMORY,
        "use-after-free",
        "scratch_overrun",
        ILLEGAL,
        "byte 0 of memory from cudaMalloc (16 bytes) that was freed at",
    ),
    16: (MEMORY, "out-of-bounds", "atomic_outside", 0, "atomic operation of 4 bytes: element 64 of 'y'"),
    17: (MEMORY, "out-of-bounds", "copy_outside", 0, "read of 260 bytes: its last 4 bytes lie past the end of 'x'"),
    18: (RUNS, "launch-error", "2048", INVALID_CONFIGURATION, "launch of fine<<<(1,1,1), (2048,1,1), 0>>> failed"),
    19: (RUNS, "launch-error", "<<<0, 64", INVALID_CONFIGURATION, "the grid has no block, and a launch needs"),
    20: (RUNS, "launch-error", "50 << 10", INVALID_VALUE, "51200 bytes of dynamic shared memory"),
    21: (RUNS, "host-access", "y[0] = 1.0f;", 0, "host code makes a write of 4 bytes of device memory"),
    22: (MEMORY, "out-of-bounds", "cudaMemsetAsync", 0, "cudaMemset of 260 bytes runs over the end of 'y'"),
}


def fault_call(case: int) -> dict[str, Any]:
    x, y = read_only(np.arange(64, dtype=np.float32)), np.zeros(64, np.float32)
    return {"which": case, "buffers": {"x": x, "y": y}}


@pytest.fixture(scope="module")
def faults(device: Device) -> list[Result]:
    """Every case, and a right one after each: what one left behind must not reach the next."""
    calls = [call for case in FAULTS for call in (fault_call(case), fault_call(-1))]
    return device.run("faults", *calls)


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_reported_with_its_kind_and_line(faults: list[Result], case: int) -> None:
    assertion, kind, marker, error, text = FAULTS[case]
    result = faults[2 * list(FAULTS).index(case)]
    found = next((report for report in result.reports if report[:2] == (assertion, kind)), None)
    assert found is not None, result.reports
    assert text in found[3]
    assert result.error == error
    assert found[2] is not None
    assert marker in (KERNELS / "faults.cu").read_text().splitlines()[found[2] - 1]


def test_after_a_fault_the_next_call_starts_afresh(faults: list[Result]) -> None:
    for result in faults[1::2]:
        np.testing.assert_array_equal(silent(result).buffers[1], np.arange(64, dtype=np.float32))


def test_more_static_shared_memory_than_a_block_has_is_a_launch_error(device: Device) -> None:
    result = device.run("refused_shared", {"buffers": {"out": np.zeros(1, np.float32)}})[0]
    assert result.error == INVALID_VALUE
    assert [report[:3] for report in result.reports] == [(RUNS, "launch-error", 12)]
    assert "at least 49168 bytes of static shared memory; the limit is 49152" in result.reports[0][3]


# --------------------------------------------------------------------------------------------- the real compiler


def nvcc_errors(source: Path) -> str:
    command = ["nvcc", "-std=c++17", "-arch=sm_90", "--extended-lambda", "-cubin", "-o", os.devnull, str(source)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else f"{source.name}:\n{ran.stdout}{ran.stderr}"


@pytest.mark.full
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc on the PATH: install the CUDA toolkit")
def test_nvcc_accepts_and_refuses_the_same_sources() -> None:
    sources = [*SOURCES, *BUGS, *FEATURES]
    refused = [source for source in sources if source.name.startswith("refused_")]
    # The headers of cuRAND and CUB come in packages of their own.
    apart = re.compile(r"#include <(?:curand|cub/)")
    accepted = [source for source in sources if source not in refused and not apart.search(source.read_text())]
    with ThreadPoolExecutor(2) as pool:
        found: Sequence[str] = list(pool.map(nvcc_errors, accepted))
        assert [error for error in found if error] == []
        assert all("error" in error for error in pool.map(nvcc_errors, refused))
