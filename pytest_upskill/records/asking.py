"""Questions to students and their replies. Token counts are the server's, costs are in USD."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier turn of a conversation. ``told`` is the feedback that the student got on its ``answer``.

    ``read`` lists the files of the skill that the student read before it answered, in order.
    """

    answer: str
    told: str
    read: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent to a student: a system text, a user text, and the turns of the conversation so far.

    ``files`` maps paths to the texts of files that the student may read with a tool. If it is empty, there is no tool.
    """

    system: str
    user: str
    earlier: tuple[Exchange, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The system text, the user text and the files as one text, for a person to read."""
        files = (f"--- {path} ---\n{text}" for path, text in self.files.items())
        return "\n\n".join(filter(None, [self.system, self.user, *files]))

    @property
    def digest(self) -> str:
        """A hash (hex) of the whole prompt. A stored reply is used only for a prompt with the same hash.

        This is version 1 of the hash. The version is not part of the hashed data, so a later version must add its
        number. The hashed names must not change, even if fields are renamed, because stored replies depend on them.
        """
        earlier = [{"answer": one.answer, "told": one.told, "read": list(one.read)} for one in self.earlier]
        named = {"system": self.system, "user": self.user, "earlier": earlier, "files": dict(self.files)}
        return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, and the item to which the prompt belongs. ``arm`` is a slug that can be part of a file name.

    ``place`` is the skill's folder as seen from pytest's rootdir. It distinguishes skills of the same name. ``apart``
    is true if the run has several skills of this name.
    """

    skill: str
    case: str
    arm: str
    trial: int
    prompt: Prompt
    place: str = ""
    apart: bool = False

    @property
    def turn(self) -> int:
        """1 for the first question of a conversation."""
        return len(self.prompt.earlier) + 1

    @property
    def file_name(self) -> str:
        """The file name of the reply: ``rms_norm.skill.md``, or ``rms_norm.skill-2.md`` for the second trial."""
        return reply_file_name(self.case, self.arm, self.trial, self.turn)


def reply_file_name(case: str, arm: str, trial: int, turn: int = 1) -> str:
    """The name of a reply's (or a prompt's) file in a folder of replies."""
    return f"{case}.{arm}" + (f"-{trial}" if trial > 1 else "") + (f".turn{turn}" if turn > 1 else "") + ".md"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The server's token counts.

    ``input`` includes ``cached`` tokens, read from the server's cache, and ``written`` tokens, put into the cache.
    """

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

    ``read`` lists the files of the skill that the student read, in order. ``requests`` is the number of requests that
    the reply took. ``note`` is shown with the item. ``request`` is the body of the last request, without messages and
    tools. The server reports ``timings``, ``slots``, ``context`` (tokens per slot) and ``build``.
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
    """A student's answer. ``text`` does not include ``reasoning``, which the server returns separately.

    ``finish`` says why the model stopped: ``stop``, ``length`` or ``tool_calls``. Any other reason is an error of the
    server.
    """

    text: str
    reasoning: str = ""
    finish: str = "stop"
    tokens: Tokens = Tokens()
    cost_usd: float | None = None
    seconds: float = 0.0
    model: str = ""
    details: ReplyDetails = field(default_factory=ReplyDetails)

    @property
    def digest(self) -> str:
        """A hash (hex) of the text."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()
