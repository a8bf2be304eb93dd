"""The self-check of text cases: ``expect`` can be met, and says something."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.case_quality.result import CaseQuality
from pytest_upskill.case_quality.text_check import check
from pytest_upskill.cases.case_file import parse_case


def checked(expect: str, solution: str = "") -> CaseQuality:
    section = f"\n## Solution\n\n{solution}\n" if solution else ""
    text = f"---\nexpect: {expect}\n---\nWhy does the kernel hang?\n{section}"
    return check(parse_case(text, Path("evals/hang.md"), "words"))


@pytest.mark.parametrize(
    "expect",
    [
        "{contains: [__syncthreads, branch]}",
        "{matches: ['(?i)dead-?lock', 'block(s|Dim)']}",
        r"{contains: ['not all threads'], matches: ['\ABecause\b.*\Z']}",
        r"{contains: ['17'], matches: ['\A\d+\Z']}",
        r"{contains: [barrier], matches: ['\A(?s:(?!.*mutex).)*\Z']}",
        "{matches: ['(?s)(?=.*warp)(?=.*lane)']}",
        "{contains: ['`<think>` is a tag']}",
        "{matches: ['Größe', '[\u4e00-\u9fff]{2}']}",
    ],
)
def test_what_an_answer_can_contain_passes(expect: str) -> None:
    found = checked(expect)
    assert found.problem is None
    assert [one.name for one in found.assertions] == ["satisfiable", "rejects[empty]"]


@pytest.mark.parametrize(
    ("expect", "named"),
    [
        ("{contains: [ok], matches: ['end$.']}", "'end$.'"),
        (r"{matches: ['\bsync\B$']}", r"'\\bsync\\B$'"),
        ("{contains: ['<reasoning>']}", "'<reasoning>'"),
        (r"{contains: [mutex], matches: ['\A(?s:(?!.*mutex).)*\Z']}", "all of 'expect' together"),
        (r"{matches: ['\AYes', '\ANo']}", "all of 'expect' together"),
    ],
)
def test_what_no_answer_can_contain_is_named(expect: str, named: str) -> None:
    problem = checked(expect).problem
    assert problem is not None
    assert problem.startswith(f"no answer was found that meets {named}")
    assert problem.endswith("add a '## Solution' with an answer that meets it")


def test_a_solution_is_held_against_it_and_proves_that_it_can_be_met() -> None:
    expect = "{contains: [__syncthreads], matches: ['diver(ge|ging)']}"
    good = checked(expect, "Threads diverge before `__syncthreads()`.")
    assert good.problem is None and good.assertions[0].name == "solution"
    bad = checked(expect, "Threads wait at `__syncthreads()`.")
    assert bad.problem == "its own solution fails matches[diver(ge|ging)]: nothing matches 'diver(ge|ging)'"


def test_an_empty_answer_must_not_pass_and_a_repeated_task_is_advice() -> None:
    empty = checked("{matches: ['x*', '(?s).*']}")
    assert empty.problem is not None and empty.problem.startswith("an empty answer passes")
    echo = checked("{contains: [kernel]}")
    assert echo.problem is None and "only repeats the task" in echo.advice[0]
    assert checked("{contains: [barrier]}").advice == ()


def test_a_pattern_that_cannot_be_generated_is_advice_unless_a_solution_is_there() -> None:
    expect = r"{matches: ['\p{Lu}\p{Ll}{3,}']}"
    assert checked(expect).problem is None
    assert "no answer was found" in checked(expect).advice[0]
    assert checked(expect, "Barriers.").advice == ()
    assert checked(expect, "barriers").problem is not None


def test_a_rubric_alone_is_inconclusive() -> None:
    found = checked("{rubric: [names the barrier]}")
    assert found.assertions == () and "has a rubric only" in (found.inconclusive or "")
    assert checked("{rubric: [names it], contains: [barrier]}").problem is None
