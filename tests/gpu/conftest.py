"""Tests that need a GPU: skipped without one, with a reason that says how to run them."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from pytest_upskill.devices.cuda import CudaMachine, find
from pytest_upskill.errors import InfrastructureError

HERE = Path(__file__).parent


@functools.cache
def machine_or_reason() -> CudaMachine | str:
    try:
        return find(None, sanitizer=False, worker="")
    except InfrastructureError as error:
        return str(error)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture
def machine() -> CudaMachine:
    found = machine_or_reason()
    if isinstance(found, str):
        pytest.skip(f"{found}; on a machine with a GPU, 'make gpu-check' runs this (docs/gpu.md)")
    return found
