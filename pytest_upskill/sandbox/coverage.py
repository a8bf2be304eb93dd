"""Reads what a traced build executed, from the driver's line. The kernel's process may send anything."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_upskill.records import Trace

_MARK = "coverage\t"
_PLACE = re.compile(r"([0-9a-f]{1,16})((?::-?\d{1,20}:-?\d{1,20}){0,3})")


def split(lines: Sequence[str]) -> tuple[list[str], Trace]:
    """The other lines, and what the line of coverage says; words of another form are left out."""
    places = [word for line in lines if line.startswith(_MARK) for word in line.removeprefix(_MARK).split(" ")]
    found = [match for place in places if (match := _PLACE.fullmatch(place))]
    compared = {hex(int(one[1], 16)): _pairs(one[2]) for one in found if one[2]}
    executed = frozenset(hex(int(one[1], 16)) for one in found)
    return [line for line in lines if not line.startswith(_MARK)], Trace(executed, compared)


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    numbers = [int(word) for word in text.split(":")[1:]]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))
