"""Another try in the same conversation: the student is told what is wrong with its kernel, and answers again.

It is told what a person would see of the first failure: the compiler's words, or one counterexample. Nothing else of
the case leaves the judge: no reference, no solution, no other example. Knows students by their protocol alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from string import Template

from pytest_upskill.errors import BudgetStopped, InfrastructureError
from pytest_upskill.records import (
    Assertion,
    Counterexample,
    Exchange,
    Outcome,
    Question,
    Reply,
    Seconds,
    Tokens,
    Turn,
    Verdict,
    VerdictKind,
    WorstElement,
)
from pytest_upskill.students.base import Student

LONGEST_MESSAGE = 3000
"""Characters of a compiler's or a checker's message that a student is told: its first errors."""


@dataclass(frozen=True, slots=True)
class Try:
    """One turn, judged."""

    question: Question
    reply: Reply
    outcome: Outcome


def converse(first: Try, most: int, student: Student, again: Callable[[Question], Try]) -> Outcome:
    """The outcome of a conversation of up to ``most`` tries, of which ``again`` asks for and judges one.

    Where a later try cannot be had, or paid for, the item is undecided: what it would have brought is not known.
    """
    tries = [first]
    while len(tries) < most and tries[-1].outcome.verdict.kind is VerdictKind.FAILED:
        question = follow_up(tries[-1])
        if not student.goes_on(question):
            break
        try:
            tries.append(again(question))
        except (InfrastructureError, BudgetStopped) as error:
            stopped = isinstance(error, BudgetStopped)
            kind = VerdictKind.BUDGET_STOPPED if stopped else VerdictKind.INFRASTRUCTURE_ERROR
            lost = replace(_unjudged(first.outcome), verdict=Verdict(kind, f"turn {question.turn}: {error}"))
            tries.append(Try(question, Reply(""), lost))
    return _joined(tries, most)


def follow_up(last: Try) -> Question:
    """The next question of a conversation: the same prompt, the answer, and what was found of it."""
    prompt = last.question.prompt
    exchange = Exchange(last.reply.text, feedback(last.outcome), last.reply.details.read)
    return replace(last.question, prompt=replace(prompt, earlier=(*prompt.earlier, exchange)))


def reached(question: Question, turn: int) -> Question:
    """The question of a turn without what was said before: enough to find a reply that was kept."""
    return replace(question, prompt=replace(question.prompt, earlier=(Exchange("", ""),) * (turn - 1)))


# --------------------------------------------------------------------------------------------- what a student is told


def feedback(outcome: Outcome) -> str:
    """The first failure of an item in words for its student."""
    first = outcome.verdict.first_failed
    found = "\n".join(_found(first, outcome)) if first else outcome.verdict.reason or "it failed"
    template = (resources.files("pytest_upskill") / "prompts" / "feedback.md").read_text(encoding="utf-8")
    return Template(template).substitute(found=found)


def _found(first: Assertion, outcome: Outcome) -> Iterator[str]:
    counterexample = outcome.verdict.counterexample
    if counterexample is not None and counterexample.assertion != first.name:
        counterexample = None
    message = first.message or (counterexample.message if counterexample else "it failed")
    if first.name == "compiles":
        yield "It does not compile. The compiler says:"
        yield f"\n```\n{_cut(message)}\n```"
        return
    yield f"- failed: {first.name}"
    yield f"- what: {_cut(message)}"
    if counterexample is not None:
        yield from _example(counterexample, outcome.source)


def _example(found: Counterexample, source: str | None) -> Iterator[str]:
    sizes = {**found.example.dims, **found.example.scalars}
    named = ", ".join(f"{name} = {value}" for name, value in sizes.items())
    yield f"- smallest input that shows it: {named}, {found.example.dtype}"
    if found.worst is not None:
        yield from _worst(found.worst)
    lines = (source or "").splitlines()
    if found.line is not None and 0 < found.line <= len(lines):
        yield f"- line {found.line} of your source: `{lines[found.line - 1].strip()}`"


def _worst(worst: WorstElement) -> Iterator[str]:
    # A list's brackets: this text is part of a later prompt, and kept replies are found by its digest.
    yield f"- output: {worst.output}"
    yield f"- index: {list(worst.index)}"
    yield f"- expected: {worst.expected}"
    yield f"- got: {worst.got}"
    if worst.error is not None:
        yield f"- error: {worst.error}"
    if worst.bound is not None:
        yield f"- bound: {worst.bound}"


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE].rstrip()}\n[cut]"


# --------------------------------------------------------------------------------------------- what is kept of it


def _joined(tries: Sequence[Try], most: int) -> Outcome:
    """The last outcome, with the tokens, cost and seconds of all."""
    outcomes = [one.outcome for one in tries]
    last = outcomes[-1]
    costs = [outcome.cost_usd for outcome in outcomes if outcome.cost_usd is not None or _spent(outcome)]
    return replace(
        last,
        tokens=sum((outcome.tokens for outcome in outcomes), Tokens()),
        cost_usd=None if not costs or None in costs else sum(cost for cost in costs if cost is not None),
        seconds=Seconds(
            reply=sum(outcome.seconds.reply for outcome in outcomes),
            build=sum(outcome.seconds.build for outcome in outcomes),
            run=sum(outcome.seconds.run for outcome in outcomes),
        ),
        turns=tuple(_turn(outcome) for outcome in outcomes),
        # The example belongs to the last reply, and is judged on that one alone.
        replay=_at_turn(last.replay, most, len(tries)),
    )


def _turn(outcome: Outcome) -> Turn:
    spent = outcome.seconds
    return Turn(
        verdict=outcome.verdict.kind,
        reason=outcome.verdict.reason,
        tokens=outcome.tokens,
        cost_usd=outcome.cost_usd,
        seconds=spent.reply + spent.build + spent.run,
    )


def _spent(outcome: Outcome) -> bool:
    return bool(outcome.tokens.input or outcome.tokens.output)


def _unjudged(outcome: Outcome) -> Outcome:
    return replace(
        outcome,
        tokens=Tokens(),
        cost_usd=None,
        seconds=Seconds(),
        source=None,
        shown_line=None,
        shown_why="",
        kernels=(),
        notes=(),
        device_memory=None,
    )


def _at_turn(command: str | None, most: int, turn: int) -> str | None:
    return command and command.replace(f"--upskill-turns={most}", f"--upskill-turns={turn}")
