"""The skills of this repository: every case is worth asking. Their format is checked by ``make lint``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.build import toolchain
from pytest_upskill.case_quality.self_check import SelfCheck
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.devices.choose import choose
from pytest_upskill.execution.case_gate import subject_of
from pytest_upskill.generator.near_duplicates import duplicates_of
from pytest_upskill.judging.interface import Limits
from pytest_upskill.oracle.reference_runner import in_this_process
from pytest_upskill.skills.skill import case_paths
from tests.sampling import first_of_each

SKILLS = Path(__file__).resolve().parents[2] / "skills"
FOLDERS = sorted(path.parent for path in SKILLS.glob("*/SKILL.md"))
PROJECTS = SKILLS / "kernel-builder-cuda-kernels"
"""Each build of a project takes seconds, so none of its cases is in the sample."""
CASES = [path for folder in FOLDERS if folder != PROJECTS for path in sorted((folder / "evals").glob("*.md"))]
MOST_SURVIVORS, MOST_OF_PROJECTS = 4, 2
"""Of twelve mutants of a solution, and of six of a project: some are equivalent."""


def name_of(path: Path) -> str:
    return f"{path.parents[1].name}-{path.stem}"


PROJECT_CASES = [
    pytest.param(path, id=name_of(path), marks=pytest.mark.full) for path in sorted((PROJECTS / "evals").glob("*.md"))
]


@pytest.mark.parametrize("path", [*first_of_each(CASES, lambda path: path.parents[1], name_of), *PROJECT_CASES])
def test_a_case_passes_the_self_check_and_kills_mutants_of_its_solution(path: Path) -> None:
    if toolchain.describe().startswith("none"):
        pytest.skip(f"no C++ compiler: {toolchain.describe()}")
    # As a contributor who has accepted it: what the sandbox of other cases does has tests of its own.
    case = replace(load_case(path, path.parents[1].name), trusted=True)
    machine = choose("cpu")
    checked = SelfCheck(lambda language: machine, Limits().call_seconds).whole(subject_of(case))
    assert checked.quality.problem is None and not checked.quality.not_run
    assert checked.score is not None and checked.score.total > 0
    most = MOST_OF_PROJECTS if PROJECTS in path.parents else MOST_SURVIVORS
    assert checked.score.total - checked.score.killed <= most, checked.score.survived


@pytest.mark.full
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_no_two_cases_of_a_skill_ask_for_the_same(folder: Path) -> None:
    cases = [replace(load_case(path, folder.name), trusted=True) for path in case_paths(folder)]
    for number, case in enumerate(cases):
        same = duplicates_of(case, cases[:number], in_this_process)
        assert not same, f"{case.name} and {[one.name for one in same]}"


def test_every_skill_has_cases() -> None:
    assert len(FOLDERS) >= 7 and all(case_paths(folder) for folder in FOLDERS)
