"""Turns: the student gets the first failure of its kernel, and answers again in the same conversation.

The student sees what a person would see: the compiler's message, or one counterexample. It never sees the reference,
the solution, or any other example of the case.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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
)
from pytest_upskill.replies.scheduling import NotKeptError
from pytest_upskill.skills.arms import prompt_text
from pytest_upskill.students.base import Student

LONGEST_MESSAGE = 3000
"""The maximum length (in characters) of a compiler's or checker's message that a student gets. The message begins with
the first errors.
"""


@dataclass(frozen=True, slots=True)
class Try:
    """One turn with its outcome."""

    question: Question
    reply: Reply
    outcome: Outcome


def converse(
    first: Try, most: int, student: Student, again: Callable[[Question], Try], language: str = "cuda"
) -> Outcome:
    """Return the outcome of a conversation of up to ``most`` tries.

    ``again`` asks a question and judges the reply, which is written in ``language``. If only kept replies are used, the
    conversation ends with the last kept reply. If a later try fails for another reason than its kernel, or exceeds the
    budget, the item is undecided.
    """
    tries = [first]
    while len(tries) < most and tries[-1].outcome.verdict.kind is VerdictKind.FAILED:
        question = follow_up(tries[-1], language)
        if not student.goes_on(question):
            break
        try:
            tries.append(again(question))
        except NotKeptError:
            break
        except (InfrastructureError, BudgetStopped) as error:
            stopped = isinstance(error, BudgetStopped)
            kind = VerdictKind.BUDGET_STOPPED if stopped else VerdictKind.INFRASTRUCTURE_ERROR
            verdict = Verdict(kind, f"turn {question.turn}: {error}")
            tries.append(Try(question, Reply(""), _unjudged(first.outcome, verdict)))
    return _joined(tries, most)


def follow_up(last: Try, language: str = "cuda") -> Question:
    """Return the next question of a conversation: the same prompt, the last answer, and the answer's first failure."""
    prompt = last.question.prompt
    exchange = Exchange(last.reply.text, feedback(last.outcome, language), last.reply.details.read)
    return replace(last.question, prompt=replace(prompt, earlier=(*prompt.earlier, exchange)))


def reached(question: Question, turn: int) -> Question:
    """Return the question of a later turn without the earlier turns. It suffices to find a reply in a file."""
    return replace(question, prompt=replace(question.prompt, earlier=(Exchange("", ""),) * (turn - 1)))


def feedback(outcome: Outcome, language: str = "cuda") -> str:
    """Return the first failure of an item, as its student gets it. ``language`` is that of the block to answer with."""
    return Template(prompt_text("feedback")).substitute(found=first_failure(outcome), language=language)


def first_failure(outcome: Outcome) -> str:
    """Return a description of what failed first: the compiler's message, or the counterexample."""
    first = outcome.verdict.headline
    return "\n".join(_found(first, outcome)) if first else outcome.verdict.reason or "it failed"


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
    # Floating scalars are left out, because this text is part of a prompt and kept replies are found by its digest.
    named = ", ".join(f"{name} = {value}" for name, value in found.example.sizes.items())
    yield f"- smallest input that shows it: {named}, {found.example.dtype}"
    if worst := found.worst:
        # The index is written as a list, so that the prompt's digest stays the same.
        yield f"- output: {worst.output}"
        yield f"- index: {list(worst.index)}"
        yield f"- expected: {worst.expected}"
        yield f"- got: {worst.got}"
        yield from (f"- {name}: {value}" for name in ("error", "bound") if (value := getattr(worst, name)) is not None)
    lines = (source or "").splitlines()
    if found.line is not None and 0 < found.line <= len(lines):
        yield f"- line {found.line} of your source: `{lines[found.line - 1].strip()}`"


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE].rstrip()}\n[cut]"


def _joined(tries: Sequence[Try], most: int) -> Outcome:
    """Return the last outcome, with the tokens, cost and seconds of all tries."""
    outcomes = [one.outcome for one in tries]
    costs = [one.cost_usd for one in outcomes if one.cost_usd is not None or one.tokens.input or one.tokens.output]
    # ``replay`` has the example of the last reply, and judges only that reply.
    replay = outcomes[-1].replay
    return replace(
        outcomes[-1],
        tokens=sum((one.tokens for one in outcomes), Tokens()),
        cost_usd=None if not costs or None in costs else sum(cost for cost in costs if cost is not None),
        seconds=sum((one.seconds for one in outcomes), Seconds()),
        turns=tuple(map(_turn, outcomes)),
        replay=replay and replay.replace(f"--upskill-turns={most}", f"--upskill-turns={len(tries)}"),
    )


def _turn(one: Outcome) -> Turn:
    return Turn(one.verdict.kind, one.verdict.reason, one.tokens, one.cost_usd, one.seconds.total, one.reply)


def _unjudged(outcome: Outcome, verdict: Verdict) -> Outcome:
    """Return the outcome with another verdict, and without source, measurements, tokens, cost and seconds."""
    item = (outcome.id, outcome.kind, outcome.skill, outcome.case, verdict, outcome.student, outcome.arm, outcome.trial)
    return Outcome(*item, replay=outcome.replay, source_name=outcome.source_name)
