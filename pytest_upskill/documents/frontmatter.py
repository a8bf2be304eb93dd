"""Splits a Markdown file into YAML frontmatter and body, and reads the YAML with the line of each value.

The YAML is of version 1.2, in which ``1e-3`` is a number and ``no`` a word. Callers choose the exception to raise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pytest_upskill.documents.markdown import lines_of
from pytest_upskill.errors import LocatedError

DELIMITER = "---"
MAX_CHARACTERS = 100_000
MAX_DEPTH = 40
_PREFIX = "tag:yaml.org,2002:"


class Value(NamedTuple):
    """A YAML value.

    ``data`` is a scalar, or a list or dict of further values. ``line`` is the line of the value in the file (1-based).
    A value in a mapping has the line of its key. ``text`` is a scalar as it was written.
    """

    data: Any
    line: int
    text: str = ""

    @property
    def shown(self) -> str:
        """The value as messages quote it."""
        if isinstance(self.data, dict):
            return "{" + ", ".join(f"{key}: {value.shown}" for key, value in self.data.items()) + "}"
        if isinstance(self.data, list):
            return "[" + ", ".join(value.shown for value in self.data) + "]"
        return self.text


@dataclass(frozen=True, slots=True)
class Document:
    """The frontmatter of a file, which is a mapping, and the file's body, which begins at line ``body_line``."""

    frontmatter: Value
    body: list[str]
    body_line: int


