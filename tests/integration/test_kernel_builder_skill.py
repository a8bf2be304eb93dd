"""The skill kernel-builder-cuda-kernels: solutions and right projects pass, wrong ones fail for the planned reason."""

from __future__ import annotations

import pytest

from pytest_upskill import JudgeRequest, JudgeResult, judge
from pytest_upskill.contracts.kernel_builder.contract import KernelBuilderContract
from pytest_upskill.generator.leakage import Leakage, skill_text
from pytest_upskill.judging.signatures import signature_of
from pytest_upskill.records import VerdictKind
from tests.kernel_builder_variants import CASES, FOLDER, PUBLIC, SKILL, Variant, solution, trusted, variants

SEED, EXAMPLES = 11, 8
"""Enough for every wrong project here."""
SAMPLE = ("hamming_distances-difference_of_the_counts",)
"""The projects that are judged without the marker ``full``."""

ALL = [one for path in CASES for one in (solution(path), *variants(path))]
RIGHT = [one for one in ALL if not one.fails] + [solution(path) for path in PUBLIC]
WRONG = [one for one in ALL if one.fails]


def judged(one: Variant) -> JudgeResult:
    text = one.case.read_text(encoding="utf-8")
    request = {"contract": "kernel-builder", "language": "cuda", "seed": SEED, "examples": EXAMPLES}
    return judge(JudgeRequest(case_text=text, case_name=one.case.stem, sources=one.files, **request))  # type: ignore[arg-type]


def parameters(found: list[Variant]) -> list[object]:
    return [pytest.param(one, id=str(one), marks=[] if str(one) in SAMPLE else [pytest.mark.full]) for one in found]


def test_there_are_ten_cases_with_two_right_and_four_wrong_variants_each() -> None:
    assert len(CASES) >= 10 and len(PUBLIC) == 5
    assert {path.stem for path in FOLDER.glob("*.toml")} == {path.stem for path in CASES}
    for path in CASES:
        wrong = [bool(one.fails) for one in variants(path)]
        assert wrong.count(False) >= 2 and wrong.count(True) >= 4, path.stem
    assert len({str(sorted(one.files.items())) for one in (*RIGHT, *WRONG)}) == len(RIGHT) + len(WRONG)
    assert {str(one) for one in ALL} >= set(SAMPLE)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_skill_gives_no_solution_and_no_variant_of_one_away(path: object) -> None:
    known = Leakage(skill_text(SKILL))
    assert known.problem(trusted(path)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("one", [*RIGHT, *WRONG], ids=str)
def test_projects_meet_the_contract_unless_this_is_what_they_fail(one: Variant) -> None:
    problem = KernelBuilderContract().problem(one.files, signature_of(trusted(one.case)))  # type: ignore[arg-type]
    if one.fails == "contract":
        assert problem is not None and one.says in problem
    else:
        assert problem is None


@pytest.mark.parametrize("one", parameters(RIGHT))
def test_right_projects_pass(one: Variant) -> None:
    found = judged(one)
    assert found.verdict.kind is VerdictKind.PASSED, found


@pytest.mark.parametrize("one", parameters([one for one in WRONG if one.fails != "contract"]))
def test_wrong_projects_fail_as_planned(one: Variant) -> None:
    found = judged(one)
    first = found.verdict.first_failed
    assert first is not None and first.name.partition("[")[0] == one.fails, found.verdict
    assert one.says in first.message
