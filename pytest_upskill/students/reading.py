"""The tool with which a student reads a skill's files, as agents do. It is independent of any provider's API.

A call can only name files that the question holds, so no path leads out of the skill.
"""

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
"""The number of additional rounds, in case the student makes invalid calls."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the tool. ``arguments`` is the JSON text that the model wrote."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Round:
    """The calls of one request, and their results.

    ``message`` is the student's message in its provider's form, which is sent back unchanged. It is None if the round
    stands for all files that were read in an earlier turn.
    """

    calls: tuple[Call, ...]
    results: tuple[str, ...]
    message: Any = field(default=None, compare=False)


def most_rounds(files: Mapping[str, str]) -> int:
    """Return the maximum number of rounds in which a student may read these files before it must answer; 0 without
    files.
    """
    return min(MOST_ROUNDS, len(files) + SPARE_ROUNDS) if files else 0


def answer(call: Call, files: Mapping[str, str], seen: Collection[str] = ()) -> tuple[str, str | None]:
    """Return the result of a call, and the path that was read (None for an invalid call).

    Files in ``seen`` are not sent again. This bounds the cost of a student that reads the same files repeatedly.
    """
    if call.name != NAME:
        return f"There is no tool '{call.name}'; the only one is {NAME}.", None
    if (path := _path_in(call.arguments)) is None:
        return f'{NAME} takes one argument: {{"path": "SKILL.md"}}.', None
    if path not in files:
        return f"The skill has no file '{path}'. Its files are: {', '.join(files)}.", None
    return (f"You have read '{path}' already: its text stands above.", None) if path in seen else (files[path], path)


def remembered(exchange: Exchange, turn: int, files: Mapping[str, str]) -> Iterator[Round]:
    """Yield one round with the files that were read in an earlier turn, so that the conversation still shows them."""
    if paths := [path for path in exchange.read if path in files]:
        texts = [json.dumps({"path": path}) for path in paths]
        calls = tuple(Call(f"turn{turn}read{number}", NAME, text) for number, text in enumerate(texts))
        yield Round(calls, tuple(files[path] for path in paths))


def _path_in(arguments: str) -> str | None:
    try:
        path = json.loads(arguments).get("path")
    except (ValueError, AttributeError, RecursionError):
        return None
    return posixpath.normpath(path.strip().lstrip("/")) if isinstance(path, str) and path.strip() else None
