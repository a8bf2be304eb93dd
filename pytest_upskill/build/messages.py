"""Shortens compilers' messages: puts errors first, with lines of the student's source, and removes prefixes of our
names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SOURCE_NAME = "kernel.cu"
"""The name of the student's source in messages."""
ENTRY_NAME = "upskill_entry.cu"
"""The name of the generated end of the translation unit. ``shorten`` shows the generated line instead of this name."""

MOST_LINES = 40
MOST_WIDTH = 300
_MOST_READ = 2000
"""The most characters of a line that are read, because a source can make a message of any length."""

_GNU = re.compile(r"^(?P<file>[^\s:][^:]*):(?P<line>\d+):(?:(?P<column>\d+):)?\s*(?P<text>.*)$")
_NVCC = re.compile(r"^(?P<file>[^\s()][^()]*)\((?P<line>\d+)\):\s*(?P<text>.*)$")
_CONTEXT = re.compile(
    r"^In file included from|^\s+from |^(?:.*: )?(?:In (?:static |member |copy )*"
    r"(?:function|constructor|destructor|instantiation|substitution|lambda)|At global scope)|"
    r"required (?:from|by)|instantiated from"
)
_OURS = re.compile(r"/native/cpu/include/|\bupskill_cpu\.h\b|/include/c\+\+/")
_INCLUSION = re.compile(r"^In file included from|^\s+from ")
_ERROR = re.compile(
    r"\berror\s*[:#(]|\bfatal error\b|\bError:|Assembler messages|"
    r"undefined reference|multiple definition|undefined symbol|hidden symbol"
)
_WARNING = re.compile(r"\bwarning\s*[:#]")
_CALL = re.compile(r"(?:::)?([A-Za-z_]\w*(?:<[^()]*?>)?)\(.*upskill_s\)")

_UNKNOWN = re.compile(
    # g++
    r"'(?P<a>[^'\n]{1,300})' (?:was not declared in this scope|has not been declared|is not a member of|"
    r"does not name a|is not a (?:namespace-name|class or|class,|template|type))|"
    r"'(?P<b>[^'\n]{1,300})' in (?:namespace|class|struct) '[^'\n]{1,300}' does not name a|"
    r"has no member named '(?P<c>[^'\n]{1,300})'|there are no arguments to '(?P<d>[^'\n]{1,300})'|"
    r"^(?P<e>\S{1,300}): No such file or directory|"
    # clang
    r"(?:use of undeclared identifier|unknown type name|no (?:member|type|template) named) '(?P<f>[^'\n]{1,300})'|"
    r"'(?P<g>[^'\n]{1,300})' file not found"
)


@dataclass(slots=True)
class _Block:
    """A message with its context lines."""

    severity: int
    lines: list[str]


def shorten(output: str, entry: str, internal: Sequence[str] = ()) -> str:
    """Shorten messages to about 40 lines: errors come first, and warnings are kept only if there are no errors.

    ``entry`` is the generated source; where a message points to one of its lines, the text of this line is shown.
    ``internal`` are texts (prefixes of our names) to remove.
    """
    blocks = _blocks([line[:_MOST_READ] for line in output.replace("\r", "").splitlines()])
    chosen = [block for block in blocks if block.severity == 0] or blocks
    lines = [_readable(line, entry, internal) for block in chosen for line in _from_home(block.lines)]
    lines = list(dict.fromkeys(line for line in lines if line.strip() and not line.startswith(f"{ENTRY_NAME}: ")))
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"... and {len(lines) - MOST_LINES} more lines"]
    return "\n".join(lines)


def unknown_names(text: str) -> list[str]:
    """The names and headers that an error message calls unknown."""
    return [name for found in _UNKNOWN.finditer(text[:_MOST_READ]) for name in found.groups() if name]


def _blocks(lines: Sequence[str]) -> list[_Block]:
    """The messages, each with its context: lines before an error ("In instantiation of") and the notes after it."""
    waiting: list[str] = []
    blocks: list[_Block] = []
    for line in lines:
        waiting.append(line)
        severity = _severity(line)
        if severity in (0, 1):
            blocks.append(_Block(severity, waiting))
        elif blocks and (severity is not None or not _CONTEXT.search(line)):
            blocks[-1].lines += waiting
        else:
            continue
        waiting = []
    return [*blocks, _Block(2, waiting)] if waiting else blocks


def _from_home(lines: list[str]) -> list[str]:
    """``lines`` without the chains of includes of our headers. If an error is in one of our headers, a line with the
    place in the student's source that led to it is added at the front.
    """
    lines = [line for line in lines if not (_INCLUSION.search(line) and _OURS.search(line))]
    error = next((number for number, line in enumerate(lines) if _severity(line) == 0), None)
    found = _GNU.match(lines[error]) if error is not None else None
    if error is None or found is None or not _OURS.search(found["file"]):
        return lines
    led = [place for line in lines[:error] if "required from" in line and (place := _GNU.match(line))]
    home = next((place for place in reversed(led) if not _OURS.search(place["file"])), None)
    return lines if home is None else [f"{home['file']}:{home['line']}: {found['text']}", *lines]


def _severity(line: str) -> int | None:
    """The severity of a line: 0 for an error, 1 for a warning, 2 for a note, None for any other line."""
    if _ERROR.search(line):
        return 0
    if _WARNING.search(line):
        return 1
    return 2 if "note:" in line else None


def _readable(line: str, entry: str, internal: Sequence[str]) -> str:
    for text in internal:
        line = line.replace(text, "")
    if found := _GNU.match(line) or _NVCC.match(line):
        line = f"{_place(found, entry)}: {found['text']}"
    line = re.sub(rf"\S*/({re.escape(SOURCE_NAME)})", r"\1", line)
    return line if len(line) <= MOST_WIDTH else line[:MOST_WIDTH] + "..."


def _place(found: re.Match[str], entry: str) -> str:
    name = found["file"].rsplit("/", 1)[-1]
    if name != ENTRY_NAME:
        return f"{name}:{found['line']}"
    lines = entry.splitlines()
    number = int(found["line"])
    text = lines[number - 1] if 0 < number <= len(lines) else ""
    call = _CALL.search(text)
    return f"the generated call `{call.group(1)}(...)`" if call else "the generated code after the kernel"
