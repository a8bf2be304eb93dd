"""A common mistake of CUDA programmers, inserted into a correct kernel by rule."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from pytest_upskill.cases.case import Case

_LAUNCH = re.compile(r"\w+(?:<[\w\s,]*>)?<<<.*?>>>\(.*?\);", re.DOTALL)
"""One launch of a kernel, with its arguments."""


def slip(case: Case) -> str | None:
    """The case's solution with a mistake, the same each time; None without a solution, or if no rule applies."""
    if case.solution is None:
        return None
    source = case.solution.source
    slips = [wrong for wrong in _slips(source, [dim.name for dim in case.dims]) if wrong != source]
    if slips:
        return slips[zlib.crc32(case.name.encode()) % len(slips)]
    unlaunched = _LAUNCH.sub("", source, count=1)
    return unlaunched if unlaunched != source else None


def _slips(source: str, dims: list[str]) -> Iterator[str]:
    yield re.sub(r"\boffset = 16\b", "offset = 8", source, count=1)  # the sum leaves out half of a warp
    yield re.sub(r"\((\w+) \+ \d+\) / (\d+)", r"\1 / \2", source, count=1)  # the number of blocks is rounded down
    names = "|".join(map(re.escape, [*dims, "total"]))
    for last in list(re.finditer(rf"\b\w+ < (?:{names})\b", source))[-1:]:  # the last element is left out
        yield f"{source[: last.end()]} - 1{source[last.end() :]}"
