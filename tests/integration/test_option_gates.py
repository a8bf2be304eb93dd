"""Gates in whole runs: exit status, letters, known failures, usage errors, asking no longer than needed."""

from __future__ import annotations

import json

import pytest

from tests.integration.conftest import BOTH, Workbench

STUDENT = "--upskill-student=files:answers"
CASE = "---\nexpect: {contains: [answer]}\n---\nSay word NUMBER.\n"


@pytest.fixture
def words(bench: Workbench) -> Workbench:
    """Six text cases; with the skill all but the last pass, without it none."""
    for name in ("scale", "shift"):
        (bench.skill / "evals" / f"{name}.md").unlink()
    for number in range(6):
        bench.write(f"skills/tiny/evals/word{number}.md", CASE.replace("NUMBER", str(number)))
        bench.write(f"answers/tiny/word{number}.skill.md", "the answer" if number < 5 else "no")
        bench.write(f"answers/tiny/word{number}.baseline.md", "no")
    return bench


@BOTH
def test_with_a_gate_failures_are_data_and_the_verdict_is_the_exit_status(words: Workbench, workers: list[str]) -> None:
    passed = words.run("skills", STUDENT, "--upskill-min-pass-rate=0.8", "--upskill-report=out.json", *workers)
    assert passed.ret == 0
    assert "f" in "".join(line for line in passed.outlines if "[100%]" in line)
    passed.stdout.fnmatch_lines(["gate PASS  min-pass-rate 80%, tiny files: 83.3%*"])
    assert [row["verdict"] for row in json.loads((words.root / "out.json").read_text())["gates"]] == ["PASS"]
    assert words.run("skills", STUDENT, "--upskill-min-pass-rate=0.9", *workers).ret == 1
    unsure = words.run("skills", STUDENT, "--upskill-min-pass-rate=0.5", "--upskill-gate=interval", *workers)
    assert unsure.ret == 7
    words.write("answers/tiny/word3.skill.md", "no")
    lost = words.run("skills", STUDENT, "--upskill-no-regression", *workers)
    assert lost.ret == 1
    lost.stdout.fnmatch_lines(["*regressed: word3 files skill*", "gate FAIL*1 case regressed*word3"])
    assert words.run("skills", STUDENT, *workers).ret == 1, "without a gate, failures fail the run"


@BOTH
def test_asking_stops_once_the_gates_are_decided(words: Workbench, workers: list[str]) -> None:
    result = words.run("skills", STUDENT, "--upskill-min-pass-rate=0.5", "--upskill-until-decided", *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*baseline: * not needed*", "gate PASS*decided early: no*"])
    assert not list((words.root / ".upskill").glob("decided-*"))


def test_known_failures_fail_no_run_and_unexpected_passes_are_named(words: Workbench) -> None:
    words.write("skills/tiny/evals/word5.md", CASE.replace("---\nexpect", "---\nxfail: needs a hint\nexpect"))
    words.pytester.makeini("[pytest]\nupskill_xfail =\n    tiny/word0 f*: cured since\n")
    result = words.run("skills", STUDENT)
    assert result.ret == 0
    assert result.parseoutcomes()["xfailed"] == result.parseoutcomes()["xpassed"] == 1
    result.stdout.fnmatch_lines(
        ["unexpected pass: word0 files (cured since)*", "known failure: word5 files (needs a hint)"]
    )
    gated = words.run("skills", STUDENT, "--upskill-min-pass-rate=0.8")
    assert gated.parseoutcomes()["xfailed"] == 1 and gated.ret == 0


@pytest.mark.parametrize(
    ("arguments", "table", "message"),
    [
        (["--upskill-min-lift=0.1", "--upskill-arms=skill"], "", "--upskill-min-lift=0.1: a gate on nothing: no item*"),
        ([], "[tool.upskill.gates.tinny]\nmax_cost = 1\n", "[[]tool.upskill.gates.tinny] max_cost: a gate on nothing*"),
        (["--upskill-min-pass-rate=80"], "", "*'80' is not a rate from 0 to 1 such as 0.8 or 80%"),
        (["--upskill-until-decided"], "", "*there is no gate that could be decided early; add*"),
    ],
)
def test_a_gate_on_nothing_is_a_usage_error(words: Workbench, arguments: list[str], table: str, message: str) -> None:
    words.write("pyproject.toml", table)
    result = words.run("skills", STUDENT, *arguments)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*{message}"])
    if table:
        assert words.run("skills", STUDENT, "--upskill-gate=off").ret == 1
