"""In which order answers arrive makes no difference to what is kept. The teacher is scripted, proofs are stubbed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import permutations
from pathlib import Path

import pytest

from pytest_upskill.cases.provenance import read_provenance
from pytest_upskill.generator.conversations import Conversations
from pytest_upskill.generator.proving import Prover
from pytest_upskill.generator.questions import Order
from pytest_upskill.generator.teacher import Step
from pytest_upskill.generator.writing import MakeProver, Result, Writing
from pytest_upskill.records import Reply
from tests import teacher_answers as answers
from tests.unit.unproven import Unproven

NAMES = ("twice", "square", "flip", "shifted")
STEPS = ("skill", *(f"case-{name}" for name in NAMES))


class Ordered:
    """A teacher that answers its open questions in the order of ``turns``, each time that it is asked for all of them.

    A further attempt is answered at once.
    """

    name = model = "scripted"

    def __init__(self, said: dict[str, str], turns: Sequence[str]) -> None:
        self._said, self._turns = said, turns
        self._open: dict[str, Future[Reply]] = {}
        self.asked: list[str] = []

    def ask(self, step: Step) -> Future[Reply]:
        future: Future[Reply] = Future()
        name = step.name if step.attempt == 1 else f"{step.name}.attempt{step.attempt}"
        self.asked.append(name)
        if step.name == "plan" or step.attempt > 1:
            future.set_result(Reply(self._said[name]))
            return future
        self._open[name] = future
        if len(self._open) == len(self._turns):
            for one in self._turns:
                self._open[one].set_result(Reply(self._said[one]))
        return future

    def close(self) -> None:
        """Nothing is open."""


def unproven(skill: str) -> Prover:
    return Unproven(None, skill)


def written(
    said: dict[str, str],
    turns: Sequence[str],
    into: Path,
    attempts: int = 2,
    names: Sequence[str] = NAMES,
    make_prover: MakeProver = unproven,
) -> tuple[Result, Ordered]:
    teacher = Ordered(answers.good(names) | said, turns)
    talks = Conversations(teacher, attempts, lambda step, what: None)
    writing = Writing(talks, make_prover, Order(answers.TASK), lambda step, what: None)
    plan = writing.plan(len(names))
    assert plan is not None
    writing.new(plan, into)
    writing.close()
    return writing.result, teacher


def of_group(name: str, group: str) -> str:
    return answers.case(name, task=f"Compute {name}. GROUP {group}")


ORDERS = [*permutations(STEPS)]


@pytest.mark.parametrize("turns", random.Random(5).sample(ORDERS, 12), ids=" ".join)
def test_the_later_case_of_the_plan_is_refused_in_whatever_order_answers_arrive(
    tmp_path: Path, turns: Sequence[str]
) -> None:
    said = {
        "case-square": of_group("square", "A"),
        "case-shifted": of_group("shifted", "A"),
        "case-shifted.attempt2": answers.case("shifted"),
    }
    result, teacher = written(said, turns, tmp_path)
    assert result.kept == result.fresh == [*NAMES] and not result.left_out
    assert sorted(set(teacher.asked) - {"plan", *STEPS}) == ["case-shifted.attempt2"]
    evals = tmp_path / "signal-kernels" / "evals"
    assert "GROUP A" in (evals / "square.md").read_text() and "GROUP" not in (evals / "shifted.md").read_text()
    record = read_provenance(evals)
    assert record and record.cases["square"].attempts == 1 and record.cases["shifted"].attempts == 2
    assert {path.stem for path in evals.glob("*.md")} == record.cases.keys() == set(NAMES)
    assert len(record.names("held-out")) == len(record.names("training")) == 2


@pytest.mark.parametrize("seed", range(6))
def test_of_three_the_first_stays_and_a_last_attempt_leaves_out(tmp_path: Path, seed: int) -> None:
    said = {f"case-{name}": of_group(name, "A") for name in ("twice", "flip", "shifted")}
    turns = random.Random(seed).sample(STEPS, len(STEPS))
    result, _ = written(said, turns, tmp_path, attempts=1)
    assert result.kept == ["twice", "square"] and sorted(result.left_out) == ["case-flip", "case-shifted"]
    assert all("the same operator as case '" in reason for reason in result.left_out.values())
    assert {path.stem for path in tmp_path.rglob("evals/*.md")} == {"twice", "square"}


@pytest.mark.parametrize("turns", [STEPS, STEPS[1:] + STEPS[:1], STEPS[::-1]])
def test_an_earlier_case_that_is_not_kept_displaces_none(tmp_path: Path, turns: Sequence[str]) -> None:
    """Its proof fails, or the skill gives it away: also when the skill arrives last."""
    leaked = answers.case("flip").partition("```cuda\n")[2].partition("```")[0]
    said = {
        "skill": answers.skill(body=f"{answers.SKILL_BODY}\n```cuda\n{leaked}```\n"),
        "case-twice": answers.case("twice", task="BAD GROUP A"),
        "case-square": of_group("square", "A"),
        "case-flip": of_group("flip", "B"),
        "case-shifted": answers.case("shifted", task="Add. GROUP B", kernel="fmaf(1.0f, value, 3.0f) + 0.0f * value"),
    }
    result, _ = written(said, turns, tmp_path, attempts=1)
    assert result.kept == ["square", "shifted"]


def test_a_case_that_somebody_edits_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"case-twice": of_group("twice", "A"), "case-flip": of_group("flip", "A")}
    path = tmp_path / "signal-kernels" / "evals" / "flip.md"
    prove = Unproven.prove

    def edited(self: Unproven, case: object, *more: object) -> object:
        if path.exists():
            path.write_text(path.read_text().replace("Compute flip.", "Compute flip, please."))
        return prove(self, case, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Unproven, "prove", edited)
    result, _ = written(said, ("skill", "case-flip", "case-square", "case-shifted", "case-twice"), tmp_path, attempts=1)
    assert result.kept == ["square", "flip", "shifted"] and [*result.left_out] == ["case-twice"]
    assert "please" in path.read_text()
