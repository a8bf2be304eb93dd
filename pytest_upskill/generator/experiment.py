"""Runs a student on cases without pytest: with the skill, without it, and with a SKILL.md that is not on disk.

Prompts, stored replies and verdicts are the same as in a pytest run with the same rootdir. A reply that was paid for in
one of the two is in the ledger, so it costs nothing in the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from pytest_upskill.cases.case import Case
from pytest_upskill.devices.base import Machine
from pytest_upskill.devices.choose import choose
from pytest_upskill.execution.attempts import wanted_of
from pytest_upskill.execution.pipeline import JudgeOptions, Pipeline
from pytest_upskill.execution.prompt_rendering import PromptRenderer
from pytest_upskill.execution.task import Task, item_seed, place_of
from pytest_upskill.judging.interface import Limits
from pytest_upskill.records import ItemKind, Outcome
from pytest_upskill.replies.budget import WorstCase
from pytest_upskill.replies.ledger import Ledger
from pytest_upskill.replies.scheduling import Replies
from pytest_upskill.skills import arms
from pytest_upskill.skills.noise import NO_NOISE, Noise
from pytest_upskill.students.base import Student
from pytest_upskill.students.judges import judge_of

LOOK_AHEAD = 3
"""The number of later items whose replies and builds start early."""
ASK_AHEAD = 8
"""The number of replies that are requested ahead, as a multiple of the student's slots."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What the student is shown of the skill. If ``text`` is not None, it is shown as the SKILL.md; otherwise ``name``
    says what is shown (``skills.arms``).
    """

    name: str
    text: str | None = None

    @property
    def slug(self) -> str:
        """The name of this arm in outcomes."""
        return arms.slug(self.name)


BASELINE, SKILL = Arm(arms.BASELINE), Arm(arms.SKILL)


def version(text: str) -> Arm:
    """The arm that shows this text as SKILL.md, whether or not the text is on disk."""
    return Arm(f"version-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}", text)


@dataclass(frozen=True, slots=True)
class Cost:
    """The most that questions can cost. ``asked`` is the number of new questions; ``usd`` is None if a price is not
    known.
    """

    asked: int = 0
    stored: int = 0
    tokens: int = 0
    usd: float | None = 0.0

    def __add__(self, other: Cost) -> Cost:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(self.asked + other.asked, self.stored + other.stored, self.tokens + other.tokens, usd)

    def __mul__(self, times: int) -> Cost:
        usd = None if self.usd is None else self.usd * times
        return Cost(self.asked * times, self.stored * times, self.tokens * times, usd)


Seen = Callable[[Outcome], object]
"""A callback that is given each outcome as soon as it exists."""


class Runner(Protocol):
    """Runs a student on cases."""

    def run(
        self, cases: Sequence[Case], shown: Sequence[Arm], trials: int, seen: Seen = lambda outcome: None
    ) -> list[Outcome]:
        """An outcome for each case, arm and trial, in this order. Each outcome has the verdict, the failed assertions,
        the counterexample, the kernel, the compiler's messages, the tokens and the cost.

        If there is no verdict on the student (because of a server, a time limit, or the budget), the outcome says so.
        """

    def cost(self, cases: Sequence[Case], shown: Sequence[Arm], trials: int) -> Cost:
        """The most that ``run`` can cost. Queries no student."""


class Experiment:
    """A ``Runner`` that queries ``student`` and judges in this process. ``seed`` seeds all examples, so all arms of a
    case have the same examples. With ``noise``, other skills are shown beside the skill. ``judges`` judge rubrics. The
    ledger holds the budget; the caller closes it.
    """

    def __init__(
        self,
        skill_path: Path,
        student: Student,
        ledger: Ledger,
        rootdir: Path,
        seed: int = 0,
        device: str = "auto",
        limits: Limits | None = None,
        noise: Noise = NO_NOISE,
        judges: Sequence[Student] = (),
    ) -> None:
        self._noise = noise
        self._judges = {one.name: one for one in judges}
        self._skill_path, self._student, self._rootdir, self._seed = skill_path, student, rootdir, seed
        self._device, limits = device, limits or Limits()
        self._replies = Replies(lambda: ledger, lambda name: self._judges.get(name, student), rootdir)
        self._renderer = PromptRenderer()
        options = JudgeOptions(limits.call_seconds, item_timeout=limits.item_seconds)
        configs = {name: one.config for name, one in self._judges.items()}
        self._pipeline = Pipeline(
            lambda: self._machine, self._replies, options, rootdir, built=ledger.count_build,
            judge_of=lambda name: judge_of(student.config, configs),
        )  # fmt: skip

    @cached_property
    def _machine(self) -> Machine:
        return choose(self._device)

    def run(
        self, cases: Sequence[Case], shown: Sequence[Arm], trials: int, seen: Seen = lambda outcome: None
    ) -> list[Outcome]:
        """Run as ``Runner.run`` says. Call it from the main thread only."""
        tasks = list(self._tasks(cases, shown, trials))
        self._pipeline.load(tasks)
        outcomes = []
        for place, task in enumerate(tasks):
            ahead = place + 1 + self._replies.width(self._student.name) * ASK_AHEAD
            later = tasks[place + 1 : ahead] if self._replies.asks(self._student.name) else []
            self._pipeline.prefetch(tasks[place : place + 1 + LOOK_AHEAD], later)
            outcomes.append(self._pipeline.run(task))
            seen(outcomes[-1])
        return outcomes

    def cost(self, cases: Sequence[Case], shown: Sequence[Arm], trials: int) -> Cost:
        """The cost as ``Runner.cost`` says. Raises CaseError if the prompt of a case cannot be made."""
        total = Cost()
        for task in self._tasks(cases, shown, trials):
            wanted, worst = wanted_of(task, self._renderer.of(task)), list[WorstCase]()
            if self._replies.asks(self._student.name):
                worst = list(self._replies.worst_case(wanted)[1])[:1]
            total += Cost(stored=not worst)
            for _, answers in self._pipeline.rubric_costs(task, wanted, is_known=not worst):
                worst += answers
            total = sum((Cost(1, 0, one.tokens, one.usd) for one in worst), total)
        return total

    def problems(self) -> list[str]:
        """Messages about stored replies that cannot be used, without repetition."""
        return self._replies.new_problems()

    def hurry(self) -> None:
        """Make ``close`` stop waiting. A signal handler calls this."""
        self._replies.hurry()

    def close(self, at_once: bool = False) -> None:
        """End the student's open questions. With ``at_once``, do not wait for their replies."""
        self._replies.stop(at_once)
        for one in {self._student.name: self._student, **self._judges}.values():
            one.close()
        self._pipeline.close()
        self._replies.close()

    def _tasks(self, cases: Sequence[Case], shown: Sequence[Arm], trials: int) -> Iterator[Task]:
        place = place_of(self._skill_path.parent, self._rootdir)
        for case in filter(self._student.can_answer, cases):
            first = Task(
                id="", kind=ItemKind(case.kind), skill=case.skill,
                skill_path=self._skill_path, case=case, student=self._student.name, arm=None, trial=1, seed=0,
                examples=None, example=None, replay="", disclosure=self._student.config.disclosure, place=place,
                noise=self._noise,
            )  # fmt: skip
            for arm in shown:
                for trial in range(1, trials + 1):
                    suffix = f"-{trial}" if trial > 1 else ""
                    name = f"{place}/{self._skill_path.name}::{case.name}[{self._student.name}-{arm.slug}{suffix}]"
                    seed = item_seed(self._seed, f"{case.name}-{trial}")
                    yield replace(first, id=name, arm=arm.name, trial=trial, seed=seed, text=arm.text)
