"""Kernels that never end, go too deep or divide by zero: stopped, with a report that has the line; and then go on."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from tests.unit import native_device as native

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")

device = native.device

TIMEOUT, FAILURE = 702, 719
HARMLESS = 5

# case: kind, the comment on the reported line, the CUDA error, a part of the message
FAULTS: dict[int, tuple[str, str, int, str]] = {
    0: (
        "stack-overflow",
        "deep",
        FAILURE,
        "more than the 512 KiB of local memory that it may have: a recursion that does not end",
    ),
    1: ("stack-overflow", "large", FAILURE, "in kernel large, block (0,0,0), thread (0,0,0)"),
    2: ("timeout", "// waits", TIMEOUT, "still running after 0.2 s of processor time, when it was stopped here"),
    3: ("timeout", "goes_round", TIMEOUT, "the kernel hangs or is too slow, in kernel goes_round"),
    4: ("division-by-zero", "divides", FAILURE, "divided by zero"),
}


@pytest.fixture(scope="module", params=[0, 1, 2], ids=["forward", "reverse", "random"])
def results(device: native.Device, request: pytest.FixtureRequest) -> dict[int, list[native.Result]]:
    """Each case, and a right one after it, in one process."""

    def call(case: int) -> dict[str, Any]:
        limit = {"seconds": 0.2} if case in FAULTS and FAULTS[case][0] == "timeout" else {}
        return {"which": case, "order": request.param, "seed": 3, "buffers": {"y": np.zeros(64, np.float32)}, **limit}

    answers = device.run("endless", *(call(which) for case in FAULTS for which in (case, HARMLESS)))
    return {case: answers[2 * number : 2 * number + 2] for number, case in enumerate(FAULTS)}


@pytest.mark.parametrize("case", FAULTS)
def test_a_kernel_that_cannot_end_is_stopped_where_it_is(results: dict[int, list[native.Result]], case: int) -> None:
    kind, marker, error, text = FAULTS[case]
    result = results[case][0]
    (report,) = result.reports
    assert (report[0], report[1], result.error) == ("runs", kind, error)
    assert report[2] is not None
    assert marker in (native.KERNELS / "endless.cu").read_text().splitlines()[report[2] - 1]
    assert text.replace("thread (0,0,0)", "") in report[3]


@pytest.mark.parametrize("case", FAULTS)
def test_the_device_serves_the_next_call(results: dict[int, list[native.Result]], case: int) -> None:
    out = native.silent(results[case][1]).buffers[0]
    np.testing.assert_array_equal(out[:32], 100 // np.arange(7, 39))
