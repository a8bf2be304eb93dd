"""Refining a skill: what the teacher is shown, which answers are refused, and what held-out cases let be kept."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.errors import BudgetStopped, StudentError
from pytest_upskill.generator.experiment import Runner
from pytest_upskill.generator.refine import (
    Ending,
    Options,
    Refined,
    Refiner,
    corrected,
    longest_question,
    what_can_be_decided,
)
from pytest_upskill.generator.version_checks import UNSEEN, VersionChecks, language_of
from pytest_upskill.records import Outcome, Prompt, Reply, Verdict, VerdictKind
from pytest_upskill.replies.budget import worst_conversation
from pytest_upskill.skills.skill import validate_text
from pytest_upskill.students.base import Price, StudentConfig
from tests.unit import generator_cases as tiny
from tests.unit.simulated_students import ScriptedTeacher, Simulation, answer, rates, sections, some

TRAINING, HELD_OUT = some("train", 8), some("exam", 12)
OLD, BETTER = sections("Types", "Order"), sections("Types", "Order", "Barriers")
NEEDS = {"Types": 0.1, "Order": 0.1, "Barriers": 0.7}


def refiner(runner: Runner, teacher: ScriptedTeacher, options: Options | None = None, **more: object) -> Refiner:
    return Refiner(runner, teacher, TRAINING, HELD_OUT, options or Options(), lambda text, present: (), **more)  # type: ignore[arg-type]


def refined(answers: Sequence[str], needs: dict[str, float], seed: int = 0, options: Options | None = None) -> Refined:
    return refiner(Simulation(rates(needs), seed), ScriptedTeacher(answers), options).run(OLD)


def test_the_missing_section_is_found_and_kept() -> None:
    found = refined([answer(OLD.replace("Types", "Kinds")), answer(BETTER), answer(BETTER + "\nMore.\n")], NEEDS, 3)
    assert found.text in (BETTER, BETTER + "\nMore.\n") and found.kept
    kept = next(one for one in found.rounds if one.kept)
    assert kept.proposal.text == BETTER and kept.p is not None and kept.p <= 0.05
    assert kept.held_out is not None and kept.held_out.counts[0] >= 5


def test_a_better_version_is_nearly_always_kept() -> None:
    kept = sum(refined([answer(BETTER)], NEEDS, seed).kept for seed in range(30))
    assert kept >= 27


@pytest.mark.parametrize("trials", [1, pytest.param(3, marks=pytest.mark.full)])
def test_a_worse_version_is_hardly_ever_kept(trials: int) -> None:
    """A hundred runs of three rounds with other noise: the versions lose a little, or as much as they gain."""
    kept = 0
    for seed in range(100):
        drawn = random.Random(seed)
        base = drawn.uniform(0.2, 0.7)
        worse = {f"No {index}": -drawn.choice((0.0, 0.0, 0.05, 0.2)) for index in range(3)}
        runner = Simulation(rates(worse, base, by_case=0.4), seed)
        answers = [answer(sections("Types", "Order", title)) for title in worse]
        kept += refiner(runner, ScriptedTeacher(answers), Options(trials=trials)).run(OLD).kept
    assert kept <= 5


def test_the_teacher_sees_nothing_of_held_out_cases() -> None:
    teacher = ScriptedTeacher([answer(OLD.replace("Types", f"Kind {number}")) for number in range(4)])
    refiner(Simulation(rates(NEEDS), 5), teacher).run(OLD)
    assert len(teacher.steps) == 3
    asked = "\n".join(f"{step.name}\n{step.prompt.text}\n{step.prompt.earlier}" for step in teacher.steps)
    assert "train" in asked and "exam" not in asked
    # Nor how they ended: with other results of held-out cases, as long as none is kept, the questions are the same.
    other = ScriptedTeacher(teacher.answers)
    exam = Simulation(lambda text, case: 0.5 if "exam" in case.name else rates(NEEDS)(text, case), 5)
    refiner(exam, other).run(OLD)
    assert [step.prompt.digest for step in other.steps] == [step.prompt.digest for step in teacher.steps]


def test_failures_are_shown_once_by_cause_with_kernels(tmp_path: Path) -> None:
    teacher = ScriptedTeacher([answer(BETTER)])
    refiner(Simulation(rates({}, 0.0), noise=False), teacher, Options(trials=3, rounds=1)).run(OLD)
    text = teacher.steps[0].prompt.user
    assert "Cause 1: correct[float32]: 3 of 3 elements of 'out' are wrong" in text and "Cause 2" not in text
    assert "24 failures in 8 cases" in text and text.count("def train3(x)") == 1
    assert "smallest input that shows it: n = 3, float32" in text and "Compute the thing called train0." in text
    assert "passed 0 of 24 answers" in text and OLD.strip() in text
    assert "of the present text: English." in teacher.steps[0].prompt.system


def test_a_version_that_is_worse_in_training_costs_no_held_out_question() -> None:
    runner = Simulation(rates({"Types": 0.9}, 0.0), noise=False)
    runner.rate = lambda text, case: float("## Types" in text and case.name != "train0")
    found = refiner(runner, ScriptedTeacher([answer(sections("Order"))]), Options(rounds=1)).run(OLD)
    assert [one.ending for one in found.rounds] == [Ending.WORSE_IN_TRAINING] and found.text == OLD
    assert not any(name.startswith("exam") for name, _, _ in runner.asked)


def test_an_inconclusive_version_is_not_kept_and_the_next_question_shows_it() -> None:
    teacher = ScriptedTeacher([answer(sections("Types", "Order", "Luck")), answer(BETTER)])
    runner = Simulation(rates({}, 0.5), 1)
    found = refiner(runner, teacher, Options(rounds=2)).run(OLD)
    assert found.rounds[0].ending in (Ending.INCONCLUSIVE, Ending.WORSE_IN_TRAINING) and not found.kept
    assert "about Luck" in teacher.steps[1].prompt.user and "about Luck" not in teacher.steps[0].prompt.user


def test_what_has_no_verdict_counts_for_neither_version() -> None:
    runner = Simulation(rates(NEEDS, 0.0), 2, broken=frozenset({"exam0", "exam1", "train0"}))
    found = refiner(runner, ScriptedTeacher([answer(BETTER)]), Options(rounds=1)).run(OLD)
    (one,) = found.rounds
    assert one.held_out and one.held_out.undecided == ("exam0", "exam1") and sum(one.held_out.counts) == 10
    nothing = Simulation(rates(NEEDS), broken=frozenset(case.name for case in TRAINING))
    with pytest.raises(StudentError, match="no training case has a verdict: no route to the server"):
        refiner(nothing, ScriptedTeacher([answer(BETTER)])).run(OLD)
    few = Simulation(rates(NEEDS), broken=frozenset(case.name for case in HELD_OUT[:8]))
    with pytest.raises(StudentError, match="8 of 12 held-out cases have no verdict, and the others are too few"):
        refiner(few, ScriptedTeacher([answer(BETTER)])).run(OLD)


def test_the_budget_ends_it() -> None:
    class Stopping(Simulation):
        def run(self, *arguments: object, **named: object) -> list[Outcome]:
            found = super().run(*arguments, **named)  # type: ignore[arg-type]
            return [*found[:-1], replace(found[-1], verdict=Verdict(VerdictKind.BUDGET_STOPPED, "it is used up"))]

    with pytest.raises(BudgetStopped, match="it is used up"):
        refiner(Stopping(rates(NEEDS)), ScriptedTeacher([answer(BETTER)])).run(OLD)


def bytes_of(prompt: Prompt) -> int:
    earlier = [text for one in prompt.earlier for text in (one.answer, one.told)]
    return sum(len(text.encode()) for text in (prompt.system, prompt.user, *earlier))


@pytest.mark.parametrize("letter", ["x", "é", "日", "𝄞"])
def test_no_question_is_longer_than_the_estimate_allows_for(letter: str) -> None:
    """Full versions, two refused answers a round, more failures than fit; a token is one byte, as in the worst case."""
    options = Options(target=500, feedback=400)
    full = 4 * options.target
    versions = [sections("Types", f"No {number}") for number in range(3)]
    versions = [text + letter * ((full - len(text.encode()) - 1) // len(letter.encode())) + "\n" for text in versions]
    answers = [answer(text) for text in versions for _ in range(options.attempts)]
    verdicts = iter([[letter * 9000], [letter * 9000], []] * options.rounds)
    teacher = ScriptedTeacher(answers)
    runner = Simulation(rates({}, 0.0), noise=False)
    runner.message = f"3 of 3 elements of '{letter * 300}' are wrong"
    one = replace(refiner(runner, teacher, options), problems=lambda text, present: next(verdicts))
    found = one.run(OLD)
    assert [len(found.rounds), len(teacher.steps)] == [3, 9] and not found.kept
    most = max(len(text.encode()) for text in answers)
    config = StudentConfig("master", "scripted", "m", max_tokens=most, price=Price(1.0, 10.0, 0.1))
    worst = [
        each for number in (1, 2, 3)
        for each in worst_conversation(config, longest_question(options, OLD, number), options.attempts)
    ]  # fmt: skip
    for step, text, bound in zip(teacher.steps, answers, worst, strict=True):
        paid = bytes_of(step.prompt) + len(text.encode())
        assert paid <= bound.tokens
        # All that is not there to be priced: a longer present text, and up to two answers that were sent back.
        assert bound.tokens < paid + 4 * full + 8000


def test_a_student_that_passes_everything_teaches_nothing() -> None:
    teacher = ScriptedTeacher([answer(BETTER)])
    found = refiner(Simulation(rates({}, 1.0)), teacher).run(OLD)
    assert not teacher.steps and "nothing to learn from" in found.why


def test_p_values_are_corrected_for_all_rounds() -> None:
    three = Options(rounds=3)
    assert corrected(0.02, [], three) == pytest.approx(0.06)
    assert corrected(0.015625, [], three) <= 0.05
    assert corrected(0.03, [0.01, 0.5], three) == pytest.approx(0.06)
    assert corrected(0.03125, [], Options(rounds=1)) == 0.03125


def test_it_is_said_beforehand_what_the_cases_can_decide() -> None:
    text, more = what_can_be_decided(4, 1)
    assert text.startswith("cannot be decided with 4 held-out cases: 1 more held-out case is needed") and more == 1
    assert text.endswith("(p <= 0.05: one-sided, exact)")
    text, more = what_can_be_decided(5, 3)
    assert more == 1 and "0.05 after Holm's correction for 3 rounds" in text
    text, more = what_can_be_decided(10, 3)
    assert more == 0 and "at least 6 must change" in text and "6 better and none worse, or 9 better and 1 worse" in text


# ------------------------------------------------------------------------------------------------ answers of a teacher

SOLVED = tiny.case_text("twice").replace("return x * 2\n```\n", "return x * 2\n```\n", 1)
LONG = "\n".join(f"    y{number} = x * {number} + torch.abs(x - {number})" for number in range(12))


def checks(tmp_path: Path, target: int = 400) -> VersionChecks:
    text = tiny.case_text("seen").replace("def seen(x):\n    return", f"def seen(x):\n{LONG}\n    return")
    hidden = text.replace("seen", "hidden").replace("abs", "exp").replace("times 2", "times two, slowly")
    skill_path = tiny.make_skill(tmp_path, {"seen": text, "hidden": hidden}, OLD)
    hidden_case, seen_case = tiny.cases_of(skill_path)
    return VersionChecks(skill_path, [seen_case], [hidden_case], target, "en")


GOOD = answer(BETTER)
JAPANESE = "これはテンソルの関数を書くための文章です。丸めは最後に一度だけ行います。\n" * 5
BAD = {
    "not Markdown": ("Sure! I improved it.", "no block for SKILL.md"),
    "another path": (GOOD.replace("SKILL.md", "../../.bashrc"), "'../../.bashrc'"),
    "a second file": (GOOD + "~~~~~~markdown references/more.md\nMore.\n~~~~~~\n", "references/more.md"),
    "too long": (answer(BETTER + "word " * 2000 + "\n"), "at most 400 are allowed"),
    "five megabytes": (answer(BETTER + "x" * 5_000_000 + "\n"), "200,000"),
    "unchanged": (answer(OLD.replace("\n\n", "\n\n\n")), "unchanged"),
    "another name": (answer(BETTER.replace("name: tiny", "name: other")), "differs from its folder's name"),
    "no frontmatter": (answer(BETTER.partition("---\n\n")[2]), "line 1 must be exactly '---'"),
    "an unknown key": (answer(BETTER.replace("name: tiny", "name: tiny\ncommand: rm -rf /")), "unknown key 'command'"),
    "a key that grants tools": (
        answer(BETTER.replace("name: tiny", "name: tiny\nallowed-tools: Bash(*)")),
        "'allowed-tools: Bash(*)', which differs",
    ),
    "a hook": (answer(BETTER.replace("name: tiny", "name: tiny\nhooks: {x: 'rm -rf ~'}")), "'hooks"),
    "a link to nothing": (answer(BETTER + "\nSee references/gone.md.\n"), "does not exist"),
    "another language": (answer(BETTER + JAPANESE * 3), "the text is not in English"),
    "never closed": (GOOD.removesuffix("~~~~~~\n"), "never closed"),
    "a solution": (answer(BETTER + f"\n```python\ndef f(x):\n{LONG}\n    return x * 2\n```\n"), "case seen: "),
    "a hidden solution": (
        answer(BETTER + f"\n```python\ndef f(x):\n{LONG.replace('abs', 'exp')}\n    return x * 2\n```\n"),
        UNSEEN,
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_goes_back_with_the_reason_and_a_good_one_is_taken(tmp_path: Path, kind: str) -> None:
    bad, reason = BAD[kind]
    teacher = ScriptedTeacher([bad, GOOD])
    one = refiner(Simulation(rates(NEEDS), 3), teacher, Options(rounds=1, target=400))
    found = replace(one, problems=checks(tmp_path).problems).run(OLD)
    (last,) = found.rounds
    assert last.proposal.text == BETTER and len(last.proposal.refused) == 1
    assert reason in last.proposal.refused[0]
    (exchange,) = teacher.steps[1].prompt.earlier
    assert reason in exchange.told and "hidden" not in exchange.told and len(exchange.answer) <= 41_000
    assert teacher.steps[1].name == teacher.steps[0].name and teacher.steps[1].attempt == 2


def test_a_teacher_that_only_gives_bad_answers_changes_nothing(tmp_path: Path) -> None:
    cut = Reply(GOOD[:40], finish="length")
    teacher = ScriptedTeacher([cut, "no", "no"])
    found = replace(refiner(Simulation(rates(NEEDS)), teacher), problems=checks(tmp_path).problems).run(OLD)
    assert found.text == OLD and not found.kept and found.why == "the teacher gave no valid answer"
    assert len(teacher.steps) == 3 and "cut off" in found.rounds[0].proposal.refused[0]


def test_problems_of_the_present_text_are_none_of_the_new_one(tmp_path: Path) -> None:
    linked = BETTER + "\nSee references/gone.md.\n"
    assert checks(tmp_path).problems(linked, OLD + "\nSee references/gone.md.\n") == []
    assert not [one for one in validate_text(BETTER, tmp_path / "tiny" / "SKILL.md") if one.severity == "error"]


def test_the_language_is_the_recorded_one_or_that_of_the_text() -> None:
    assert [language_of(OLD), language_of(JAPANESE * 3), language_of(OLD, "de")] == ["en", "ja", "de"]
