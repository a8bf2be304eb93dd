"""Runs of a student without pytest: arms, shared replies, budget, failures that are not the student's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.configuration.rootdir import rootdir_of
from pytest_upskill.errors import StudentError
from pytest_upskill.execution.prompt_rendering import build_prompt
from pytest_upskill.generator.experiment import BASELINE, SKILL, Cost, Experiment, version
from pytest_upskill.judging.signatures import signature_of
from pytest_upskill.records import Question, Reply, VerdictKind
from pytest_upskill.replies.ledger import Ledger, Limits
from pytest_upskill.skills.arms import guidance
from tests.unit import generator_cases as tiny
from tests.unit.scripted_students import CONFIG, ScriptedStudent, reply

PASSED, FAILED = VerdictKind.PASSED, VerdictKind.FAILED
Answer = Callable[[Question], Reply | Exception]


def run(
    skill_path: Path, answer: Answer, shown: list, trials: int = 1, budget: float | None = None
) -> tuple[list, ScriptedStudent]:
    student, root = ScriptedStudent(answer), skill_path.parents[2]
    ledger = Ledger(root, f"session {len(list(root.iterdir()))}{id(student)}", Limits(budget))
    experiment = Experiment(skill_path, student, ledger, root, device="cpu")
    try:
        return experiment.run(tiny.cases_of(skill_path), shown, trials), student
    finally:
        experiment.close()
        ledger.close()


def knows_the_skill(question: Question) -> Reply:
    return reply(tiny.function(question.case, 2 if "Multiply by two" in question.prompt.system else 3))


def test_each_arm_is_judged_and_a_version_that_is_not_on_disk_is_one(tmp_path: Path) -> None:
    skill_path = tiny.make_skill(tmp_path, {"twice": tiny.case_text("twice")})
    without = version(tiny.SKILL.replace("Multiply by two.", "Be careful."))
    outcomes, student = run(skill_path, knows_the_skill, [BASELINE, SKILL, without])
    assert [one.verdict.kind for one in outcomes] == [FAILED, PASSED, FAILED]
    lost = outcomes[0]
    assert lost.verdict.counterexample and lost.verdict.headline and lost.source and "x * 3" in lost.source
    assert lost.verdict.headline.name == "correct[float32]" and lost.cost_usd == 0.25
    assert {one.verdict.counterexample.example.seed for one in (lost, outcomes[2]) if one.verdict.counterexample}
    assert "Be careful." in student.asked[-1].prompt.system and len(student.asked) == 3


def test_prompts_are_those_of_pytest_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    skill_path = tiny.make_skill(tmp_path, {"one": tiny.text_case("warp"), "twice": tiny.case_text("twice")})
    case, signature = (one := tiny.cases_of(skill_path)[1]), signature_of(one)
    _, student = run(skill_path, knows_the_skill, [SKILL, BASELINE])
    shown = guidance("skill", skill_path)
    assert shown is not None
    expected = {build_prompt(case, signature, shown.text).digest, build_prompt(case, signature, None).digest}
    assert {one.prompt.digest for one in student.asked if one.case == "twice"} == expected
    # A version with the text on disk is the skill: when a version is kept, its replies are those of the skill.
    outcomes, again = run(skill_path, knows_the_skill, [version(tiny.SKILL), BASELINE, SKILL])
    assert not again.asked and len(outcomes) == 6
    _, more = run(skill_path, knows_the_skill, [SKILL], trials=2)
    assert [one.trial for one in more.asked] == [2, 2]


def test_the_budget_ends_the_asking_and_the_rest_is_no_loss(tmp_path: Path) -> None:
    skill_path = tiny.make_skill(tmp_path, {name: tiny.text_case(f"warp {name}") for name in "abcd"})

    def answer(question: Question) -> Reply:
        return reply(f"warp {question.case}", cost_usd=0.0015)

    outcomes, student = run(skill_path, answer, [SKILL], budget=0.004)
    kinds = [one.verdict.kind for one in outcomes]
    assert kinds == [PASSED] * len(student.asked) + [VerdictKind.BUDGET_STOPPED] * (4 - len(student.asked))
    assert 0 < len(student.asked) < 4
    outcomes, student = run(skill_path, answer, [SKILL])
    assert [one.verdict.kind for one in outcomes] == [PASSED] * 4 and len(student.asked) < 4


def test_a_server_that_fails_is_no_loss_of_the_student(tmp_path: Path) -> None:
    skill_path = tiny.make_skill(tmp_path, {"a": tiny.text_case("warp"), "b": tiny.text_case("lane")})

    def answer(question: Question) -> Reply | Exception:
        return StudentError("no route") if question.case == "a" else reply("block")

    outcomes, _ = run(skill_path, answer, [SKILL])
    assert [one.verdict.kind for one in outcomes] == [VerdictKind.INFRASTRUCTURE_ERROR, FAILED]


def test_the_cost_counts_what_is_new_and_asks_nothing(tmp_path: Path) -> None:
    skill_path = tiny.make_skill(tmp_path, {"a": tiny.text_case("warp"), "b": tiny.text_case("lane")})
    student, ledger = ScriptedStudent(lambda question: reply("warp")), Ledger(tmp_path, "now")
    experiment = Experiment(skill_path, student, ledger, tmp_path, device="cpu")
    cases = tiny.cases_of(skill_path)
    try:
        before = experiment.cost(cases, [SKILL, BASELINE], 2)
        assert before.asked == 8 and before.stored == 0 and before.usd and before.tokens and not student.asked
        experiment.run(cases[:1], [SKILL], 1)
        after = experiment.cost(cases, [SKILL, BASELINE], 2)
        assert (after.asked, after.stored) == (7, 1) and after.usd and after.usd < before.usd
    finally:
        experiment.close()
        ledger.close()
    unpriced = ScriptedStudent(lambda question: reply("warp"), replace(CONFIG, price=None))
    ledger = Ledger(tmp_path, "later")
    experiment = Experiment(skill_path, unpriced, ledger, tmp_path, device="cpu")
    try:
        assert experiment.cost(cases[1:], [SKILL], 1).usd is None
    finally:
        experiment.close()
        ledger.close()
    assert Cost(1, 0, 10, 0.5) * 2 + Cost(stored=1) == Cost(2, 1, 20, 1.0)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"pytest.ini": "", "a/pyproject.toml": ""}, "."),
        ({"a/pyproject.toml": "[project]"}, "a"),
        ({"pyproject.toml": "[tool.pytest.ini_options]", "a/pyproject.toml": "[project]"}, "."),
        ({"setup.cfg": "[tool:pytest]", "a/tox.ini": "[tox]"}, "."),
        ({"a/setup.py": ""}, "a"),
        ({}, "."),
    ],
)
def test_the_rootdir_is_that_of_pytest(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    (tmp_path / "a" / "skills").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = rootdir_of(tmp_path / "a" / "skills", tmp_path)
    assert found == (tmp_path / expected).resolve()
