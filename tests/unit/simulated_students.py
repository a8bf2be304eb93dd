"""A student whose ability depends on the sections of the skill, judged without kernels; and a teacher with a script."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from pytest_upskill.cases.case import Case
from pytest_upskill.generator.experiment import Arm, Cost, Seen
from pytest_upskill.generator.teacher import Step
from pytest_upskill.records import (
    Assertion,
    Counterexample,
    Example,
    ItemKind,
    Outcome,
    Reply,
    Tokens,
    Verdict,
    VerdictKind,
)


def sections(*titles: str) -> str:
    """A SKILL.md with these sections, each of a few words about its title."""
    parts = [f"## {title}\n\nThis is what the student needs to know about {title}.\n" for title in titles]
    head = "---\nname: tiny\ndescription: Write small functions on tensors. Use for tests.\n---\n\n# Tiny\n"
    return "\n".join([head, *parts])


def rates(needs: Mapping[str, float], base: float = 0.1, by_case: float = 0.0) -> Callable[[str, Case], float]:
    """A pass rate that each section in ``needs`` raises by so much; cases differ by up to ``by_case``."""

    def rate(text: str, case: Case) -> float:
        lifted = sum(gain for title, gain in needs.items() if f"## {title}\n" in text)
        return base + lifted + by_case * (random.Random(case.name).random() - 0.5)

    return rate


@dataclass
class Simulation:
    """A ``Runner``: an answer passes with the chance that ``rate`` gives for a skill's text and a case.

    The same version of the skill has the same answers, as stored replies have. ``broken`` cases have no verdict.
    """

    rate: Callable[[str, Case], float]
    seed: int = 0
    broken: frozenset[str] = frozenset()
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    noise: bool = True
    message: str = "3 of 3 elements of 'out' are wrong; the worst is out[0]"

    def run(
        self, cases: Sequence[Case], shown: Sequence[Arm], trials: int, seen: Seen = lambda outcome: None
    ) -> list[Outcome]:
        found = []
        for case in cases:
            for arm in shown:
                for trial in range(1, trials + 1):
                    self.asked.append((case.name, arm.slug, trial))
                    found.append(self._outcome(case, arm, trial))
                    seen(found[-1])
        return found

    def cost(self, cases: Sequence[Case], shown: Sequence[Arm], trials: int) -> Cost:
        asked = len(cases) * len(shown) * trials
        return Cost(asked, 0, 1000 * asked, 0.01 * asked)

    def _outcome(self, case: Case, arm: Arm, trial: int) -> Outcome:
        chance = self.rate(arm.text or "", case)
        drawn = random.Random(f"{self.seed} {case.name} {arm.text} {trial}").random() if self.noise else 0.5
        outcome = Outcome(
            id=f"{case.name}[{arm.slug}-{trial}]", kind=ItemKind.KERNEL, skill="tiny", case=case.name,
            verdict=Verdict(VerdictKind.PASSED), student="pupil", arm=arm.slug, trial=trial, tokens=Tokens(500, 100),
            cost_usd=0.01, source=f"def {case.name}(x): return x", reply="```python\n```",
        )  # fmt: skip
        if case.name in self.broken:
            return replace(outcome, verdict=Verdict(VerdictKind.INFRASTRUCTURE_ERROR, "no route to the server"))
        return outcome if drawn < chance else replace(outcome, verdict=failed(case.name, self.message))


def failed(name: str, message: str = "3 of 3 elements of 'out' are wrong; the worst is out[0]") -> Verdict:
    example = Counterexample("correct[float32]", Example({"n": 3}, "float32", 7), message)
    return Verdict(VerdictKind.FAILED, message, (Assertion("correct[float32]", False, message),), example)


def kernel_case(name: str) -> Case:
    from pathlib import Path

    path = Path(f"/skills/tiny/evals/{name}.md")
    return Case(name=name, skill="tiny", path=path, task=f"Compute the thing called {name}.", op=None)


def some(part: str, number: int) -> list[Case]:
    """Cases called ``part`` and a number."""
    return [kernel_case(f"{part}{index}") for index in range(number)]


def answer(text: str) -> str:
    return f"Here it is.\n\n~~~~~~markdown SKILL.md\n{text}~~~~~~\n"


@dataclass
class ScriptedTeacher:
    """Gives its answers in turn, the last one again and again; keeps the steps that it was asked."""

    answers: Sequence[str | Reply | Exception]
    name: str = "scripted"
    model: str = ""
    steps: list[Step] = field(default_factory=list)

    def ask(self, step: Step) -> Future[Reply]:
        self.steps.append(step)
        given = self.answers[min(len(self.steps), len(self.answers)) - 1]
        future: Future[Reply] = Future()
        if isinstance(given, Exception):
            future.set_exception(given)
        else:
            future.set_result(Reply(given) if isinstance(given, str) else given)
        return future

    def close(self) -> None:
        return
