"""What is wanted of a student, and where its reply may come from."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.records import Question, Reply
from pytest_upskill.replies.stored_reply import Sampler


class Mode(StrEnum):
    """``--upskill-replies``."""

    AUTO = "auto"
    LIVE = "live"
    RECORD = "record"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question to a student. ``folder`` is the skill's; ``record`` is the command that records the reply."""

    item: str
    student: str
    question: Question
    case: Case
    folder: Path
    record: str = ""


def is_good(reply: Reply) -> bool:
    """True for a reply that is worth keeping: one that was cut off may be complete the next time."""
    return reply.finish != "length"


def differences(old: Sampler, now: Sampler) -> str:
    """In which settings a recorded reply's student differs from today's, in words."""
    pairs = {
        "model": (old.model, now.model),
        "temperature": (old.temperature, now.temperature),
        "max_tokens": (old.max_tokens, now.max_tokens),
        "options": (old.options, now.options),
    }
    changed = [f"{name} was {before!r} and is {after!r}" for name, (before, after) in pairs.items() if before != after]
    return ", ".join(changed) or "it was recorded for a student of another name"


def resolved(reply: Reply) -> Future[Reply]:
    """A future that is done."""
    future: Future[Reply] = Future()
    future.set_result(reply)
    return future


def refused(error: Exception) -> Future[Reply]:
    """A future that raises."""
    future: Future[Reply] = Future()
    future.set_exception(error)
    return future
