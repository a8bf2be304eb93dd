"""Which lines of a kernel to show beside a failure. Knows source text only."""

from __future__ import annotations

import re
from dataclasses import dataclass

_KERNEL = re.compile(r"__global__\b")
_PARAMETERS = re.compile(r"__global__[^(;{]*?(?:__launch_bounds__\s*\([^)]*\)[^(;{]*?)?\b(\w+)\s*\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of a source around ``line`` (1-based). ``why`` says what the marked line is, if that is a guess."""

    line: int
    why: str = ""


def place_in(message: str, source_name: str) -> int | None:
    """The first line of the kernel that a message names, as ``kernel.cu:12`` where that is its source's name."""
    found = re.search(rf"{re.escape(source_name)}:(\d+)", message)
    return int(found[1]) if found else None


def choose(
    source: str, line: int | None, message: str, output: str | None, source_name: str = "kernel.cu"
) -> Excerpt | None:
    """The line that is to blame if it is known, else where a kernel writes the output, else a kernel's head."""
    known = line or place_in(message, source_name)
    if known is not None and 1 <= known <= len(source.splitlines()):
        return Excerpt(known)
    return _write(source, output) or _head(source)


def window(source: str, line: int, rows: int) -> list[tuple[int, str]]:
    """At most ``rows`` numbered lines around ``line``, without the indentation that all of them share."""
    lines = [text.expandtabs(4) for text in source.splitlines()]
    first = max(0, min(line - 1 - (rows - 1) // 2, len(lines) - rows))
    shown = lines[first : first + rows]
    indent = min((len(text) - len(text.lstrip()) for text in shown if text.strip()), default=0)
    return [(first + offset + 1, text[indent:]) for offset, text in enumerate(shown)]


def _write(source: str, output: str | None) -> Excerpt | None:
    start = _KERNEL.search(source)
    if start is None:
        return None
    for name in _written_names(source, output):
        pattern = re.compile(rf"(?<![\w.]){re.escape(name)}\s*\[.*?\]\s*(?:[-+*/|&^]|<<|>>)?=(?!=)")
        found = pattern.search(source, start.start())
        if found:
            return Excerpt(source.count("\n", 0, found.start()) + 1, f"where {name} is written")
    return None


def _written_names(source: str, output: str | None) -> list[str]:
    """The output's own name, then the pointers to non-const that the kernels take, in order."""
    names = [output] if output else []
    for found in _PARAMETERS.finditer(source):
        for parameter in found[2].split(","):
            name = re.search(r"(\w+)\s*$", parameter)
            if name and "*" in parameter and "const" not in parameter.split("*")[0]:
                names.append(name[1])
    return list(dict.fromkeys(names))


def _head(source: str) -> Excerpt | None:
    found = _KERNEL.search(source)
    if found is None:
        return None
    return Excerpt(source.count("\n", 0, found.start()) + 1, "the kernel")
