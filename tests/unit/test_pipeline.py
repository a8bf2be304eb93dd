"""The order of things: what is asked while something else is waited for."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_upskill.case_quality.result import CaseQuality
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.contracts import registry as contracts
from pytest_upskill.execution.pipeline import JudgeOptions, Pipeline
from pytest_upskill.execution.task import Task
from pytest_upskill.records import Assertion, ItemKind, Question, Reply, VerdictKind
from pytest_upskill.replies.ledger import Ledger
from pytest_upskill.replies.scheduling import Replies
from tests.unit.oracle_kernels import ROWS_COLS, make_case
from tests.unit.scripted_students import ScriptedStudent, reply

PATIENCE = 60.0
SKILL = "---\nname: tiny\ndescription: A skill. Use it in tests.\n---\nBody.\n"


class Checks:
    """A self-check that takes its word for it: cases of ``bad`` are not worth asking. Nothing is known beforehand."""

    def __init__(self, bad: str = "") -> None:
        self.bad = bad
        self.checked: list[str] = []

    def send_ahead(self, subject: Subject, *_: object) -> None:
        pass

    def is_known_to_be_good(self, subject: Subject) -> bool:
        return subject.case.name in self.checked and subject.case.name not in self.bad

    def quality(self, subject: Subject) -> CaseQuality:
        case = subject.case
        self.checked += [case.name] if case.name not in self.checked else []
        return CaseQuality((Assertion("solution", case.name not in self.bad, "it is wrong"),))


def tasks(folder: Path, names: str) -> list[Task]:
    (folder / "SKILL.md").write_text(SKILL, encoding="utf-8")
    case = make_case(folder, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    return x * 2\n")
    first = Task(
        id="", kind=ItemKind.KERNEL, skill="tiny", skill_path=folder / "SKILL.md", case=case, student="pupil",
        arm="skill", trial=1, seed=0, examples=None, example=None, replay="",
    )  # fmt: skip
    # Prompts tell cases apart by their task.
    return [replace(first, id=name, case=replace(case, name=name, task=f"Do {name}.")) for name in names]


def pipeline(folder: Path, ledger: Ledger, answer: Any, checks: Checks, slots: int) -> Pipeline:
    student = ScriptedStudent(answer)
    replies = Replies(lambda: ledger, lambda name: student, folder, concurrency=slots)
    machine: Any = SimpleNamespace(device="cpu")
    made = Pipeline(lambda: machine, replies, JudgeOptions(timeout=1.0), rootdir=folder)
    made._gate._self_check = checks  # type: ignore[assignment]
    return made


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    opened = Ledger(tmp_path, "now")
    yield opened
    opened.close()


def test_while_a_reply_is_out_later_cases_are_checked_so_that_no_slot_is_idle(tmp_path: Path, ledger: Ledger) -> None:
    together = threading.Barrier(4, timeout=PATIENCE)

    def answer(question: Question) -> Reply:
        together.wait()
        return reply("I would rather not.")

    first, *later = tasks(tmp_path, "abcd")
    made = pipeline(tmp_path, ledger, answer, Checks(), slots=4)
    made.prefetch([first], later)
    assert made.run(first).verdict.kind is VerdictKind.FAILED
    assert not together.broken


def test_a_case_that_fails_its_check_meanwhile_is_not_asked_and_stops_no_other(tmp_path: Path, ledger: Ledger) -> None:
    asked: list[str] = []
    others = threading.Event()

    def answer(question: Question) -> Reply:
        asked.append(question.case)
        if question.case == "c":
            others.set()
        others.wait(PATIENCE)
        return reply("I would rather not.")

    first, *later = tasks(tmp_path, "abc")
    made = pipeline(tmp_path, ledger, answer, Checks(bad="b"), slots=2)
    made.prefetch([first], later)
    made.run(first)
    assert asked == ["a", "c"]
    outcome = made.run(later[0])
    assert outcome.verdict.kind is VerdictKind.INCONCLUSIVE
    assert outcome.verdict.reason and "not asked, because the case fails its self-check" in outcome.verdict.reason


@pytest.mark.parametrize("name", ["of-a-plugin", "launcher"])
def test_what_is_loaded_ahead_runs_nothing_of_a_plugins_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    touched = []

    class Contract:
        def __getattribute__(self, member: str) -> Any:
            touched.append(member)
            return super().__getattribute__(member)

    known = contracts._registry._known
    (task,) = tasks(tmp_path, "a")
    assert task.case is not None
    monkeypatch.setitem(known, name, Contract())  # type: ignore[arg-type]
    run = Pipeline(lambda: None, Any, JudgeOptions(timeout=1.0), tmp_path)  # type: ignore[arg-type, return-value]
    run.load([replace(task, case=replace(task.case, contract=name))])
    assert touched in ([], ["__class__"])
    monkeypatch.delitem(known, "launcher", raising=False)
    run.load([task])
    assert "launcher" in known
