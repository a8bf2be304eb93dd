"""Traces calls of a kernel in its build with coverage, on the cpu device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from pytest_upskill.build.messages import SOURCE_NAME
from pytest_upskill.devices.base import Machine
from pytest_upskill.records import Call, Trace
from pytest_upskill.sandbox.client import Order

TRACED, PLACES = "traced.so", "places.txt"
"""Files in the folder of a build. ``TRACED`` is the library with coverage. ``PLACES`` has the return addresses of its
calls of the coverage runtime, each with ``b`` for a block or ``c`` for a comparison.
"""

_CALL = r"/<__sanitizer_cov_trace_%s@plt>/{n;s/^ *\([0-9a-f]*\):.*/%s \1/p}"
LIST_PLACES = (
    f"objdump -d --no-show-raw-insn {TRACED} | "
    f"sed -n -e '{_CALL % ('pc', 'b')}' -e '{_CALL % ('[a-z]*_*cmp[0-9]', 'c')}' > {PLACES}"
)
"""A shell command that writes the file PLACES."""

_UNCHECKED = Order(checks=0)

_PLACE = re.compile(r"([bc]) ([0-9a-f]{1,16})")


class CudaTracer:
    """Traces calls; see ``languages.base.Tracer``. It owns a sandbox, which it starts with the first call."""

    def __init__(self, library: Path, machine: Machine, timeout: float) -> None:
        self._library = library
        self._sandbox = machine.sandbox(library, timeout, SOURCE_NAME)

    @cached_property
    def blocks(self) -> Mapping[str, int]:
        return {place: line for place, line in self._lines.items() if self._kinds[place] == "b"}

    @cached_property
    def comparisons(self) -> Mapping[str, int]:
        return {place: line for place, line in self._lines.items() if self._kinds[place] == "c"}

    @cached_property
    def _kinds(self) -> Mapping[str, str]:
        text = self._library.with_name(PLACES).read_text(encoding="ascii", errors="replace")
        return {hex(int(found[2], 16) - 1): found[1] for found in _PLACE.finditer(text)}

    @cached_property
    def _lines(self) -> Mapping[str, int]:
        return self._sandbox.lines(list(self._kinds))

    def trace(self, call: Call) -> Trace | None:
        answer = self._sandbox.call(call, _UNCHECKED)
        return answer.trace if answer.ran else None

    def close(self) -> None:
        self._sandbox.close()
