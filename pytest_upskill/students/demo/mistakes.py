"""A plausible slip in a right kernel, made by rule: each is among the common mistakes of people who write CUDA."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from pytest_upskill.cases.case import Case

_LAUNCH = re.compile(r"\w+(?:<[\w\s,]*>)?<<<.*?>>>\(.*?\);", re.DOTALL)
"""One launch of a kernel, with its arguments."""


def slip(case: Case) -> str | None:
    """The case's solution with a slip in it, the same each time; None where no rule applies, or there is none."""
    if case.solution is None:
        return None
    source = case.solution.source
    slips = [wrong for wrong in _slips(source, [dim.name for dim in case.dims]) if wrong != source]
    if not slips:
        return next((wrong for wrong in [_LAUNCH.sub("", source, count=1)] if wrong != source), None)
    return slips[zlib.crc32(case.name.encode()) % len(slips)]


def _slips(source: str, dims: list[str]) -> Iterator[str]:
    yield _once(r"\boffset = 16\b", "offset = 8", source)  # half of a warp is left out of the sum
    yield _once(r"\((\w+) \+ \d+\) / (\d+)", r"\1 / \2", source)  # blocks are rounded down
    yield _last_bound(source, dims)


def _once(pattern: str, replacement: str, source: str) -> str:
    return re.sub(pattern, replacement, source, count=1)


def _last_bound(source: str, dims: list[str]) -> str:
    """The last element is left out: ``c < cols`` becomes ``c < cols - 1``, at the last such place."""
    names = "|".join(map(re.escape, [*dims, "total"]))
    found = list(re.finditer(rf"\b\w+ < (?:{names})\b", source))
    return source if not found else source[: found[-1].end()] + " - 1" + source[found[-1].end() :]
