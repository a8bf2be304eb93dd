"""Solutions and tasks that a skill gives away."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case, parse_case
from pytest_upskill.documents.identifiers import CPP_KEYWORDS, CUDA_AND_C
from pytest_upskill.generator.leakage import Leakage, skill_text
from pytest_upskill.generator.record_check import problems
from pytest_upskill.skills.skill import case_paths
from tests import teacher_answers as answers

SKILLS = sorted((Path(__file__).parents[2] / "skills").glob("*/SKILL.md"))
LARGE = SKILLS[0].parents[1] / "cuda-kernels" / "evals" / "softmax.md"
TASK = "Divide each row of the matrix by its largest absolute value plus a constant, then scale it by the weights."


def made(name: str, task: str = TASK) -> Case:
    return parse_case(answers.case(name, task=task), Path(f"{name}.md"), "signal-kernels")


@pytest.mark.parametrize("before", ["", "# Pattern\n\n```cuda\n", "/* "])
def test_a_copied_solution_is_found_with_other_blanks_and_comments(before: str) -> None:
    case = made("twice")
    assert case.solution is not None
    copied = case.solution.source.replace("\n", "  // note\n").replace("    ", " ")
    said = Leakage(f"# Skill\n\n{before}{copied}\n").problem(case)
    assert said is not None
    assert "gives the solution away" in said
    assert "at most 50%" in said


@pytest.mark.parametrize("line", ["> {}", "- `{}`", "{} \\", "// {}", "{number}: {}", "{number} | {}", "> 1. {}"])
def test_a_copied_solution_is_found_behind_marks_of_lines(line: str) -> None:
    case = made("twice")
    assert case.solution is not None
    lines = case.solution.source.replace("<", "&lt;").splitlines()
    copied = "\n".join(line.format(one, number=number) for number, one in enumerate(lines, 1))
    said = Leakage(f"# Skill\n\n{copied}\n").problem(case)
    assert said is not None
    assert "gives the solution away" in said


def test_a_copied_solution_is_found_under_other_names() -> None:
    case = made("twice")
    assert case.solution is not None
    copied = case.solution.source
    for name, other in {
        "twice": "doubled",
        "out": "to",
        "in": "from",
        "value": "v",
        "i": "at",
        "n": "count",
        "x": "src",
    }.items():
        copied = re.sub(rf"\b{name}\b", other, copied)
    said = Leakage(f"# Skill\n\n```cuda\n{copied}\n```\n").problem(case)
    assert said is not None
    assert "whatever the names" in said


def as_half(source: str) -> str:
    """The same kernel for ``__half``, with its conversions."""
    source = re.sub(r"= (\w+\[[^\]]+\]);", r"= __half2float(\1);", re.sub(r"\bfloat\b", "__half", source))
    return re.sub(r"(\bout\w*\[[^\]]+\]) = ([^;=]+);", r"\1 = __float2half(\2);", source)


def renamed(source: str) -> str:
    fixed = CPP_KEYWORDS | CUDA_AND_C | {*keyword.kwlist, "torch"}
    names = {one for one in re.findall(r"(?<![\w.#])[a-z]\w*", source) if one not in fixed and "__" not in one}
    for number, name in enumerate(sorted(names)):
        source = re.sub(rf"\b{name}\b", f"v{number}q", source)
    return source


CHANGES: dict[str, Callable[[str], str]] = {
    "names": renamed,
    "half": as_half,
    "names and half": lambda source: as_half(renamed(source)),
    "double": lambda source: re.sub(r"(\d\.\d+)f\b", r"\1", re.sub(r"\bfloat\b", "double", source)),
    "a template": lambda source: "template <typename T>\n" + re.sub(r"\bfloat\b", "T", source),
    "C casts": lambda source: re.sub(r"static_cast<(\w+)>", r"(\1)", source).replace("int64_t", "long long"),
    "sizes": lambda source: re.sub(r"\b(?:32|64|128|256|512)\b", "1024", source),
    "qualifiers": lambda source: source.replace("const float*", "const float* __restrict__").replace(
        "const int64_t", "auto"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_solution_that_was_rewritten_with_other_types_or_names_is_found(change: str) -> None:
    for path in (LARGE, *LARGE.parent.glob("[d-m]*.md"), *LARGE.parents[2].glob("vectorised-python/evals/*.md")):
        case = load_case(path, "skill")
        assert case.solution is not None
        copied = CHANGES[change](case.solution.source)
        said = Leakage(f"# Skill\n\nBe careful.\n\n```cuda\n{copied}\n```\n").problem(case)
        assert said is not None and "gives the solution away" in said, path


def test_another_kernel_of_the_same_kind_gives_nothing_away() -> None:
    """Whole kernels of other cases in the skill's text: reductions over rows beside others, one by one."""
    cases = [load_case(path, "cuda-kernels") for path in sorted(LARGE.parent.glob("*.md"))]
    solved = [case for case in cases if case.solution is not None]
    found = {
        (case.name, other.name)
        for other in solved
        if other.solution
        for leakage in [Leakage(f"```cuda\n{other.solution.source}\n```\n")]
        for case in solved
        if case is not other and leakage.problem(case)
    }
    assert len(solved) > 15 and not found


