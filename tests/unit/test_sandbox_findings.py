from __future__ import annotations

import signal

import pytest

from pytest_upskill.records import Finding
from pytest_upskill.sandbox import findings


def test_line_of_the_driver_becomes_a_finding_with_its_place() -> None:
    (reported,) = findings.parse(["memory\tout-of-bounds-write\t0x1a2B\tkernel k wrote past 'out'".replace("B", "b")])
    assert reported.finding == Finding("memory", "out-of-bounds-write", "kernel k wrote past 'out'")
    assert reported.pc == "0x1a2b"


def test_place_is_looked_up_once_for_all() -> None:
    asked = []

    def line_of(places):
        asked.append(list(places))
        return {"0x10": 7}

    reported = findings.parse(["memory\ta\t0x10\tm", "memory\tb\t0x20\tn", "inputs\tc\t0\to", "memory\td\t10\tp"])
    assert [finding.line for finding in findings.located(reported, line_of)] == [7, None, None, 7]
    assert asked == [["0x10", "0x20"]]


def test_places_within_a_message_become_lines() -> None:
    reported = findings.parse(["deterministic\trace\t0x10\ta read and the write at <0x20>, not <0x30> or <x>"])
    (found,) = findings.located(reported, lambda places: {"0x10": 3, "0x20": 8} if len(places) == 3 else {})
    assert (found.line, found.message) == (
        3,
        "a read and the write at line 8, not a place outside the kernel's source or <x>",
    )


@pytest.mark.parametrize(
    "line", ["no tabs", "correct\tx\t0\tm", "memory\tKind!\t0\tm", "memory\tx\tzz\tm", "memory\tx\t\tm"]
)
def test_tampered_line_is_a_finding_for_runs(line: str) -> None:
    (reported,) = findings.parse([line])
    assert (reported.finding.assertion, reported.finding.kind) == ("runs", "protocol")


def test_control_characters_and_length_are_tamed() -> None:
    (reported,) = findings.parse(["runs\tcrash\t0\t\x1b[2Jgone" + "x" * 5000])
    assert "\x1b" not in reported.finding.message
    assert len(reported.finding.message) < 1100


def kinds(*lines: str) -> list[str]:
    return [entry.finding.kind for entry in findings.parse(lines)]


def test_guard_gives_way_to_the_report_of_the_access() -> None:
    guard = "memory\tguard\t0\t4 bytes after the end of 'out' were overwritten, the nearest 1 element(s) after it"
    exact = "memory\tout-of-bounds\t0x10\tout-of-bounds write of 4 bytes: element 4 of 'out'"
    assert kinds(exact, guard) == ["out-of-bounds"]
    assert kinds(exact.replace("out'", "y'"), guard) == ["out-of-bounds", "guard"]
    assert kinds(guard) == ["guard"]


def test_broken_launch_gives_way_to_the_report_of_what_broke_it() -> None:
    broken = "runs\tlaunch-error\t0\tthe launch timed out and was terminated (cudaGetLastError after the launch)"
    hang = "runs\ttimeout\t0x10\tstill running after 0.45 s, when it was stopped here"
    assert kinds(broken, hang) == ["timeout"]
    assert kinds(broken) == ["launch-error"]
    assert kinds(broken, "memory\tillegal-address\t0x10\tillegal read of 4 bytes") == [
        "launch-error",
        "illegal-address",
    ]


def test_changed_input_gives_way_to_the_report_of_the_write() -> None:
    changed = "inputs\tinput-modified\t0\tthe kernel changed its input 'x': 32 bytes differ"
    assert kinds("inputs\twrite-to-input\t0x10\twrite of 8 bytes to 'x', which is an input", changed) == [
        "write-to-input"
    ]
    assert kinds(changed) == ["input-modified"]


@pytest.mark.parametrize(
    ("status", "output", "kind", "words"),
    [
        (0, "", "exit", "exit status 0"),
        (7, "bye\n", "exit", "exit status 7 before the call had returned; it printed: bye"),
        (128 + signal.SIGSEGV, "", "crash", "Segmentation fault (SIGSEGV)"),
        (128 + signal.SIGABRT, "terminate called: std::bad_alloc", "memory-limit", "limit 4096 MiB"),
        (128 + signal.SIGABRT, "assertion `x' failed", "crash", "Aborted (SIGABRT); it printed: assertion `x' failed"),
        (128 + signal.SIGKILL, "", "memory-limit", "the system was out of memory"),
        (128 + signal.SIGXCPU, "", "timeout", "limit on processor time"),
    ],
)
def test_death_is_named_with_its_cause(status: int, output: str, kind: str, words: str) -> None:
    finding = findings.death(status, output, 4 << 30)
    assert (finding.assertion, finding.kind) == ("runs", kind)
    assert words in finding.message
