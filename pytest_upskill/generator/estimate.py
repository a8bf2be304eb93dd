"""Estimates a command's cost before its first question: the most, which the budget reserves, and the likely cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_upskill.cases.case import Case
from pytest_upskill.generator import questions
from pytest_upskill.generator.answers import LONGEST_CASE_NAME, OPERATOR_BYTES, Plan, PlannedCase
from pytest_upskill.generator.questions import Order
from pytest_upskill.generator.teacher import Step
from pytest_upskill.records import Tokens
from pytest_upskill.replies.budget import worst_conversation
from pytest_upskill.replies.ledger import in_usd
from pytest_upskill.reporting.text_style import plural
from pytest_upskill.skills.skill import MAX_NAME, tokens_of
from pytest_upskill.students.base import StudentConfig

LIKELY_ATTEMPTS = 1.3
LIKELY_ANSWERS = {"plan": 2500, "skill": 5000, "case": 2500, "part": 1200}
"""The likely tokens of an answer, by the kind of its step."""
_LIKELY_OPERATOR = 200
"""The likely length of the description of an operator, in bytes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The tokens of all questions, and their price in USD if prices are known."""

    questions: int
    worst_tokens: int
    worst_usd: float | None
    likely_tokens: int
    likely_usd: float | None

    def __str__(self) -> str:
        likely = "" if self.likely_usd is None else f", {in_usd(self.likely_usd)}"
        worst = "its price is not known" if self.worst_usd is None else in_usd(self.worst_usd)
        return (
            f"{plural(self.questions, 'question')}; likely about {self.likely_tokens:,} tokens{likely}; "
            f"at most {self.worst_tokens:,} tokens, {worst}; stored answers cost nothing"
        )


@dataclass(frozen=True, slots=True)
class Steps:
    """The questions of a command, as they probably are and as long as they can be; both in the same order."""

    likely: Sequence[Step]
    longest: Sequence[Step]


def steps_of(
    order: Order, count: int, name: str = "", existing: Sequence[Case] = (), *, with_skill: bool = True
) -> Steps:
    """Estimate the questions of a command, before there is a plan, for a skill with ``existing`` cases."""

    def steps(skill: str, name_bytes: int, operator_bytes: int) -> list[Step]:
        cases = tuple(
            PlannedCase(name=f"case_{at}".ljust(name_bytes, "x"), operator="x" * operator_bytes, difficulty=3)
            for at in range(count)
        )
        return [
            questions.plan_step(order, count, existing, name),
            *([questions.skill_step(order, Plan(skill=skill, cases=cases))] if with_skill else []),
            *(questions.case_step(order, skill, one, cases, existing) for one in cases),
        ]

    longest = steps(name or "x" * MAX_NAME, LONGEST_CASE_NAME, OPERATOR_BYTES)
    return Steps(steps(name or "skill", 0, _LIKELY_OPERATOR), longest)


def estimate(config: StudentConfig, steps: Steps, attempts: int) -> Estimate:
    """The estimate for a teacher that is asked these questions, each at most ``attempts`` times."""
    worst = [one for step in steps.longest for one in worst_conversation(config, step.prompt, attempts)]
    usd = [one.usd for one in worst if one.usd is not None]
    sent = sum(tokens_of(step.prompt.text) for step in steps.likely)
    answered = sum(map(_likely_answer, steps.likely))
    likely = Tokens(round(LIKELY_ATTEMPTS * sent), round(LIKELY_ATTEMPTS * answered))
    return Estimate(
        len(steps.likely),
        sum(one.tokens for one in worst),
        sum(usd) if len(usd) == len(worst) else None,
        likely.input + likely.output,
        config.price.cost(likely) if config.price is not None else None,
    )


def _likely_answer(step: Step) -> int:
    return LIKELY_ANSWERS[step.name.partition("-")[0]]
