"""The kernels in tests/kernels, and each case's own solution, on the whole way: extraction, build, sandbox, oracle.

A file's name says what it is. ``right_*.cu`` passes every assertion. The first line of a ``wrong_*.cu`` names an
assertion that must be among the failed ones: ``// fails: memory``. Its second line says what is wrong with it.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from pytest_upskill.build import toolchain
from pytest_upskill.build.messages import SOURCE_NAME
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.contracts.launcher.contract import extract_kernel
from pytest_upskill.contracts.launcher.signature import Signature, derive, entry_source
from pytest_upskill.languages.cuda.cpu_build import HostCompiler
from pytest_upskill.oracle.explore import explore
from pytest_upskill.oracle.reference import result_dtypes
from pytest_upskill.sandbox.client import Sandbox
from pytest_upskill.sandbox.confinement import strongest
from tests.sampling import every, first_of_each

KERNELS = Path(__file__).resolve().parents[1] / "kernels"
EVALS = Path(__file__).resolve().parents[2] / "skills" / "cuda-kernels" / "evals"
CASES = sorted(path.stem for path in EVALS.glob("*.md"))
RIGHT = sorted(KERNELS.glob("*/right_*.cu"))
WRONG = sorted(KERNELS.glob("*/wrong_*.cu"))

SEED = 7
EXAMPLES = 8
"""Of each dtype: enough for every wrong kernel here with this seed, though not in general."""

SOAK_SEEDS = range(100, 110)

SAMPLE_STEP = 3
"""Of so many neighbouring cases, the sample has one right kernel, and one wrong kernel for each assertion."""

MARK = re.compile(r"// fails: (compiles|runs|correct|memory|deterministic|inputs)\n// \S.*\n")


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def neighbours(path: Path) -> int:
    """The number of the group of cases to which a kernel belongs."""
    return CASES.index(path.parent.name) // SAMPLE_STEP


def what_fails(path: Path) -> str:
    """The assertion that a wrong kernel must fail."""
    mark = MARK.match(path.read_text())
    assert mark, f"{path}: begin with '// fails: <assertion>' and a comment that says why"
    return mark[1]


@functools.cache
def asked(name: str) -> tuple[Case, Signature]:
    case = load_case(EVALS / f"{name}.md", "cuda-kernels")
    return case, derive(case, result_dtypes(case))


@functools.cache
def compiler() -> HostCompiler:
    if toolchain.describe().startswith("none"):
        pytest.skip(f"no C++ compiler: {toolchain.describe()}")
    return HostCompiler()


def failed(name: str, source: str, seed: int = SEED, examples: int | None = EXAMPLES) -> dict[str, str]:
    """The assertions that a kernel fails, with their messages."""
    case, signature = asked(name)
    extraction = extract_kernel(f"```cuda\n{source}\n```\n", signature)
    assert extraction.kernel is not None, extraction.problem
    confinement = strongest()
    build = compiler().build(extraction.kernel.source, entry_source(signature), confinement=confinement)
    if build.library is None:
        return {"compiles": build.message}
    with Sandbox(build.library, confinement, source_name=SOURCE_NAME) as sandbox:
        judgement = explore(
            case, signature.layout, sandbox.call, seed=seed, examples=examples, only=None, repeat=sandbox.repeat
        )
    assert judgement.inconclusive is None, judgement.inconclusive
    return {assertion.name: assertion.message for assertion in judgement.assertions if not assertion.passed}


@pytest.mark.parametrize("name", every(SAMPLE_STEP, CASES, str))
def test_a_case_accepts_its_own_solution(name: str) -> None:
    solution = asked(name)[0].solution
    assert solution is not None
    assert failed(name, solution.source) == {}


@pytest.mark.parametrize("path", first_of_each(RIGHT, neighbours, name_of))
def test_a_right_kernel_passes_every_assertion(path: Path) -> None:
    assert failed(path.parent.name, path.read_text()) == {}


@pytest.mark.full
@pytest.mark.parametrize("seed", SOAK_SEEDS)
@pytest.mark.parametrize("path", RIGHT, ids=name_of)
def test_a_right_kernel_passes_on_every_seed_with_the_default_number_of_examples(path: Path, seed: int) -> None:
    assert failed(path.parent.name, path.read_text(), seed, None) == {}


@pytest.mark.parametrize("path", first_of_each(WRONG, lambda path: (neighbours(path), what_fails(path)), name_of))
def test_a_wrong_kernel_fails_the_assertion_that_its_first_line_names(path: Path) -> None:
    few = failed(path.parent.name, path.read_text())
    found = few or failed(path.parent.name, path.read_text(), examples=None)
    assert what_fails(path) in {assertion.partition("[")[0] for assertion in found}, found


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_right_kernels_in_other_styles_and_wrong_ones_of_several_kinds(name: str) -> None:
    folder = KERNELS / name
    assert len(list(folder.glob("right_*.cu"))) >= 2
    assert len(list(folder.glob("wrong_*.cu"))) >= 4


def test_there_are_forty_right_kernels_of_twenty_operators_in_two_styles_each() -> None:
    styles = [path.parent.name for path in RIGHT]
    assert sum(styles.count(name) >= 2 for name in CASES) >= 20
    assert len({path.read_text() for path in RIGHT}) >= 40


def test_every_kernel_belongs_to_a_case_and_says_what_it_is() -> None:
    found = sorted(path for path in KERNELS.rglob("*") if path.is_file())
    assert {path.parent.name for path in found} <= set(CASES)
    assert found == sorted([*RIGHT, *WRONG])
