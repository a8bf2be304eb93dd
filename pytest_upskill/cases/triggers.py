"""Reads ``evals/triggers.json``: queries of users, and whether each query should make an agent open the skill.

Each query becomes a case of the kind ``trigger``, in which the student sees only names and descriptions of skills.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_upskill.cases.case import Case
from pytest_upskill.documents.frontmatter import read_text
from pytest_upskill.documents.spelling import nearest
from pytest_upskill.errors import CaseError

FILE = "triggers.json"
PREFIX = "trigger."
"""The prefix of the names of these cases. A case in a file cannot have such a name."""
FORM = '[{"query": "Write a CUDA kernel for softmax", "should_trigger": true}]'
_KEYS = ("query", "should_trigger")
_WORDS, _LETTERS = 5, 36
_BLANKS = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Triggers:
    """The queries of a skill. There are none if the skill has no such file, or if the file has a ``problem``."""

    cases: tuple[Case, ...] = ()
    problem: CaseError | None = None


def triggers_of(folder: Path, skill: str) -> Triggers:
    """The queries of the skill in a folder."""
    path = folder / "evals" / FILE
    if not path.exists() and not path.is_symlink():
        return Triggers()
    try:
        return Triggers(tuple(parse_triggers(read_text(path, CaseError), path, skill)))
    except CaseError as error:
        return Triggers(problem=error)


def parse_triggers(text: str, path: Path, skill: str) -> list[Case]:
    """The queries in the text of a file. Raises CaseError with the line of the first mistake."""
    found: dict[str, tuple[Case, int]] = {}
    for value, line in _entries(text, path):
        case = _case(*_entry(value, path, line), path, skill)
        first, place = found.setdefault(" ".join(case.task.split()), (case, line))
        if first is not case:
            same = first.should_trigger is case.should_trigger
            step = "keep one" if same else "they contradict each other; keep one"
            raise CaseError(f"the query {_quoted(case.task)} is in line {place} already: {step}", path, line)
    sides = {case.should_trigger for case, _ in found.values()}
    if len(sides) < 2:
        raise CaseError(_one_sided(len(found), next(iter(sides), None)), path)
    return [case for case, _ in found.values()]


def _one_sided(number: int, side: bool | None) -> str:
    if side is None:
        return f"the list is empty; write queries that should open the skill, and others: {FORM}"
    rule = "precision and recall need both kinds"
    add = "queries that are close and need no such skill (false)" if side else "queries that need the skill (true)"
    each = "the only query has" if number == 1 else f"all {number} queries have"
    return f"{each} 'should_trigger': {str(side).lower()}; {rule}: add {add}"


def _entries(text: str, path: Path) -> Iterator[tuple[Any, int]]:
    """The elements of the list in a text of JSON, each with its line (1-based)."""
    decoder = json.JSONDecoder(object_pairs_hook=_Object)

    def fail(what: str, at: int) -> CaseError:
        return CaseError(f"{what}; the file is a list such as {FORM}", path, text.count("\n", 0, at) + 1)

    place = _BLANKS.match(text, 0).end()  # type: ignore[union-attr]
    if text[place : place + 1] != "[":
        raise fail(_not_a_list(text, path), place)
    line, counted = 1, 0
    place, closed, number = place + 1, False, 0
    while not closed:
        place, number = _BLANKS.match(text, place).end(), number + 1  # type: ignore[union-attr]
        if text[place : place + 1] == "]" and number == 1:
            break
        try:
            value, end = decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            raise fail(f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}", error.pos) from None
        except (ValueError, RecursionError) as error:
            raise fail(f"not valid JSON: {error}", place) from None
        line, counted = line + text.count("\n", counted, place), place
        yield value, line
        place = _BLANKS.match(text, end).end()  # type: ignore[union-attr]
        if text[place : place + 1] not in (",", "]"):
            raise fail("not valid JSON: a ',' or the ']' of the list is missing", place)
        closed = text[place] == "]"
        place += not closed
    if text[place + 1 :].strip():
        raise fail("not valid JSON: there is text after the ']' of the list", place + 1)


class _Object(dict[str, Any]):
    """A JSON object. ``doubled`` is a key that occurs twice in it."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.doubled = next((name for name in names if names.count(name) > 1), None)


def _not_a_list(text: str, path: Path) -> str:
    if not text.strip():
        return "the file is empty"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "not a list"
    return f"{_a(value)}, not a list"


def _a(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")


def _entry(value: Any, path: Path, line: int) -> tuple[str, bool]:
    if not isinstance(value, _Object):
        raise CaseError(f"an entry of the list is {_a(value)}; each is an object, as in {FORM}", path, line)
    if value.doubled is not None:
        raise CaseError(f"an entry has '{value.doubled}' twice; keep one", path, line)
    for key in _KEYS:
        if key not in value:
            near = next((name for name in value if nearest(name, [key])), None)
            hint = f"; did you mean it by '{near}'?" if near else f"; each entry has both keys, as in {FORM}"
            raise CaseError(f"an entry has no '{key}'{hint}", path, line)
    query, wanted = (value[key] for key in _KEYS)
    if not isinstance(query, str) or not query.strip():
        shown = "empty" if isinstance(query, str) else _a(query)
        raise CaseError(f"'query' is {shown}; it must be what a user writes, as a text", path, line)
    if any("\ud800" <= letter <= "\udfff" for letter in query):
        raise CaseError(f"'query' is {query!a}, half of a surrogate pair; write the whole character", path, line)
    if not isinstance(wanted, bool):
        raise CaseError(f"'should_trigger' of {_quoted(query)} is {_a(wanted)}; it must be true or false", path, line)
    return query.strip(), wanted


def _quoted(query: str) -> str:
    return repr(query if len(query) <= 60 else f"{query[:57]}...")


def _case(query: str, wanted: bool, path: Path, skill: str) -> Case:
    digest = hashlib.sha256(f"{query}\0{wanted}".encode()).hexdigest()
    return Case(name_of(query), skill, path, query, None, should_trigger=wanted, text=query, text_hash=digest)


def name_of(query: str) -> str:
    """The name of a query's case, made of the query's first words and a part of its hash."""
    words = re.findall(r"[a-z0-9]+", query.lower())[:_WORDS]
    short = "-".join(words)[:_LETTERS].strip("-")
    return f"{PREFIX}{short}{short and '-'}{hashlib.sha256(query.encode()).hexdigest()[:6]}"
