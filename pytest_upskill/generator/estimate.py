"""What a command may cost, before the first question: the worst case, which the budget reserves, and what is likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_upskill.generator import questions
from pytest_upskill.generator.answers import Plan, PlannedCase
from pytest_upskill.generator.questions import Order
from pytest_upskill.generator.teacher import Step
from pytest_upskill.records import Tokens
from pytest_upskill.replies.budget import worst_conversation
from pytest_upskill.replies.ledger import in_usd
from pytest_upskill.reporting.text_style import plural
from pytest_upskill.students.base import StudentConfig

LIKELY_ATTEMPTS = 1.3
LIKELY_ANSWERS = {"plan": 2500, "skill": 5000, "case": 2500, "part": 1200}
"""Tokens of an answer, by the kind of its step."""
_BYTES_PER_TOKEN = 4
_OPERATOR = "x" * 200
"""Stands for the description of an operator, before there is a plan."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens, and USD where the price is known, of all questions."""

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


def steps_of(
    order: Order, count: int, name: str = "", *, with_plan: bool = True, with_skill: bool = True
) -> list[Step]:
    """The questions of a command, as long as they will be."""
    cases = tuple(PlannedCase(name=f"case_{at}", operator=_OPERATOR, difficulty=3) for at in range(count))
    plan = Plan(skill=name or "skill", cases=cases)
    steps = [questions.plan_step(order, count, name=name)] if with_plan else []
    steps += [questions.skill_step(order, plan)] if with_skill else []
    return steps + [questions.case_step(order, plan.skill, one, cases) for one in cases]


def estimate(config: StudentConfig, steps: Sequence[Step], attempts: int) -> Estimate:
    """The estimate for a teacher that is asked these questions, each at most ``attempts`` times."""
    worst = [one for step in steps for one in worst_conversation(config, step.prompt, attempts)]
    usd = [one.usd for one in worst if one.usd is not None]
    sent = sum(len(step.prompt.text.encode()) for step in steps) // _BYTES_PER_TOKEN
    likely = Tokens(round(LIKELY_ATTEMPTS * sent), round(LIKELY_ATTEMPTS * sum(map(_likely_answer, steps))))
    return Estimate(
        len(steps),
        sum(one.tokens for one in worst),
        sum(usd) if len(usd) == len(worst) else None,
        likely.input + likely.output,
        config.price.cost(likely) if config.price is not None else None,
    )


def _likely_answer(step: Step) -> int:
    return LIKELY_ANSWERS[step.name.partition("-")[0]]
