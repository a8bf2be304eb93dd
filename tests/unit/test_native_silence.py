"""Idioms of public CUDA code that look like faults and are none: right results, and not a word, in every order."""

from __future__ import annotations

import re
import shutil
from typing import Any

import numpy as np
import pytest

from tests.unit import native_device as native

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")

device = native.device

FILES = sorted((native.KERNELS / "silent").glob("*.cu"))
CASES = [(path.stem, int(case)) for path in FILES for case in re.findall(r"^ +case (\d+):", path.read_text(), re.M)]
LEAST = 40


def test_there_are_many_and_varied_idioms() -> None:
    assert len(CASES) == len(set(CASES)) >= LEAST


@pytest.fixture(scope="module", params=[0, 1, 2], ids=["forward", "reverse", "random"])
def results(device: native.Device, request: pytest.FixtureRequest) -> dict[tuple[str, int], native.Result]:
    def call(case: int) -> dict[str, Any]:
        x = native.read_only((np.arange(1024) % 7).astype(np.float32))
        return {"which": case, "order": request.param, "seed": 3, "buffers": {"x": x, "ok": np.zeros(1, np.float32)}}

    return {
        (path.stem, case): result
        for path in FILES
        for cases in [[case for name, case in CASES if name == path.stem]]
        for case, result in zip(cases, device.run(f"silent/{path.stem}", *map(call, cases)), strict=True)
    }


@pytest.mark.parametrize(("name", "case"), CASES)
def test_an_idiom_is_right_and_silent(results: dict[tuple[str, int], native.Result], name: str, case: int) -> None:
    assert native.silent(results[name, case]).buffers[1].tolist() == [1]