def read_text(path: Path, error: type[LocatedError]) -> str:
    """The text of a UTF-8 file without a byte order mark. Raises ``error`` if the file cannot be read or decoded."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = problem.object[: problem.start].count(b"\n") + 1
        byte = problem.object[problem.start]
        raise error(f"byte 0x{byte:02x} is not UTF-8; save the file in that encoding", path, line) from None
    except OSError as problem:
        raise error(f"cannot be read: {problem.strerror or problem}", path) from None


def parse(text: str, path: Path, error: type[LocatedError]) -> Document:
    """Read the YAML between the first two lines ``---`` of a text. The rest is the body.

    These lines may end with blanks.
    """
    lines = lines_of(text)
    if lines[0].rstrip() != DELIMITER:
        found = f"'{lines[0][:40]}'" if lines[0] else "an empty line"
        raise error(f"line 1 must be exactly '---', the start of the frontmatter, not {found}", path, 1)
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == DELIMITER), None)
    if end is None:
        raise error(_unclosed(lines), path, 1)
    return Document(_Reader(path, error).read("\n".join(lines[1:end])), lines[end + 1 :], end + 2)


def parse_yaml(text: str, path: Path, error: type[LocatedError]) -> Value:
    """Read the text of a YAML file, which must be a mapping, in the same way as frontmatter."""
    return _Reader(path, error, "the file", 1).read("\n".join(lines_of(text)))


def _unclosed(lines: list[str]) -> str:
    message = "the frontmatter has no end: a second line that is exactly '---' is missing"
    for number, line in enumerate(lines[1:], 2):
        if line.strip() == DELIMITER:
            return f"{message}; line {number} has blanks before it, remove them"
    return message


@lru_cache(maxsize=1)
def _parser() -> Callable[[str], Any]:
    """Return libyaml's event parser.

    It is used because composing nodes with ruamel takes ten times as long, and recurses in C.
    """
    from ruamel.yaml import YAML

    return YAML(typ="safe").Parser


class _Reader:
    """Builds values from the parser's events, by YAML 1.2's core schema (section 10.3)."""

    def __init__(
        self, path: Path, error: type[LocatedError], what: str = "the frontmatter", first_line: int = 2
    ) -> None:
        self._path, self._what, self._first = path, what, first_line
        self._error = error
        self._next: Callable[[], Any]

    def read(self, source: str) -> Value:
        if len(source) > MAX_CHARACTERS:
            raise self._fail(f"{self._what} has {len(source)} characters; at most {MAX_CHARACTERS} are read", 0)
        if (value := self._document(source)) is None or (value.data is None and not value.text):
            raise self._fail(f"{self._what} is empty; it must be a mapping of keys to values", 0)
        if not isinstance(value.data, dict):
            raise self._fail(f"{self._what} must be a mapping of keys to values, not '{value.shown[:40]}'", 0)
        return value

    def _document(self, source: str) -> Value | None:
        from ruamel.yaml.error import YAMLError

        try:
            self._next = _parser()(source).get_event
            self._next()  # the start of the stream
            if type(self._next()).__name__ == "StreamEndEvent":
                return None
            value = self._value(self._next(), None, 0)
            self._next()  # the end of the document
            if type(further := self._next()).__name__ != "StreamEndEvent":
                raise self._fail("a second YAML document begins here: remove this line", further.start_mark.line)
            return value
        except YAMLError as problem:
            raise self._not_yaml(problem, source) from None
        except ValueError as problem:  # half of a surrogate pair
            raise self._fail(f"{self._what} is not YAML: {problem}", 0) from None

    def _not_yaml(self, problem: Any, source: str) -> LocatedError:
        reason = getattr(problem, "problem", None) or getattr(problem, "reason", None) or str(problem)
        mark, context = getattr(problem, "problem_mark", None), getattr(problem, "context_mark", None)
        line = source.count("\n", 0, getattr(problem, "position", 0)) if mark is None else mark.line
        if context is not None and line > source.count("\n"):
            line = context.line  # a missing bracket is noticed only at the end: name the open bracket's line instead
        begun = f", begun in line {context.line + self._first}" if context is not None and context.line != line else ""
        text = source.split("\n")[line].strip() if line <= source.count("\n") else ""
        near = f", near '{text[:60]}'" if text else ""
        return self._fail(f"{self._what} is not YAML: {reason}{begun}{near}", line)

    def _value(self, event: Any, line: int | None, depth: int) -> Value:
        """The value that begins with ``event``. ``line`` is the line of its key, or None if it has no key."""
        kind = type(event).__name__
        place = event.start_mark.line if line is None else line
        if kind == "ScalarEvent" and event.ctag is None:
            text = event.value
            return Value(_resolved(text) if event.implicit[0] else text, place + self._first, text)
        if kind == "AliasEvent":
            raise self._fail(f"the YAML alias '*{event.anchor}' is not supported: write the value out", place)
        tag = str(event.ctag) if event.ctag is not None else ""
        if tag and (not tag.startswith(_PREFIX) or tag.removeprefix(_PREFIX) not in _TAGS[kind]):
            raise self._fail(f"the YAML tag '{tag.replace(_PREFIX, '!!')}' is not supported: remove it", place)
        if kind == "ScalarEvent":
            return self._tagged(event.value, tag.removeprefix(_PREFIX), place)
        if depth >= MAX_DEPTH:
            raise self._fail(f"{self._what} is nested more than {MAX_DEPTH} deep: flatten it", place)
        if kind == "MappingStartEvent":
            return Value(self._mapping(depth + 1), place + self._first)
        found = []
        while type(event := self._next()).__name__ != "SequenceEndEvent":
            found.append(self._value(event, None, depth + 1))
        return Value(found, place + self._first)

    def _mapping(self, depth: int) -> dict[str, Value]:
        mapping: dict[str, Value] = {}
        while type(event := self._next()).__name__ != "MappingEndEvent":
            line = event.start_mark.line
            key = self._value(event, None, depth)
            if isinstance(key.data, list | dict) or key.text == "<<":
                raise self._fail(f"'{key.shown}' cannot be a key here: keys are words", line)
            if key.text in mapping:
                first = mapping[key.text].line
                raise self._fail(f"key '{key.text}' is given twice, first in line {first}: keep one", line)
            mapping[key.text] = self._value(self._next(), line, depth)
        return mapping

    def _tagged(self, text: str, tag: str, place: int) -> Value:
        value = text if tag == "str" else _resolved(text)
        if tag == "float" and type(value) is int:
            value = float(value)
        if type(value) is not _TAGS["ScalarEvent"][tag]:
            raise self._fail(f"'{text}' is not of the type of its YAML tag '!!{tag}': remove the tag", place)
        return Value(value, place + self._first, text)

    def _fail(self, message: str, line: int) -> LocatedError:
        return self._error(message, self._path, line + self._first)


_TAGS: dict[str, dict[str, type]] = {
    "ScalarEvent": {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)},
    "SequenceStartEvent": {"seq": list},
    "MappingStartEvent": {"map": dict},
}
_DECIMAL = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_SPECIAL = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_MAX_DIGITS = 400
"""A number with more digits stays a text, because Python refuses to convert more than 4,300 digits."""


def _resolved(text: str) -> Any:
    """The value of a plain scalar by the core schema."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if text[0] not in "+-.0123456789" or len(text) > _MAX_DIGITS:
        return text
    if _DECIMAL.match(text):
        return int(text)
    return int(text, 0) if _BASED.match(text) else float(text) if _FLOAT.match(text) else text
