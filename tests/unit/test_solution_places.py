"""Places in a case's own solution are shown as those of the case's file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.execution.outcome import with_source
from pytest_upskill.execution.solution_places import in_case_file, outcome_in_case_file
from pytest_upskill.languages.cuda.language import CudaLanguage
from pytest_upskill.records import Assertion, Counterexample, Example, Verdict, VerdictKind
from pytest_upskill.reporting.failure import failure_lines, one_line
from tests.integration.conftest import case, dedented
from tests.unit.reporting_outcomes import golden

TEXT = case("scale")
START = TEXT[: TEXT.index("__global__")].count("\n")  # the line before it, counted from 1
PYTHON = dedented(
    """
    ---
    op: twice(Tensor x) -> Tensor
    dims: {n: 1..9}
    args: {x: [n]}
    contract: function
    language: python
    ---
    Double `x`.

    ## Reference

    ```python
    def twice(x):
        return 2 * x
    ```

    ## Solution

    ```python
    def twice(x):
        return x + x
    ```
    """
)


def scale() -> Case:
    return parse_case(TEXT, Path("skills/tiny/evals/scale.md").absolute(), "tiny")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kernel.cu:4:9: error: no", f"skills/tiny/evals/scale.md:{START + 3}:9: error: no"),
        ("kernel.cu: In function 'f':\n  kernel.cu:1: x", f"skills/tiny/evals/scale.md: In function 'f':\n"
                                                         f"  skills/tiny/evals/scale.md:{START}: x"),
        ("not executed: kernel.cu:2, kernel.cu:3-5", f"not executed: skills/tiny/evals/scale.md:{START + 1}, "
                                                     f"skills/tiny/evals/scale.md:{START + 2}-{START + 4}"),
        ("my_kernel.cu:3 and a/kernel.cu:3 and kernel.cuh:3", "my_kernel.cu:3 and a/kernel.cu:3 and kernel.cuh:3"),
        ("no place at all", "no place at all"),
    ],
)  # fmt: skip
def test_every_place_of_a_text_is_moved(text: str, shown: str) -> None:
    assert in_case_file(text, scale()) == shown


def test_a_case_outside_of_the_folder_and_another_language_have_their_own_places() -> None:
    far = replace(scale(), path=Path("/elsewhere/evals/scale.md"))
    assert in_case_file("kernel.cu:1: x", far) == f"/elsewhere/evals/scale.md:{START}: x"
    python = parse_case(PYTHON, Path("evals/twice.md").absolute(), "b")
    line = PYTHON[: PYTHON.index("return x + x")].count("\n") + 1
    assert in_case_file("kernel.py:2: x", python) == f"evals/twice.md:{line}: x"
    unsolved = replace(scale(), solution=None)
    assert in_case_file("kernel.cu:1: x", unsolved) == "kernel.cu:1: x"


def test_message_source_and_short_form_of_a_failure_name_the_case() -> None:
    found = Counterexample("memory", Example({"n": 1}, "float32", 0), "kernel.cu:4: bad read", line=4)
    verdict = Verdict(VerdictKind.FAILED, "memory: kernel.cu:4: bad read",
                      (Assertion("memory", False, "kernel.cu:4: bad read"),), found)  # fmt: skip
    solution = scale().solution
    assert solution is not None
    made = with_source(replace(golden("scale"), verdict=verdict), CudaLanguage(), solution.source)
    item = outcome_in_case_file(made, scale())
    place, line = f"skills/tiny/evals/scale.md:{START + 3}", TEXT.splitlines()[START + 2].strip()
    shown = "\n".join(failure_lines(item, width=140))
    assert f"{place}: bad read" in shown and f"  {place}\n" in shown
    assert f"▶ {START + 3} │   {line}" in shown
    assert "kernel.cu" not in shown
    assert one_line(item) == f"memory: bad read ({place})"
    assert item.verdict.reason == f"memory: {place}: bad read"


@pytest.mark.parametrize(("name", "pointed"), [("contract", True), ("compiles", True), ("style", False)])
def test_a_failure_of_the_whole_solution_points_to_where_it_begins(name: str, pointed: bool) -> None:
    verdict = Verdict(VerdictKind.FAILED, None, (Assertion(name, False, "not what was asked for"),))
    shown = "\n".join(failure_lines(outcome_in_case_file(replace(golden("scale"), verdict=verdict), scale())))
    assert (f"skills/tiny/evals/scale.md:{START}, the solution" in shown) == pointed
