"""Looks up the source lines of addresses in a built library. The lookup runs in a confined process."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_upskill.errors import SandboxError
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement, Resources

_SECONDS = 10.0
_RESOURCES = Resources(cpu_seconds=10, memory=2 << 30, file_size=1 << 20)


class Symbols:
    """Looks up lines with addr2line, each address once. ``source_name`` is the source's name in debug information."""

    def __init__(self, library: Path, confinement: Confinement, source_name: str) -> None:
        self._library = library
        self._confinement = confinement
        self._source_name = source_name
        self._known: dict[str, int | None] = {}

    def lines(self, places: Sequence[str]) -> Mapping[str, int]:
        """The 1-based lines by place (hexadecimal offset). Places outside the student's source are left out."""
        unknown = [place for place in places if place not in self._known]
        if unknown and self._source_name:
            self._known.update(self._look_up(unknown))
        return {place: line for place in places if (line := self._known.get(place)) is not None}

    def _look_up(self, places: Sequence[str]) -> dict[str, int | None]:
        nothing: dict[str, int | None] = dict.fromkeys(places)
        if (program := shutil.which("addr2line")) is None:
            return nothing
        argv = [program, "--addresses", "--inlines", f"--exe={self._library}", *places]
        command = self._confinement.command(argv, readable=(self._library.parent,), resources=_RESOURCES)
        try:
            done = process.run(command, environment=ENVIRONMENT, seconds=_SECONDS)
        except SandboxError:
            return nothing
        return {**nothing, **_parse(done.output, self._source_name)}


def _parse(output: str, source_name: str) -> dict[str, int | None]:
    """Read the output of addr2line. Each address has a block: the address, then its frames, innermost first."""
    frame_of_source = re.compile(rf"(?:^|/){re.escape(source_name)}:(\d+)")
    lines: dict[str, int | None] = {}
    place = ""
    for text in output.splitlines():
        if text.startswith("0x"):
            place = hex(int(text, 16))
        elif (frame := frame_of_source.search(text)) and lines.get(place) is None:
            lines[place] = int(frame.group(1)) or None
    return lines
