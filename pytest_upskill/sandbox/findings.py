"""Makes findings and traces from the lines that the driver prints, and findings from how a process ended.

A kernel could have taken control of the process that wrote the lines, so the lines are checked, cleaned and shortened.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from pytest_upskill.records import Finding, Trace

_Assertion = Literal["runs", "memory", "inputs", "deterministic"]
_ASSERTIONS: Mapping[str, _Assertion] = {name: name for name in get_args(_Assertion)}
_KIND = re.compile(r"[a-z0-9-]{1,40}")
_PC = re.compile(r"(0x)?[0-9a-f]{1,16}")
_MESSAGE_LENGTH = 1000
_NOTE, _MARK = "note\t", "coverage\t"
_TRACED = re.compile(r"([0-9a-f]{1,16})((?::-?\d{1,20}:-?\d{1,20}){0,3})")
_TAIL_LINES = 3
_TAIL_WIDTH = 200
PLACE = re.compile(r"<(0x[0-9a-f]{1,16})>")
_QUOTED = re.compile(r"'[^']*'")
_BROKEN_LAUNCH = "launch-error"
_CAUSES = {"guard": "out-of-bounds", "input-modified": "write-to-input"}
"""Kinds of the driver's findings about a tensor. The value is the kind of the report from the device that explains the
finding.
"""

_SIGNAL_KINDS = {signal.SIGXCPU: "timeout", signal.SIGKILL: "memory-limit"}


@dataclass(frozen=True, slots=True)
class Reported:
    """One line of the driver: a finding, and its address in the kernel's library (hexadecimal; None if unknown)."""

    finding: Finding
    pc: str | None


def parse(lines: Sequence[str]) -> tuple[Reported, ...]:
    """Read the driver's lines. A line in an unknown format becomes a finding for ``runs``."""
    return tuple(_without_echoes([_parse_line(line) for line in lines if line]))


def split_notes(lines: Sequence[str]) -> tuple[list[str], tuple[Reported, ...]]:
    """The lines that are not notes, and the notes. Notes in an unknown format are left out."""
    noted = [parts for line in lines if line.startswith(_NOTE) and len(parts := line.split("\t", 3)) == 4]
    return [line for line in lines if not line.startswith(_NOTE)], tuple(
        Reported(Finding("memory", kind, clean(message)), _place(pc))
        for _, kind, pc, message in noted
        if _KIND.fullmatch(kind) and _PC.fullmatch(pc)
    )


def split_coverage(lines: Sequence[str]) -> tuple[list[str], Trace]:
    """The lines without the line of coverage, and the trace that this line describes. Words in an unknown format are
    left out.
    """
    places = [word for line in lines if line.startswith(_MARK) for word in line.removeprefix(_MARK).split(" ")]
    found = [match for place in places if (match := _TRACED.fullmatch(place))]
    compared = {hex(int(one[1], 16)): _pairs(one[2]) for one in found if one[2]}
    executed = frozenset(hex(int(one[1], 16)) for one in found)
    return [line for line in lines if not line.startswith(_MARK)], Trace(executed, compared)


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    numbers = [int(word) for word in text.split(":")[1:]]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def located(reported: Sequence[Reported], line_of: Callable[[Sequence[str]], Mapping[str, int]]) -> tuple[Finding, ...]:
    """The findings with their lines in the kernel's source. ``line_of`` is called once, with all addresses."""
    places = places_of(reported)
    lines = line_of(places) if places else {}
    return tuple(_with_lines(entry, lines) for entry in reported)


def places_of(reported: Sequence[Reported]) -> list[str]:
    """All addresses in reports: those of the findings, and those that messages contain in the form ``<0x1a2b>``."""
    places = {entry.pc for entry in reported if entry.pc is not None}
    return sorted(places.union(*(PLACE.findall(entry.finding.message) for entry in reported)))


