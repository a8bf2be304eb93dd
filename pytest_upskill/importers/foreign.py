"""Code that all importers use: a piece of a foreign source that may become a case, and why it does not become one."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_upskill.documents.syntax import parse_module
from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.importers.case_text import refused_characters

MOST_BYTES = 16 << 20
"""The most bytes of a JSON file."""
MOST_SOURCE = 150_000
"""The most bytes of the code or the texts of one case."""
MOST_LEVELS = 100
"""The most levels of the syntax tree of code. The functions that edit it are recursive, with several calls for each
level.
"""


@dataclass(frozen=True, slots=True)
class Foreign:
    """One task of another tool. ``label`` says where it is; ``wanted`` is the name that its case should have."""

    label: str
    wanted: str
    path: Path
    data: Any = None


class NotImported(Exception):
    """Raised if something does not become a case. The message gives the reason, in words for the user."""


def read_start(path: Path, most: int) -> bytes:
    """The first ``most + 1`` bytes of a file, so that a caller sees whether it has more than ``most``. This also works
    for pipes and devices, whose size is not known.
    """
    with path.open("rb") as file:
        return file.read(most + 1)


def read_source(path: Path) -> str:
    """The text of a file of source code. Raises NotImported."""
    try:
        if len(data := read_start(path, MOST_SOURCE)) > MOST_SOURCE:
            raise NotImported(f"it has more than {MOST_SOURCE:,} bytes")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotImported(f"it is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise NotImported(f"it cannot be read: {error.strerror}") from None
    if problem := refused_characters(text):
        raise NotImported(problem)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parsed(source: str, what: str) -> ast.Module:
    """The syntax tree of ``source``, which messages call ``what``. Raises NotImported if it is not Python."""
    try:
        return parse_module(source)
    except (RecursionError, MemoryError):
        raise NotImported(f"{what} is nested too deeply for Python: split its longest expression") from None
    except (SyntaxError, ValueError) as error:
        raise NotImported(f"{what} is not Python: {getattr(error, 'msg', error)}") from None


def check_depth(nodes: Sequence[ast.AST], what: str) -> None:
    """Raise NotImported for code with more than MOST_LEVELS levels, such as a sum of more than this number of terms."""
    line = 0
    for _ in range(MOST_LEVELS):
        if not (nodes := [child for node in nodes for child in ast.iter_child_nodes(node)]):
            return
        line = next((one.lineno for one in nodes if isinstance(one, ast.stmt | ast.expr)), line)
    raise NotImported(f"{what} nests more than {MOST_LEVELS} levels in line {line}: split what is written there")


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises UsageError."""
    try:
        if len(data := read_start(path, MOST_BYTES)) > MOST_BYTES:
            raise UsageError(f"{shown_path(path)} has more than {MOST_BYTES >> 20} MiB: name the file with the tests")
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown_path(path)} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    except RecursionError:
        raise UsageError(f"{shown_path(path)} is nested too deeply to be read: name another file") from None
    except ValueError as error:
        raise UsageError(f"{shown_path(path)} is not JSON: {error}; correct it, or name another file") from None
    except OSError as error:
        raise UsageError(f"{shown_path(path)} cannot be read: {error.strerror}") from None


def checked_text(value: object, what: str) -> str:
    """``value`` as a text of a foreign file. Raises NotImported if it is not a text, or is empty."""
    if not isinstance(value, str) or not value.strip():
        raise NotImported(f"{what} is {_shown(value)}; it must be a text")
    if len(value) > MOST_SOURCE:
        raise NotImported(f"{what} has {len(value):,} characters; at most {MOST_SOURCE:,} are imported")
    if problem := refused_characters(value):
        raise NotImported(f"{what}: {problem}")
    return value


def _shown(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
