"""What kernels may use beyond the basics: grids that wait, tensor cores, copies in the background, CUB, inline PTX."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sampling import every
from tests.unit import native_device as native

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")

device = native.device

ORDERS = (0, 1, 2)

# Programs of checks of several features, and how many checks each has.
SUITES = {
    "inline_ptx": 19,
    "grid_sync": 15,
    "collectives": 10,
    "tensor_cores": 5,
    "async_copies": 10,
    "simd_words": 8,
    "random_numbers": 6,
}


@pytest.mark.parametrize("name", SUITES)
def test_what_kernels_may_use_behaves_as_on_a_gpu_in_every_order(device: native.Device, name: str) -> None:
    calls = [{"order": order, "seed": 3, "buffers": {"ok": np.zeros(SUITES[name], np.int32)}} for order in ORDERS]
    for result in device.run(name, *calls):
        assert np.flatnonzero(native.silent(result).buffers[0] != 1).tolist() == []


def checks_of(feature: Path) -> int:
    found = re.search(r"^constexpr int CHECKS = (\d+);$", feature.read_text(), re.MULTILINE)
    assert found, f"{feature} does not say how many CHECKS it has"
    return int(found[1])


def test_there_is_a_program_for_each_of_many_features() -> None:
    assert len(native.FEATURES) >= 60
    for feature in native.FEATURES:
        assert "check" in feature.read_text() or "ok[" in feature.read_text()
        assert checks_of(feature) > 0


@pytest.mark.parametrize("feature", every(5, native.FEATURES, lambda path: path.stem))
def test_a_feature_gives_right_values_and_no_report_in_every_order(device: native.Device, feature: Path) -> None:
    checks = checks_of(feature)
    calls = [{"order": order, "seed": 7, "buffers": {"ok": np.zeros(checks, np.int32)}} for order in ORDERS]
    for result in device.run_libraries([device.build(feature)], *calls):
        assert np.flatnonzero(native.silent(result).buffers[0] != 1).tolist() == []


RUNS, MEMORY = "runs", "memory"
MISALIGNED, TIMEOUT, FAILURE, TOO_LARGE = 716, 702, 719, 720

# case: assertion, kind, a part of the reported line, the CUDA error, a part of the message
FAULTS: dict[int, tuple[str, str, str, int, str]] = {
    0: (RUNS, "grid-sync", "grid_sync_alone", FAILURE, "launch the kernel with cudaLaunchCooperativeKernel"),
    1: (RUNS, "deadlock", "grid_sync_of_some", TIMEOUT, "of 4 blocks, 2 wait at grid.sync()"),
    2: (RUNS, "launch-error", "1000, 1024", TOO_LARGE, "of 1024 threads failed: at most 264 such blocks are resident"),
    3: (MEMORY, "out-of-bounds", "async_overrun", 0, "read of 4 bytes: element 64 of 'x'"),
    4: (RUNS, "misaligned-address", "async_misaligned", MISALIGNED, "needs addresses that are multiples of 16"),
    5: (RUNS, "misaligned-address", "ldmatrix_misaligned", MISALIGNED, "needs an address that is a multiple of 16"),
    6: (RUNS, "deadlock", "barrier_short_of_one", TIMEOUT, "still lacks 1 arrivals"),
    7: (MEMORY, "out-of-bounds", "wmma_overrun", 0, "of 'x', which has 64 elements"),
}


TOO_EARLY = 8
"""A case without a report."""


@pytest.fixture(scope="module")
def faults(device: native.Device) -> list[native.Result]:
    """Each case, in one process."""

    def call(case: int) -> dict[str, Any]:
        x, y = native.read_only(np.arange(64, dtype=np.float32)), np.zeros(64, np.float32)
        return {"which": case, "buffers": {"x": x, "y": y}}

    return device.run("collective_faults", *map(call, (*FAULTS, TOO_EARLY)))


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_in_what_threads_do_together_is_reported_with_its_line(faults: list[native.Result], case: int) -> None:
    assertion, kind, marker, error, text = FAULTS[case]
    result = faults[case]
    assert result.reports, "nothing was reported"
    found = result.reports[0]
    assert found[:2] == (assertion, kind)
    assert text in found[3]
    assert result.error == error
    assert found[2] is not None
    assert marker in (native.KERNELS / "collective_faults.cu").read_text().splitlines()[found[2] - 1]


def test_a_copy_that_is_not_waited_for_has_not_happened(faults: list[native.Result]) -> None:
    out = faults[TOO_EARLY].buffers[1]
    assert out[:32].tolist() == [-1.0] * 32