def _with_lines(reported: Reported, lines: Mapping[str, int]) -> Finding:
    """The finding with its line. Its message may contain further addresses as ``<0x1a2b>`` (such as the second access
    of a race), which are replaced by lines.
    """

    def name(place: re.Match[str]) -> str:
        return f"line {lines[place[1]]}" if place[1] in lines else "a place outside the kernel's source"

    message = PLACE.sub(name, reported.finding.message)
    line = lines.get(reported.pc) if reported.pc is not None else reported.finding.line
    return replace(reported.finding, message=message, line=line)


def protocol(problem: str) -> Finding:
    """A finding for an answer that breaks the protocol, which happens only if a kernel controls the process."""
    return Finding("runs", "protocol", f"the kernel's process broke the protocol: {problem}")


def timeout(seconds: float) -> Finding:
    """A finding for a call that was not answered within its time limit."""
    return Finding("runs", "timeout", f"no answer within the limit of {seconds:g} s; the kernel hangs or is too slow")


def item_timeout(seconds: float) -> Finding:
    """A finding for an item whose calls together took longer than their limit."""
    text = f"the calls of this kernel together reached the limit of {seconds:g} s for an item"
    advice = "make the kernel faster, or raise the limit with --upskill-item-timeout"
    return Finding("runs", "item-timeout", f"{text}; {advice}")


def flood(limit: int) -> Finding:
    """A finding for a kernel that printed more than the limit."""
    return Finding("runs", "output-limit", f"the kernel printed more than the limit of {limit} bytes in one call")


def death(status: int, output: str, memory: int) -> Finding:
    """A finding for a process that ended before it answered. ``status`` is as in a shell; ``output`` is what it had
    printed.
    """
    number = status - 128
    if number not in set(signal.Signals):
        text = f"the kernel ended its process with exit status {status} before the call had returned"
        return Finding("runs", "exit", text + _tail(output))
    name = f"{signal.strsignal(number)} ({signal.Signals(number).name})"
    if "std::bad_alloc" in output or "MemoryError" in output:
        return Finding("runs", "memory-limit", f"the kernel's process ran out of memory (limit {memory >> 20} MiB)")
    kind = _SIGNAL_KINDS.get(signal.Signals(number), "crash")
    if kind == "memory-limit":
        name += ", not by pytest-upskill: the system was out of memory"
    if kind == "timeout":
        name += ": the limit on processor time"
    return Finding("runs", kind, f"the kernel's process was killed: {name}{_tail(output)}")


def clean(text: str) -> str:
    """The text without control characters, shortened to a limit, so that it can be printed."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable if len(printable) <= _MESSAGE_LENGTH else printable[:_MESSAGE_LENGTH] + "..."


def _tail(output: str) -> str:
    lines = [clean(line)[:_TAIL_WIDTH] for line in output.splitlines() if line.strip()]
    return "; it printed: " + " | ".join(lines[-_TAIL_LINES:]) if lines else ""


def _parse_line(line: str) -> Reported:
    parts = line.split("\t", 3)
    if len(parts) != 4:
        return Reported(protocol(f"a report without four fields: {clean(line)[:80]!r}"), None)
    assertion, kind, pc, message = parts
    if assertion not in _ASSERTIONS or not _KIND.fullmatch(kind) or not _PC.fullmatch(pc):
        return Reported(protocol(f"a report that names no known assertion, kind or place: {clean(line)[:80]!r}"), None)
    return Reported(Finding(_ASSERTIONS[assertion], kind, clean(message)), _place(pc))


def _place(pc: str) -> str | None:
    return None if int(pc, 16) == 0 else hex(int(pc, 16))


def _without_echoes(reported: list[Reported]) -> list[Reported]:
    """The reports, without what the driver found as a consequence of a fault that the device has reported with its
    address.
    """
    explained = any(entry.finding.assertion == "runs" and entry.pc is not None for entry in reported)

    def echoed(finding: Finding) -> bool:
        if finding.kind == _BROKEN_LAUNCH:
            return explained
        cause = _CAUSES.get(finding.kind)
        name = _QUOTED.search(finding.message)
        return name is not None and any(
            entry.finding.kind == cause and name.group(0) in entry.finding.message for entry in reported
        )

    return [entry for entry in reported if entry.pc is not None or not echoed(entry.finding)]