def test_a_task_shorter_than_a_run_is_found_as_a_whole() -> None:
    case = made("twice", "Double each sample twice.")
    said = Leakage("# Skill\n\nOne task is: double each\nsample twice.\n").problem(case)
    assert said is not None
    assert "gives the task away" in said
    assert Leakage("# Skill\n\nDouble each sample; do it twice.\n").problem(case) is None
    assert Leakage("# Skill\n\nDouble each sample.\n").problem(made("twice", "Double each sample.")) is None


def test_a_solution_of_the_same_pattern_is_not_given_away() -> None:
    other = made("magnitude")
    assert other.solution is not None
    text = other.solution.source.partition("{\n    const")[0]
    assert Leakage(f"# Skill\n\n```cuda\n{text}\n```\n").problem(made("cubed")) is None


@pytest.mark.parametrize("task", [TASK, "各行を最大の絶対値で割り、次に列ごとの重みを掛けます。行の数は任意です。"])
def test_a_copied_task_is_found_and_another_text_is_not(task: str) -> None:
    case = made("twice", task)
    said = Leakage(f"# Skill\n\n{task.upper()}\n").problem(case)
    assert said is not None
    assert "gives the task away" in said
    assert Leakage("# Skill\n\nGuard the last block. 端のブロックに注意してください。\n").problem(case) is None


@pytest.mark.parametrize("skill", SKILLS, ids=lambda path: path.parent.name)
def test_the_skills_of_the_project_give_nothing_away(skill: Path) -> None:
    leakage = Leakage(skill_text(skill.parent))
    cases = [load_case(path, skill.parent.name) for path in case_paths(skill.parent)]
    assert cases
    assert {case.name: said for case in cases if (said := leakage.problem(case))} == {}
    if whole := next((case for case in cases if case.solution and case.op), None):
        assert whole.solution is not None
        assert Leakage(whole.solution.source).problem(whole)


def test_a_record_that_contradicts_the_cases_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    record = tmp_path / "evals" / ".upskill-gen.json"
    case = made("twice")
    entry = f'{{"teacher": "t", "text_hash": "{case.text_hash}"}}'
    record.write_text(f'{{"cases": {{"twice": {entry}, "gone": {entry}}}}}', encoding="utf-8")
    assert [str(one) for _, one in problems(tmp_path, [case])] == [
        "the recorded case 'gone' does not exist: restore it, or remove its entry"
    ]
    (tmp_path / "evals" / "gone.md").write_text("---\nop: 7\n---\nDo it.\n", encoding="utf-8")
    assert list(problems(tmp_path, [case])) == []  # the linter reports the file
    changed = replace(case, text_hash="0" * 64)
    assert any("has changed since it was proven" in str(one) for _, one in problems(tmp_path, [changed]))
    four = ", ".join(f'"{name}": {entry}' for name in "abcd")
    record.write_text(f'{{"cases": {{{four}}}}}', encoding="utf-8")
    messages = [str(one) for _, one in problems(tmp_path, [replace(case, name=name) for name in "abcd"])]
    assert messages == [
        "4 cases are in the training part and 0 are held out; a change of the skill is decided on held-out cases: "
        "balance them with 'upskill-gen add-cases'"
    ]
