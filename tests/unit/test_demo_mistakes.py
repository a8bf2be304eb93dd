"""Slips that the demo student makes: each case of our own skill has one, and each is one place in the source."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case, Snippet
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.students.demo.scripts import slip

CASES = sorted((Path(__file__).parents[2] / "skills/cuda-kernels/evals").glob("*.md"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_case_of_the_skill_has_a_slip_in_one_line(path: Path) -> None:
    case = load_case(path, "cuda-kernels")
    wrong = slip(case)
    assert wrong is not None and case.solution is not None
    changed = [line for line in difflib.ndiff(case.solution.source.splitlines(), wrong.splitlines()) if line[0] in "+-"]
    assert [line[0] for line in changed] == ["-", "+"]
    assert slip(case) == wrong, "the same each time: workers make the same model"


def test_the_slips_are_of_several_kinds() -> None:
    wrong = [slip(load_case(path, "cuda-kernels")) or "" for path in CASES]
    assert sum("offset = 8" in source for source in wrong) >= 3
    assert sum(" - 1" in source for source in wrong) >= 3


def with_solution(source: str | None) -> Case:
    solution = None if source is None else Snippet(source, 1, Path("scale.md"))
    return Case("scale", "tiny", Path("scale.md"), "Scale it.", None, solution=solution)


def test_where_no_rule_applies_the_launch_is_forgotten() -> None:
    source = (
        "void scale(float* out, cudaStream_t stream) {\n  scale_kernel<float><<<1, 32, 0, stream>>>(\n      out);\n}\n"
    )
    assert slip(with_solution(source)) == "void scale(float* out, cudaStream_t stream) {\n  \n}\n"


@pytest.mark.parametrize("source", [None, "int nothing_to_get_wrong;"])
def test_without_a_solution_or_a_launch_there_is_none(source: str | None) -> None:
    assert slip(with_solution(source)) is None
