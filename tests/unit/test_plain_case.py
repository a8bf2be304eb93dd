from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case, Choices, TensorSpec
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.cases.plain_case import PATH, from_plain, to_plain
from pytest_upskill.documents.expression import parse

CASES = sorted((Path(__file__).parents[2] / "skills").glob("*/evals/*.md"))


def essential(case: Case) -> Case:
    """Without what no reference needs."""
    return Case(
        name=case.name,
        skill="",
        path=PATH,
        task="",
        op=case.op,
        dims=case.dims,
        where=case.where,
        arguments=case.arguments,
        dtypes=case.dtypes,
        returns=case.returns,
        reference=case.reference and replace(case.reference, path=PATH),
        inputs=case.inputs and replace(case.inputs, path=PATH),
        tolerance=case.tolerance,
        zero=case.zero,
    )


def through_json(case: Case) -> Case:
    return from_plain(json.loads(json.dumps(to_plain(case))))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_a_reference_needs_comes_through_json_without_loss(path: Path) -> None:
    case = load_case(path, "cuda-kernels")
    assert through_json(case) == essential(case)


def test_neither_task_nor_solution_nor_a_path_of_this_machine_travels() -> None:
    case = load_case(CASES[0], "cuda-kernels")
    assert case.solution is not None
    text = json.dumps(to_plain(case))
    assert str(case.path.parent) not in text
    assert case.solution.source.splitlines()[0] not in text
    assert json.dumps(case.task)[1:40] not in text


def test_changed_copies_travel_as_they_are() -> None:
    case = load_case(CASES[0], "cuda-kernels")
    changed = replace(case, tolerance={}, inputs=None, dims=case.dims[:1], where=())
    assert through_json(changed) == essential(changed)


def test_infinity_booleans_integers_and_fractions_stay_what_they_are() -> None:
    case = load_case(CASES[0], "cuda-kernels")
    options = (math.inf, -math.inf, 1.0, 1, True)
    changed = replace(case, arguments=(TensorSpec("x", (parse("n"),), values=Choices(options)),))
    (tensor,) = through_json(changed).tensors
    assert isinstance(tensor.values, Choices)
    assert [(type(one), one) for one in tensor.values.options] == [(type(one), one) for one in options]
