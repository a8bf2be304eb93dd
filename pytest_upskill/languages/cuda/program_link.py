"""What a linker says of a whole program, told in terms of the files that were named. Knows text alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_UNDEFINED = re.compile(r"^(?:(?P<place>[^\s:()]+:\d+): |.*?)undefined reference to [`'](?P<name>.*)'$")
_TWICE = re.compile(r"^(?:(?P<place>[^\s:()]+:\d+): |.*?)multiple definition of [`'](?P<name>.*?)'")


def explain(said: str, files: Sequence[Path]) -> str:
    """The linker's message in one line for each name; as it is, where it is of another kind."""
    named = ", ".join(map(str, files))
    found: dict[str, str] = {}
    for line in said.splitlines():
        if undefined := _UNDEFINED.match(line):
            found.setdefault(undefined["name"], _undefined(undefined["name"], undefined["place"], named))
        elif twice := _TWICE.match(line):
            name, place = twice["name"], twice["place"] or "two files"
            found.setdefault(name, f"{place}: {name} is defined more than once; a function in a header wants 'inline'")
    return "\n".join(found.values()) or said


def _undefined(name: str, place: str | None, named: str) -> str:
    if name == "main":
        return f"there is no main function in {named}; name the file that has it, too"
    return f"{place or named}: {name} is used, and defined in none of: {named}; name the file that defines it, too"
