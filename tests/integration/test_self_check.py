"""The self-check as users meet it: weak cases are refused with what would help, and nobody is asked about them."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import Any

import pytest

from pytest_upskill.execution.case_gate import CaseGate
from pytest_upskill.languages.cuda.language import CudaExecutor
from tests.integration.conftest import BOTH, Workbench, case, kernel

STUDENT = "--upskill-student=files:answers"
LOOSE = "tolerance: {rtol: 1.0, atol: 9.0}\n---\nMultiply"


def weak(bench: Workbench, old: str, new: str) -> None:
    """The case ``scale`` with a weakness; ``shift`` stays sound."""
    text = case("scale")
    assert old in text
    bench.write("skills/tiny/evals/scale.md", text.replace(old, new))


def flat(result: pytest.RunResult) -> str:
    return " ".join(result.stdout.str().split())


def items(bench: Workbench) -> dict[str, dict[str, Any]]:
    report = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))
    return {item["id"].rpartition("::")[2]: item for item in report["items"]}


REFUSED = {
    "loose-tolerance": ("---\nMultiply", LOOSE, "rejects[[]zeros]*without the case's own 'tolerance'"),
    "degenerate": ("return x * factor", "return x * factor * 0", "*fails correct[[]float32]*"),
    "wrong-solution": ("return x * factor", "return x * factor + 1", "*its own solution fails correct[[]float32]*"),
}


@pytest.mark.parametrize(("old", "new", "message"), REFUSED.values(), ids=REFUSED.keys())
@BOTH
def test_a_weak_case_fails_its_mutants_item_with_what_would_help(
    bench: Workbench, old: str, new: str, message: str, workers: list[str]
) -> None:
    weak(bench, old, new)
    result = bench.run("skills", "--upskill", "-k", "scale and mutants", *workers)
    result.assert_outcomes(failed=1)
    assert fnmatch(flat(result), f"*{message}*"), flat(result)
    assert "scale fails its self-check" in flat(result)


def test_a_mutant_that_no_allowed_input_kills_is_a_note(bench: Workbench) -> None:
    weak(bench, "n: 1..3000", "n: 1..20")
    result = bench.run("skills", "--upskill", "-k", "scale and mutants")
    result.assert_outcomes(passed=1)
    assert "advice: a kernel that writes its first 32 elements only passes" in flat(result)
    assert "it does with larger dims, such as 'n: 1..80': scale" in flat(result)


def test_a_degenerate_case_is_refused_without_a_solution(bench: Workbench) -> None:
    text = case("scale").replace("return x * factor", "return (x * factor).softmax(-1).mean()")
    bench.write("skills/tiny/evals/scale.md", text[: text.index("## Solution")])
    result = bench.run("skills", "--upskill", "-k", "scale")
    result.assert_outcomes(failed=1, warnings=1)
    assert "'out' hardly varies with the inputs" in flat(result)
    result.stdout.fnmatch_lines(["*no '## Solution', so checked with wrong results only: scale*"])


def test_a_sound_skill_shows_how_many_mutants_died(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill", "--upskill-report=out.json", "--upskill-report=out.md")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        [
            "*2 of 2 cases pass their own solution*",
            "*2 of 2 cases reject wrong results",
            "*mutants of the solutions killed*",
        ]
    )
    found = items(bench)["scale[mutants]"]
    assert (found["kind"], found["student"], found["arm"], found["trial"]) == ("mutants", None, None, None)
    assert {one["name"] for one in found["assertions"]} >= {"solution", "varies", "rejects[zeros]", "rejects[half]"}
    score = found["mutants"]
    assert score["killed"] + len(score["lived"]) == score["total"] > 4
    assert "mutants" not in items(bench)["scale[golden]"]
    assert "| scale |" in (bench.root / "out.md").read_text(encoding="utf-8")


def test_mutants_are_selected_by_keyword_and_mark_and_rerun_by_last_failed(bench: Workbench) -> None:
    weak(bench, "---\nMultiply", LOOSE)
    first = bench.run("skills", "--upskill", "-m", "upskill(case='scale', student=None, arm=None, trial=None)")
    first.assert_outcomes(failed=1, deselected=4)
    again = bench.run("skills", "--upskill", "--lf", "-v")
    again.assert_outcomes(failed=1)
    assert "scale[mutants]" in again.stdout.str() and "shift" not in flat(again).partition("FAILURES")[0]


def test_exitfirst_stops_at_a_case_that_is_not_worth_asking(bench: Workbench) -> None:
    weak(bench, "---\nMultiply", LOOSE)
    bench.run("skills", "--upskill", "-x").assert_outcomes(passed=2, failed=1)


@BOTH
def test_nobody_is_asked_about_a_weak_case(bench: Workbench, workers: list[str]) -> None:
    bench.right_with_the_skill()
    weak(bench, "---\nMultiply", LOOSE)
    result = bench.run("skills", STUDENT, "--upskill-report=out.json", "-rs", *workers)
    result.assert_outcomes(passed=3, skipped=2)
    found = items(bench)
    for arm in ("skill", "baseline"):
        item = found[f"scale[files-{arm}]"]
        assert item["verdict"] == "inconclusive"
        assert "not asked, because the case fails its self-check: a kernel that writes zeros" in item["reason"]
        assert "evals/scale.md: " in item["reason"]
    assert found["shift[files-skill]"]["verdict"] == "passed"
    summary = flat(result).partition(" skills ")[2].partition("short test summary")[0]
    assert summary.count("fails its self-check: a kernel that writes zeros") == 1
    kept = sorted(path.name for path in (bench.root / ".upskill/replies").rglob("*.md"))
    assert kept == ["shift.baseline.md", "shift.skill.md"]


def test_a_case_whose_solution_fails_is_not_held_against_a_student(bench: Workbench) -> None:
    bench.right_with_the_skill()
    weak(bench, "return x * factor", "return x * factor + 1")
    result = bench.run("skills", STUDENT, "-rs")
    result.assert_outcomes(passed=3, skipped=2)
    assert "its own solution fails correct[float32]" in flat(result)


HOOK = """
from pytest_upskill import Assertion

