"""What is wanted from a student, and where its reply may come from."""

from __future__ import annotations

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
    """True if a reply is to be stored: not one that was cut off, which may be complete the next time."""
    return reply.finish != "length"


def differences(old: Sampler, now: Sampler) -> str:
    """The settings in which the student of a recorded reply differs from today's, in words."""
    pairs = [
        (name, getattr(old, name), getattr(now, name)) for name in ("model", "temperature", "max_tokens", "options")
    ]
    changed = [f"{name} was {before!r} and is {after!r}" for name, before, after in pairs if before != after]
    return ", ".join(changed) or "it was recorded for a student of another name"
