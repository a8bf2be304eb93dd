"""Starts processes under compute-sanitizer, and reads its reports as findings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from pytest_upskill.records import Finding
from pytest_upskill.sandbox.confinement import GpuAccess
from pytest_upskill.sandbox.findings import clean

MOST_REPORTS = 16

_MARK = "========="
_FAULT = re.compile(r"(?:Invalid|Misaligned|Uninitialized) __(?:global|shared|local)__ .*")


@dataclass(frozen=True, slots=True)
class Sanitizer:
    """compute-sanitizer, under which a process can run. ``slowdown`` is the factor by which it extends the time limit
    of a call.

    Its memcheck compares each access of a kernel with all allocations. Therefore the driver allocates tensors without
    guard bands, so that an access out of bounds lies outside every allocation.
    """

    program: Path
    slowdown: int = 30

    def describe(self) -> str:
        """The sanitizer's name in the header of a run."""
        return "compute-sanitizer"

    def around(self, access: GpuAccess) -> GpuAccess:
        """The same access to a GPU, for a process that runs under compute-sanitizer."""
        real = self.program.resolve()
        prefix = (str(real), "--tool", "memcheck", "--print-limit", str(MOST_REPORTS), "--show-backtrace", "no")
        folder = real.parent.parent if real.parent.name == "bin" else real.parent
        return replace(access, prefix=prefix, readable=(*access.readable, folder))


def parse_sanitizer(printed: str, source_name: str) -> tuple[Finding, ...]:
    """The reports as findings for ``memory``. Each has the line of ``source_name`` that its report names."""
    return tuple(dict.fromkeys(_sanitizer_findings(printed.splitlines(), source_name)))[:MOST_REPORTS]


def _sanitizer_findings(lines: Sequence[str], source_name: str) -> Iterator[Finding]:
    line_of_source = re.compile(rf"\bin (?:\S*/)?{re.escape(source_name)}:(\d+)")
    texts = [line.partition(_MARK)[2].strip() for line in lines if line.startswith(_MARK)]
    for index, text in enumerate(texts):
        if not _FAULT.fullmatch(text):
            continue
        following = texts[index + 1 : index + 5]
        details = list(takewhile(lambda detail: detail and not _FAULT.fullmatch(detail), following))
        place = next((found for detail in details if (found := line_of_source.search(detail))), None)
        message = f"compute-sanitizer: {text} {', '.join(details)}"
        yield Finding("memory", "out-of-bounds", clean(message), int(place[1]) if place else None)
