"""What Hypothesis draws for a seed: nothing else of the process may change it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

from pytest_upskill.oracle.search import Batch, generate
from pytest_upskill.records import Example

STRATEGY = st.integers(0, 1_000_000).map(lambda n: Example({"n": n}, "float32", 0))


def drawn() -> list[int]:
    found: list[int] = []
    for index in range(40):
        generate(Batch("float32", index, 9, large=False), STRATEGY, 1, lambda one: found.append(one.dims["n"]))
    return found


def test_imported_modules_do_not_change_the_examples_of_a_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, cache, find = drawn(), providers.CONSTANTS_CACHE, providers._get_local_constants
    monkeypatch.setattr(providers, "is_local_module_file", lambda path: "full_of_numbers" in path)
    (tmp_path / "full_of_numbers.py").write_text(f"NUMBERS = {[*range(500_001, 500_401)]}\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("full_of_numbers")
    try:
        assert len(set(before)) > 100
        assert drawn() == before
    finally:
        del sys.modules["full_of_numbers"]
    assert (providers.CONSTANTS_CACHE, providers._get_local_constants) == (cache, find)
