"""Asks a teacher several questions concurrently, and repeats a question, with the reason, if its answer is refused."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime

from pytest_upskill.cases.provenance import Written
from pytest_upskill.generator.answers import Refused
from pytest_upskill.generator.questions import again
from pytest_upskill.generator.teacher import Step, Teacher
from pytest_upskill.records import Reply

_PATIENCE = 0.2
"""Seconds between checks for an interrupt. Waiting for a lock without a timeout would delay it."""

Say = Callable[[str, str], object]
"""A callback that takes the name of a step and what has happened to it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one question: a reply, or why there is none."""

    step: Step
    reply: Reply | None = None
    error: Exception | None = None


@dataclass(slots=True)
class _Spent:
    tokens: tuple[int, int] = (0, 0)
    usd: float | None = 0.0


class Conversations:
    """The open questions of one command. At most ``attempts`` answers to a step are read."""

    def __init__(self, teacher: Teacher, attempts: int, say: Say) -> None:
        self.teacher, self.attempts, self._say = teacher, attempts, say
        self.open = 0
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._spent: dict[str, _Spent] = {}

    def begin(self, step: Step) -> None:
        """Ask a question. ``next`` returns how it ended."""
        self.open += 1
        self._say(step.name, f"asked (attempt {step.attempt})" if step.attempt > 1 else "asked")
        self.teacher.ask(step).add_done_callback(lambda future: self._ended.put(_end(step, future)))

    def next(self, wait: bool = True) -> Ended | None:
        """The next question that has ended. None if no question is open, or if none has ended yet and ``wait`` is
        false.
        """
        while self.open:
            try:
                ended = self._ended.get(timeout=_PATIENCE if wait else 0.0)
            except queue.Empty:
                if wait:
                    continue
                return None
            self.open -= 1
            self._count(ended)
            return ended
        return None

    def refuse(self, step: Step, reply: Reply, reason: Refused) -> bool:
        """Ask again with the reason. Returns False if that was the last attempt."""
        self._say(step.name, f"attempt {step.attempt} refused: {reason}")
        if step.attempt >= self.attempts:
            return False
        self.begin(again(step, reply, reason))
        return True

    def written(self, step: Step, reply: Reply) -> Written:
        """The author of an accepted answer, with the tokens and the cost of all attempts."""
        spent = self._spent[step.name]
        return Written(
            teacher=self.teacher.name,
            model=reply.model or self.teacher.model,
            prompt=step.prompt.digest,
            attempts=step.attempt,
            tokens=spent.tokens,
            usd=spent.usd,
            written=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _count(self, ended: Ended) -> None:
        if (reply := ended.reply) is None:
            return
        spent = self._spent.setdefault(ended.step.name, _Spent())
        spent.tokens = spent.tokens[0] + reply.tokens.input, spent.tokens[1] + reply.tokens.output
        known = spent.usd is not None and reply.cost_usd is not None
        spent.usd = (spent.usd or 0.0) + (reply.cost_usd or 0.0) if known else None
        if reply.details.note:
            self._say(ended.step.name, f"note: {reply.details.note}")


def _end(step: Step, future: Future[Reply]) -> Ended:
    error = future.exception()
    if error is None:
        return Ended(step, future.result())
    return Ended(step, error=error if isinstance(error, Exception) else RuntimeError(repr(error)))
