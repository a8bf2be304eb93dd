"""Splits a Markdown file into YAML frontmatter and body, and reads the YAML with the line of each value.

YAML 1.2: ``1e-3`` is a number and ``no`` a word. Knows neither cases nor skills; the caller says which error to raise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_upskill.errors import LocatedError
from pytest_upskill.markdown import lines_of

DELIMITER = "---"
MAX_CHARACTERS = 100_000
MAX_DEPTH = 40
_PREFIX = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Value:
    """A YAML value. ``data`` is plain (lists and dicts hold further values); ``line`` is 1-based, in the ``.md`` file.

    ``text`` is a scalar as it was written. The line of a mapping's value is that of its key.
    """

    data: Any
    line: int
    text: str = ""

    @property
    def shown(self) -> str:
        """How a message quotes it."""
        if isinstance(self.data, dict):
            return "{" + ", ".join(f"{key}: {value.shown}" for key, value in self.data.items()) + "}"
        if isinstance(self.data, list):
            return "[" + ", ".join(value.shown for value in self.data) + "]"
        return self.text


@dataclass(frozen=True, slots=True)
class Document:
    """A file in two: the frontmatter (always a mapping), and the lines of the body, the first of which is ``body_line``."""

    frontmatter: Value
    body: list[str]
    body_line: int


def read_text(path: Path, error: type[LocatedError]) -> str:
    """A UTF-8 file's text without a byte order mark; what cannot be read is an ``error`` with the file's name."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = problem.object[: problem.start].count(b"\n") + 1
        byte = problem.object[problem.start]
        raise error(f"byte 0x{byte:02x} is not UTF-8; save the file in that encoding", path, line) from None
    except OSError as problem:
        raise error(f"cannot be read: {problem.strerror or problem}", path) from None


def parse(text: str, path: Path, error: type[LocatedError]) -> Document:
    """Split at lines that are exactly ``---``, and read the YAML between the first two."""
    lines = lines_of(text)
    if lines[0] != DELIMITER:
        raise error(f"line 1 must be exactly '---', the start of the frontmatter, not {_quoted(lines[0])}", path, 1)
    try:
        end = lines.index(DELIMITER, 1)
    except ValueError:
        raise error(_unclosed(lines), path, 1) from None
    source = "\n".join(lines[1:end])
    frontmatter = _Reader(path, error).read(source)
    return Document(frontmatter, lines[end + 1 :], end + 2)


def _quoted(line: str) -> str:
    return f"'{line[:40]}'" if line else "an empty line"


def _unclosed(lines: list[str]) -> str:
    message = "the frontmatter has no end: a second line that is exactly '---' is missing"
    for number, line in enumerate(lines[1:], 2):
        if line.strip() == DELIMITER:
            return f"{message}; line {number} has blanks around it, remove them"
    return message


@lru_cache(maxsize=1)
def _compose() -> Callable[[str], Any]:
    """ruamel's composer on top of libyaml's parser; the round-trip loader takes five times as long."""
    from ruamel.yaml import YAML

    return lambda source: YAML(typ="safe").compose(source)


class _Reader:
    """Turns nodes into values, once; an alias would let a few lines grow without end, and hides where a value stands."""

    def __init__(self, path: Path, error: type[LocatedError]) -> None:
        self._path = path
        self._error = error
        self._seen: set[int] = set()

    def read(self, source: str) -> Value:
        if len(source) > MAX_CHARACTERS:
            raise self._fail(f"the frontmatter has {len(source)} characters; at most {MAX_CHARACTERS} are read", 0)
        self._refuse_depth(source)
        node = self._composed(source)
        if node is None:
            raise self._fail("the frontmatter is empty; it must be a mapping of keys to values", 0)
        value = self._value(node, None)
        if not isinstance(value.data, dict):
            raise self._fail(f"the frontmatter must be a mapping of keys to values, not '{value.shown[:40]}'", 0)
        return value

    def _composed(self, source: str) -> Any:
        from ruamel.yaml.error import YAMLError

        try:
            return _compose()(source)
        except YAMLError as problem:
            mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
            reason = getattr(problem, "problem", None) or str(problem).partition("\n")[0]
            line = mark.line if mark is not None else 0
            raise self._fail(f"the frontmatter is not YAML: {reason}{_excerpt(source, line)}", line) from None
        except ValueError as problem:
            raise self._fail(f"the frontmatter is not YAML: {problem}", 0) from None

    def _refuse_depth(self, source: str) -> None:
        """libyaml's composer recurses in C, so that deep nesting would end the process."""
        if source.count("[") + source.count("{") <= MAX_DEPTH and source.count("- ") <= MAX_DEPTH:
            return
        depth = 0
        for number, line in enumerate(source.split("\n")):
            depth += line.count("[") + line.count("{") - line.count("]") - line.count("}")
            if max(depth, line.count("[") + line.count("{"), _leading_dashes(line)) > MAX_DEPTH:
                raise self._fail(f"the frontmatter is nested more than {MAX_DEPTH} deep", number)
            depth = max(depth, 0)

    def _value(self, node: Any, line: int | None) -> Value:
        place = node.start_mark.line if line is None else line
        if id(node) in self._seen:
            raise self._fail("YAML aliases (*name) are not used here: write the value out", place)
        self._seen.add(id(node))
        if isinstance(node.value, str):
            return self._scalar(node, place)
        if not node.tag.startswith(_PREFIX):
            raise self._fail(f"YAML tag '{node.tag}' is not used here: remove it", place)
        if node.tag == _PREFIX + "seq":
            return Value([self._value(child, None) for child in node.value], place + 2)
        return Value(self._mapping(node), place + 2)

    def _mapping(self, node: Any) -> dict[str, Value]:
        mapping: dict[str, Value] = {}
        for key, child in node.value:
            line = key.start_mark.line
            if not isinstance(key.value, str) or key.tag == _PREFIX + "merge":
                shown = key.value if isinstance(key.value, str) else "a list or mapping"
                raise self._fail(f"'{shown}' cannot be a key here: keys are words", line)
            if key.value in mapping:
                first = mapping[key.value].line
                raise self._fail(f"key '{key.value}' is given twice, first in line {first}: keep one", line)
            mapping[key.value] = self._value(child, line)
        return mapping

    def _scalar(self, node: Any, place: int) -> Value:
        tag, text = node.tag, node.value
        if not tag.startswith(_PREFIX):
            raise self._fail(f"YAML tag '{tag}' is not used here: remove it", place)
        try:
            return Value(_SCALARS.get(tag[len(_PREFIX) :], str)(text), place + 2, text)
        except ValueError:
            raise self._fail(f"'{text}' is not what its YAML tag '{tag}' says", place) from None

    def _fail(self, message: str, line: int) -> LocatedError:
        return self._error(message, self._path, line + 2)


def _excerpt(source: str, line: int) -> str:
    lines = source.split("\n")
    text = lines[line].strip() if line < len(lines) else ""
    return f", near '{text[:60]}'" if text else ""


def _leading_dashes(line: str) -> int:
    return len(re.match(r"(?:[-?] +)*", line.lstrip())[0].split())  # type: ignore[index]


def _integer(text: str) -> int:
    return int(text.replace("_", ""), 0 if re.match(r"[-+]?0[xob]", text) else 10)


def _real(text: str) -> float:
    return float(text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))


def _boolean(text: str) -> bool:
    return text.lower() == "true"


def _null(_text: str) -> None:
    return None


_SCALARS: dict[str, Callable[[str], Any]] = {"int": _integer, "float": _real, "bool": _boolean, "null": _null}
