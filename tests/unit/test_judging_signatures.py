"""A case names its contract and its language; an unknown name is an error of the case, which says what is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.errors import CaseError
from pytest_upskill.judging.signatures import contract_of, language_of
from tests.unit.oracle_kernels import ROWS_COLS, make_case


def test_an_unknown_contract_is_told_with_the_known_one_that_is_meant(tmp_path: Path) -> None:
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    return x")
    with pytest.raises(CaseError, match="contract 'launchers' is not known; did you mean 'launcher'") as told:
        contract_of(replace(case, contract="launchers"))
    assert told.value.path == case.path


def test_an_unknown_language_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    return x")
    with pytest.raises(CaseError, match=r"language 'triton' is not known.*cuda"):
        language_of(replace(case, language="triton"))
