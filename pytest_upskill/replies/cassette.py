"""Recorded replies: what makes one good for a question, and the file that holds them beside a skill. Asks nobody.

``<skill>/cassettes/<student>.jsonl`` holds one reply a line, sorted by case, arm, trial and turn, so that a new reply
changes one line and git merges two people's recordings. A line starts with its key: looking one up parses one line.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_upskill.errors import InfrastructureError
from pytest_upskill.paths import component, write_atomically
from pytest_upskill.records import Question, Reply, Tokens
from pytest_upskill.students.base import StudentConfig

FOLDER = "cassettes"
_KEY_LENGTH = 40
_START = b'{"key": "'
"""How every line begins that we wrote ourselves."""

Label = tuple[str, str, int, int]
"""Case, arm, trial and turn: what a person calls a reply, whatever was asked."""


def sampler(config: StudentConfig) -> dict[str, Any]:
    """What decides how a reply is drawn, besides the prompt: the model, and everything that the request holds."""
    return {
        "model": config.model,
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        **({"options": dict(config.options)} if config.options else {}),
    }


def key_of(config: StudentConfig, question: Question) -> str:
    """One name (hex) for student, sampler, prompt and trial: a kept reply answers this question and no other."""
    parts = [config.name, sampler(config), question.prompt.digest, question.trial, question.turn]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=_KEY_LENGTH // 2).hexdigest()


@dataclass(frozen=True, slots=True)
class Recording:
    """A reply, and what it answers. ``prompt`` is the digest of the prompt, ``sampler`` as ``sampler()`` gives it."""

    key: str
    case: str
    arm: str
    trial: int
    turn: int
    prompt: str
    sampler: Mapping[str, Any]
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
            sampler=sampler(config),
            reply=reply,
        )

    @property
    def label(self) -> Label:
        return label_of(self)

    def to_line(self) -> str:
        """One line of JSON without its end; ASCII, so that no character can break a line or an encoding."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_line(cls, line: str | bytes) -> Recording:
        """The inverse of ``to_line``. Raises ValueError, KeyError or TypeError on anything else."""
        data = json.loads(line)
        reply = data["reply"]
        return cls(**{**data, "reply": Reply(**{**reply, "tokens": Tokens(**reply["tokens"])})})


def label_of(asked: Question | Recording) -> Label:
    """What a person calls the reply to this question."""
    return asked.case, asked.arm, asked.trial, asked.turn


def cassette_path(skill: Path, student: str) -> Path:
    """Where the recorded replies of a student lie; ``skill`` is the skill's folder."""
    return skill / FOLDER / f"{component(student)}.jsonl"


class Cassette:
    """The recordings of one file, as they were when it was opened; a file that is not there holds none."""

    def __init__(self, path: Path) -> None:
        """Raises InfrastructureError where the file cannot be read, or holds a line that is no recording."""
        self.path = path
        self._lines = _read_lines(path)
        self._index: dict[str, int] = {}
        self._by_label: dict[Label, Recording] | None = None
        for number, line in enumerate(self._lines, start=1):
            if line.strip():
                self._index.setdefault(self._key_in(line, number), number)

    def __len__(self) -> int:
        return len(self._index)

    def find(self, key: str) -> Recording | None:
        """The recording of a key. Raises InfrastructureError where its line is broken."""
        number = self._index.get(key)
        return None if number is None else self._parse(number)

    def recordings(self) -> list[Recording]:
        """All of them, each parsed now."""
        return [self._parse(number) for number in self._index.values()]

    def labelled(self, label: Label) -> Recording | None:
        """The recording that a person would look for, though another question may have been asked."""
        if self._by_label is None:
            self._by_label = {one.label: one for one in self.recordings()}
        return self._by_label.get(label)

    def _key_in(self, line: bytes, number: int) -> str:
        end = len(_START) + _KEY_LENGTH
        if line.startswith(_START) and line[end : end + 1] == b'"':
            return line[len(_START) : end].decode("ascii", "replace")
        return self._parse(number).key  # somebody else wrote this line

    def _parse(self, number: int) -> Recording:
        try:
            return Recording.from_line(self._lines[number - 1])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InfrastructureError(
                f"{self.path}:{number} is no recorded reply ({type(error).__name__}: {error}); after a merge conflict, "
                "keep the lines of both sides without git's marks; else delete the line and record it again with "
                "--upskill-replies=record"
            ) from None


def write(path: Path, recordings: Iterable[Recording]) -> None:
    """Writes a cassette anew, sorted; one without recordings is removed. Raises OSError."""
    lines = [one.to_line() + "\n" for one in sorted(recordings, key=lambda one: (*one.label, one.key))]
    if lines:
        write_atomically(path, "".join(lines))
    else:
        path.unlink(missing_ok=True)


def merge(path: Path, fresh: Iterable[Recording]) -> None:
    """Adds recordings to a cassette; an older one of the same case, arm, trial and turn makes way.

    The caller holds a lock. Raises OSError, or InfrastructureError where the cassette is broken.
    """
    by_label = {one.label: one for one in Cassette(path).recordings()}
    before = dict(by_label)
    by_label.update({one.label: one for one in fresh})
    if by_label != before:
        write(path, by_label.values())


def _read_lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InfrastructureError(
            f"the recorded replies in {path} cannot be read ({error.strerror}); it must be a file that you may read"
        ) from None
