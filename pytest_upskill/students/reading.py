"""The tool with which a student reads a skill's files on demand, as agents do. Knows no provider's wire format.

A call can only name what the question holds: there is no path that leads out of the skill.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_upskill.records import Exchange

NAME = "read_file"
DESCRIPTION = "Returns the text of one file of the skill. Paths are relative to the skill's folder."
PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {"path": {"type": "string", "description": "such as SKILL.md or references/types.md"}},
    "required": ["path"],
}
MOST_ROUNDS = 12
SPARE_ROUNDS = 2
"""For calls of no use."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: ``arguments`` is the JSON text that the model wrote."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Round:
    """What a student said in one request, and what its calls were answered.

    ``message`` is the student's part in its provider's own form, to be sent back unchanged; None for one from memory.
    """

    calls: tuple[Call, ...]
    results: tuple[str, ...]
    message: Any = field(default=None, compare=False)


def most_rounds(files: Mapping[str, str]) -> int:
    """So often a student may call for these files before it must answer; 0 without any."""
    return min(MOST_ROUNDS, len(files) + SPARE_ROUNDS) if files else 0


def answer(call: Call, files: Mapping[str, str], seen: Collection[str] = ()) -> tuple[str, str | None]:
    """What a call gets, and the path that was read (None where the call was of no use).

    What was ``seen`` already is not sent again: a student that reads in circles must not cost without bounds.
    """
    if call.name != NAME:
        return f"There is no tool '{call.name}'; the only one is {NAME}.", None
    path = _path_in(call.arguments)
    if path is None:
        return f'{NAME} takes one argument: {{"path": "SKILL.md"}}.', None
    if path not in files:
        return f"The skill has no file '{path}'. Its files are: {', '.join(files)}.", None
    if path in seen:
        return f"You have read '{path}' already: its text stands above.", None
    return files[path], path


def remembered(exchange: Exchange, turn: int, files: Mapping[str, str]) -> Iterator[Round]:
    """What was read in an earlier turn, as one round: the conversation goes on with it in sight."""
    paths = [path for path in exchange.read if path in files]
    calls = tuple(
        Call(f"turn{turn}read{number}", NAME, json.dumps({"path": path})) for number, path in enumerate(paths)
    )
    if calls:
        yield Round(calls, tuple(files[path] for path in paths))


def _path_in(arguments: str) -> str | None:
    try:
        path = json.loads(arguments).get("path")
    except (ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(path, str) or not path.strip():
        return None
    return posixpath.normpath(path.strip().lstrip("/"))