def pytest_upskill_assertions(case, reply, kernel):
    yield Assertion("short", LIMIT > len(reply.text), "the reply is too long")
"""


@pytest.mark.parametrize(("limit", "queried"), [(10, False), (10**6, True)])
def test_no_student_is_queried_for_a_case_whose_solution_fails_an_assertion_of_the_project(
    bench: Workbench, limit: int, queried: bool
) -> None:
    bench.right_with_the_skill()
    bench.write("conftest.py", HOOK.replace("LIMIT", str(limit)))
    result = bench.run("skills", STUDENT, "-k", "scale")
    assert ("its own solution fails short: the reply is too long" in flat(result)) == (not queried)
    result.assert_outcomes(**({"passed": 2} if queried else {"skipped": 2}))


def test_no_student_is_queried_for_a_case_whose_solution_violates_the_contract(bench: Workbench) -> None:
    bench.right_with_the_skill()
    weak(bench, "void scale(", "void scales(")
    result = bench.run("skills", STUDENT, "-k", "scale")
    result.assert_outcomes(skipped=2)
    assert "its own solution fails contract: " in flat(result)
    bench.run("skills", "--upskill", "-k", "scale and mutants").assert_outcomes(failed=1)


@pytest.mark.parametrize("added", [True, False])
def test_a_student_is_judged_on_the_examples_that_the_self_check_adds(
    bench: Workbench, added: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak(bench, "n: 1..3000}", "n: 1..34}\nexamples: 3")
    bench.answer("scale", "skill", kernel("scale", limit="(n < 32 ? n : 32)"))
    monkeypatch.setattr(CudaExecutor, "tracer", lambda self: None)  # it finds the size as well
    if not added:
        monkeypatch.setattr(CaseGate, "examples", lambda *_: ())
    options = ("--upskill-arms=skill", "--upskill-examples=1", "--upskill-seed=1")
    for _ in range(2):  # the second run finds the self-check's result in the cache
        result = bench.run("skills", STUDENT, "-k", "scale", *options)
        result.assert_outcomes(**{"failed" if added else "passed": 1})


def test_prompts_are_written_without_a_self_check(bench: Workbench) -> None:
    weak(bench, "---\nMultiply", LOOSE)
    bench.run("skills", "--upskill-prompts=out", "-k", "scale")
    assert (bench.root / "out/tiny/scale.skill.md").is_file()


def test_the_golden_student_alone_has_no_mutants(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill-student=golden", "--collect-only", "-q")
    assert "mutants" not in result.stdout.str()
