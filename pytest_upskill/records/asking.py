"""What a student is asked, and what it answered. Token counts are the server's, costs are in USD."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier turn of a conversation: what the student answered, and what it was told of it.

    ``read`` are the files of the skill that it read before it answered, in order.
    """

    answer: str
    told: str
    read: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a student is sent: a system text, a user text, and the turns that followed upon them.

    ``files`` are those that it may read through a tool, by their path in the skill's folder; empty: there is no tool.
    """

    system: str
    user: str
    earlier: tuple[Exchange, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A hash (hex) of all that can reach the student: a reply that was kept is good for this prompt alone."""
        return _digest_v1(self)


def _digest_v1(prompt: Prompt) -> str:
    """Version 1 of the digest. Kept replies depend on it: these names stay, whatever the fields are called.

    Version 1 does not hash its number; a later version has to.
    """
    earlier = [{"answer": one.answer, "told": one.told, "read": list(one.read)} for one in prompt.earlier]
    named = {"system": prompt.system, "user": prompt.user, "earlier": earlier, "files": dict(prompt.files)}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt, and what it is asked for. ``arm`` is already slugged for file names."""

    skill: str
    case: str
    arm: str
    trial: int
    prompt: Prompt

    @property
    def turn(self) -> int:
        """1 for the first question of a conversation."""
        return len(self.prompt.earlier) + 1

    @property
    def file_name(self) -> str:
        """``rms_norm.skill.md``, ``rms_norm.skill-2.md`` for the second trial: the layout of the files student."""
        return reply_file_name(self.case, self.arm, self.trial, self.turn)


def reply_file_name(case: str, arm: str, trial: int, turn: int = 1) -> str:
    """The name of the file that holds a reply (or a prompt) in a folder of replies."""
    return f"{case}.{arm}" + (f"-{trial}" if trial > 1 else "") + (f".turn{turn}" if turn > 1 else "") + ".md"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Counted by the server: ``input`` includes ``cached``, and ``written``, what it put into its cache at a price."""

    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.written + other.written,
        )


@dataclass(frozen=True, slots=True)
class ReplyDetails:
    """How a reply came about.

    ``read`` are the files of the skill that the student read, in order, and ``requests`` how many requests that took.
    ``note`` is shown with the item. ``request`` is the body of the last request, without messages and tools.
    ``timings``, ``slots``, ``context`` (tokens of one slot) and ``build`` are what the server said of itself.
    """

    requests: int = 1
    read: tuple[str, ...] = ()
    note: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    slots: int | None = None
    context: int | None = None
    build: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A student's answer. ``text`` is without what the server set apart as reasoning."""

    text: str
    reasoning: str = ""
    finish: str = "stop"
    tokens: Tokens = Tokens()
    cost_usd: float | None = None
    seconds: float = 0.0
    model: str = ""
    details: ReplyDetails = field(default_factory=ReplyDetails)
