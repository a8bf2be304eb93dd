"""The functions beside this file, and each case's own solution, through extraction, sandbox and oracle.

A file's name says what it is. ``right_*.py`` passes every assertion. The first line of a ``wrong_*.py`` names an
assertion that must be among the failed ones: ``# fails: correct``. Its second line says what is wrong with it.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.contracts.function.contract import Signature, derive, extract_function
from pytest_upskill.devices.choose import CpuMachine
from pytest_upskill.languages.python.language import PythonLanguage
from pytest_upskill.oracle.explore import explore
from pytest_upskill.oracle.reference import result_dtypes, result_shapes
from pytest_upskill.records import ResultFacts
from pytest_upskill.sandbox.confinement import strongest
from tests.sampling import first_of_each

HERE = Path(__file__).resolve().parent
EVALS = HERE.parents[1] / "skills" / "vectorised-python" / "evals"
CASES = sorted(path.stem for path in EVALS.glob("*.md"))
RIGHT = sorted(HERE.glob("*/right_*.py"))
WRONG = sorted(HERE.glob("*/wrong_*.py"))
SEED = 7
EXAMPLES = 8
MARK = re.compile(r"# fails: (contract|runs|correct|deterministic|inputs|vectorised)\n# \S.*\n")


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def what_fails(path: Path) -> str:
    """The assertion that a wrong function must fail."""
    mark = MARK.match(path.read_text())
    assert mark, f"{path}: begin with '# fails: <assertion>' and a comment that says why"
    return mark[1]


@functools.cache
def language() -> PythonLanguage:
    return PythonLanguage()


@functools.cache
def asked(name: str) -> tuple[Case, Signature]:
    case = load_case(EVALS / f"{name}.md", "vectorised-python")
    return case, derive(case, ResultFacts(result_dtypes(case), result_shapes(case)))


def failed(name: str, source: str) -> dict[str, str]:
    """The assertions that a function fails, with their messages."""
    case, signature = asked(name)
    extraction = extract_function(f"```python\n{source}\n```\n", signature)
    assert extraction.kernel is not None, extraction.problem
    python, machine = language(), CpuMachine("cpu", strongest())
    build = python.build({python.source_name: extraction.kernel.source}, signature.entry, machine)
    with python.execute(build, signature.layout, machine, 10.0) as executor:
        judgement = explore(
            case,
            signature.layout,
            executor.call,
            seed=SEED,
            examples=EXAMPLES,
            only=None,
            repeat=executor.repeat,
            checks=python.checks,
            source_name=python.source_name,
        )
        assertions = (*judgement.assertions, *executor.assertions())
        broken = {"contract": "; ".join(executor.violations())} if executor.violations() else {}
    assert judgement.inconclusive is None, judgement.inconclusive
    return broken | {assertion.name: assertion.message for assertion in assertions if not assertion.passed}


@pytest.mark.parametrize("name", CASES)
def test_a_case_accepts_its_own_solution(name: str) -> None:
    solution = asked(name)[0].solution
    assert solution is not None
    assert failed(name, solution.source) == {}


@pytest.mark.parametrize("path", first_of_each(RIGHT, lambda path: path.parent, name_of))
def test_a_right_function_passes_every_assertion(path: Path) -> None:
    assert failed(path.parent.name, path.read_text()) == {}


@pytest.mark.parametrize("path", first_of_each(WRONG, lambda path: (path.parent, what_fails(path)), name_of))
def test_a_wrong_function_fails_the_assertion_that_its_first_line_names(path: Path) -> None:
    found = failed(path.parent.name, path.read_text())
    assert what_fails(path) in {assertion.partition("[")[0] for assertion in found}, found


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_right_functions_in_other_styles_and_wrong_ones_of_several_kinds(name: str) -> None:
    assert len(list((HERE / name).glob("right_*.py"))) >= 2
    assert len(list((HERE / name).glob("wrong_*.py"))) >= 4


def test_every_function_belongs_to_a_case_and_says_what_it_is() -> None:
    found = {path for path in HERE.rglob("*/*.py") if path.is_file()}
    assert {path.parent.name for path in found} <= set(CASES)
    assert found == {*RIGHT, *WRONG}
