"""A reply as it is stored: the key by which it is found, and the line of JSON that holds it.

The names in a line depend on the line's version, and ``stored_form`` lists them. A line of version 1 has no field
``version``, and its ``details`` hold whatever the provider sent. Version 1 is read, but no longer written.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_upskill.records import Question, Reply
from pytest_upskill.students import refusals
from pytest_upskill.students.base import StudentConfig

VERSION = 2
_KEY_FIRST = re.compile(rb'\{"key": "([0-9a-f]{40})"')
"""Matches the beginning of every line that we write."""

Label = tuple[str, str, int, int]
"""Case, arm, trial and turn. A person names a reply this way, whatever the question was."""


class FieldError(ValueError):
    """The line is not a JSON object, or a field is missing or of a wrong type. The message names the field and the
    rule.
    """


class NewerVersionError(FieldError):
    """The line was written by a later version of pytest-upskill."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """What decides how a reply is sampled, besides the prompt: the model, and all other fields of the request.

    ``options`` and ``system`` are part of the stored form and of the key only if they differ from the default.
    """

    model: str
    temperature: float | None
    max_tokens: int
    options: Mapping[str, Any] = field(default_factory=dict)
    system: str = "system"

    @classmethod
    def of(cls, config: StudentConfig) -> Sampler:
        """The sampler of a student."""
        return cls(config.model, config.temperature, config.max_tokens, dict(config.options), config.system)

    def to_plain(self) -> dict[str, Any]:
        """The stored form, which is also part of the key."""
        plain = {"model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}
        changed = {"options": dict(self.options)} if self.options else {}
        return {**plain, **changed, **({"system": self.system} if self.system != "system" else {})}


def key_of(config: StudentConfig, question: Question) -> str:
    """Return a hash (hex) of student, sampler, prompt, trial and turn. A stored reply answers only a question with its
    key.

    This is version 1 of the key, whose number is not part of the hash. A later version must hash its number, and must
    look up keys of both versions.
    """
    parts = [config.name, Sampler.of(config).to_plain(), question.prompt.digest, question.trial, question.turn]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=20).hexdigest()


@dataclass(frozen=True, slots=True)
class Recording:
    """A reply and the question that it answers. ``prompt`` is the digest of the prompt."""

    key: str
    case: str
    arm: str
    trial: int
    turn: int
    prompt: str
    sampler: Sampler
    reply: Reply

    @classmethod
    def of(cls, config: StudentConfig, question: Question, reply: Reply) -> Recording:
        """The recording of a new reply."""
        key, sampler = key_of(config, question), Sampler.of(config)
        return cls(key, *label_of(question), question.prompt.digest, sampler, reply)

    @property
    def label(self) -> Label:
        return label_of(self)

    def to_line(self) -> str:
        """Return one line of JSON without its end. It is ASCII, so that no character can break a line or an
        encoding.
        """
        from pytest_upskill.replies.stored_form import LineForm, to_plain

        head = {"key": self.key, "version": VERSION}  # the key comes first, so that ``key_in`` finds it
        return json.dumps({**head, **to_plain(LineForm, self), "sampler": self.sampler.to_plain()}, default=str)

    @classmethod
    def from_line(cls, line: str | bytes) -> Recording:
        """Return the recording in a line of version 1 or 2, as the inverse of ``to_line``.

        Raises FieldError on anything else, and for a reply that the model did not end.
        """
        from pydantic import ValidationError

        from pytest_upskill.replies.stored_form import HeadForm, LineForm, explain

        plain = _parsed(line)
        try:
            version = HeadForm.model_validate(plain).version
            if version > VERSION:
                raise NewerVersionError(f"'version' is {version}; this pytest-upskill reads versions up to {VERSION}")
            form = LineForm.model_validate(plain, context=version)
        except ValidationError as error:
            raise FieldError(explain(error)) from None
        if (why := refusals.ended(form.reply.finish)) is not None:
            raise FieldError(why)
        return cls(**{**dict(form), "sampler": Sampler(**dict(form.sampler)), "reply": form.reply.to_record()})


def label_of(asked: Question | Recording) -> Label:
    """The label of the reply to this question."""
    return asked.case, asked.arm, asked.trial, asked.turn


def key_in(line: bytes) -> str | None:
    """Return the key of a line that we wrote, even if the rest cannot be parsed; None for other lines."""
    found = _KEY_FIRST.match(line)
    return found[1].decode("ascii") if found else None


def _parsed(line: str | bytes) -> object:
    def refuse(word: str) -> object:
        raise FieldError(f"it holds {word}; numbers must be finite")

    try:
        return json.loads(line, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise FieldError(f"it is not valid JSON ({error.msg} at character {error.pos + 1})") from None
    except UnicodeDecodeError as error:
        raise FieldError(f"it is not valid UTF-8 (byte {error.start + 1})") from None
    except RecursionError:
        raise FieldError("it is nested too deeply") from None
    except FieldError:
        raise
    except ValueError:  # int() refuses thousands of digits
        raise FieldError("it holds a number with too many digits") from None


class ProblemLog:
    """Collects messages about stored replies that cannot be used, until they are shown. Safe among threads.

    A message that was added before is ignored.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._new: list[str] = []

    def add(self, message: str) -> None:
        """Add a message, unless it was added before."""
        with self._lock:
            if message not in self._known:
                self._known.add(message)
                self._new.append(message)

    def take(self) -> list[str]:
        """Return the messages that were added since the last call, in order."""
        with self._lock:
            new, self._new = self._new, []
            return new


def is_good(reply: Reply) -> bool:
    """Return whether a reply is to be stored. A reply that was cut off is not, because the next one may be complete."""
    return reply.finish != "length"
