"""A reply as it is stored: the key by which it is found, and the line of JSON that holds it.

The names in a line belong to its version, not to our fields: they are written and read one by one. Version 1 has no
field ``version``, and its ``details`` hold whatever the provider sent; it is read and no longer written.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_upskill.records import Question, Reply
from pytest_upskill.students.base import StudentConfig

VERSION = 2
_KEY_BYTES = 20
_KEY_FIRST = re.compile(rb'\{"key": "([0-9a-f]{40})"')
"""How every line begins that we wrote."""

Label = tuple[str, str, int, int]
"""Case, arm, trial and turn: what a person calls a reply, whatever was asked."""


class FieldError(ValueError):
    """A line that is no JSON object, or a field that is missing or of a wrong type: names the field and the rule."""


class NewerVersionError(FieldError):
    """The line was written by a later version of pytest-upskill."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """What decides how a reply is drawn, besides the prompt: the model, and everything that the request holds."""

    model: str
    temperature: float | None
    max_tokens: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: StudentConfig) -> Sampler:
        """The sampler of a student."""
        return cls(config.model, config.temperature, config.max_tokens, dict(config.options))


def key_of(config: StudentConfig, question: Question) -> str:
    """One name (hex) for student, sampler, prompt and trial: a kept reply answers this question and no other."""
    return _key_v1(config.name, Sampler.of(config), question)


def _key_v1(student: str, sampler: Sampler, question: Question) -> str:
    """Version 1 of the key, which does not hash its number; a later version has to, and must look for both keys."""
    parts = [student, _sampler_to_plain(sampler), question.prompt.digest, question.trial, question.turn]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=_KEY_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Recording:
    """A reply, and what it answers. ``prompt`` is the digest of the prompt."""

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
        """The recording of a reply that has just ended."""
        return cls(
            key=key_of(config, question),
            case=question.case,
            arm=question.arm,
            trial=question.trial,
            turn=question.turn,
            prompt=question.prompt.digest,
            sampler=Sampler.of(config),
            reply=reply,
        )

    @property
    def label(self) -> Label:
        return label_of(self)

    def to_line(self) -> str:
        """One line of JSON without its end; ASCII, so that no character can break a line or an encoding."""
        plain = {
            "key": self.key,  # first, so that a line is found without being parsed
            "version": VERSION,
            "case": self.case,
            "arm": self.arm,
            "trial": self.trial,
            "turn": self.turn,
            "prompt": self.prompt,
            "sampler": _sampler_to_plain(self.sampler),
            "reply": _reply_to_plain(self.reply),
        }
        return json.dumps(plain, default=str)

    @classmethod
    def from_line(cls, line: str | bytes) -> Recording:
        """The inverse of ``to_line``, for lines of version 1 too. Raises FieldError on anything else."""
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
        return cls(**{**dict(form), "sampler": Sampler(**dict(form.sampler)), "reply": form.reply.to_record()})


def label_of(asked: Question | Recording) -> Label:
    """What a person calls the reply to this question."""
    return asked.case, asked.arm, asked.trial, asked.turn


def key_in(line: bytes) -> str | None:
    """The key of a line that we wrote, without parsing the rest, which may be broken; None for other lines."""
    found = _KEY_FIRST.match(line)
    return found[1].decode("ascii") if found else None


# --------------------------------------------------------------------------------------------- stored names


def _sampler_to_plain(sampler: Sampler) -> dict[str, Any]:
    """Part of the key, too."""
    plain = {"model": sampler.model, "temperature": sampler.temperature, "max_tokens": sampler.max_tokens}
    return {**plain, "options": dict(sampler.options)} if sampler.options else plain


def _reply_to_plain(reply: Reply) -> dict[str, Any]:
    tokens, details = reply.tokens, reply.details
    return {
        "text": reply.text,
        "reasoning": reply.reasoning,
        "finish": reply.finish,
        "tokens": {"input": tokens.input, "output": tokens.output, "cached": tokens.cached, "written": tokens.written},
        "cost_usd": reply.cost_usd,
        "seconds": reply.seconds,
        "model": reply.model,
        "details": {
            "requests": details.requests,
            "read": list(details.read),
            "note": details.note,
            "request": dict(details.request),
            "timings": dict(details.timings),
            "slots": details.slots,
            "context": details.context,
            "build": details.build,
        },
    }


def _parsed(line: str | bytes) -> object:
    try:
        return json.loads(line, parse_constant=_refuse_constant)
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


def _refuse_constant(word: str) -> object:
    raise FieldError(f"it holds {word}; numbers must be finite")
