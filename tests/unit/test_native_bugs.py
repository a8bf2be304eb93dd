"""The bugs that the cpu device is known to find: each is told with its line, in every order of threads, and its right
twins are not; and how many families of them there are, in how many guises.

The cases themselves are in tests/native/bugs.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit import native_device
from tests.unit.native_device import BUGS, KERNELS, Array, Device, Result, read_only

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")

device = native_device.device


MARK = re.compile(r"bug (\d+)( again)?: (\w+) ([\w-]+)")


@dataclass(frozen=True)
class Bug:
    """One case of a file in tests/native/bugs: what it does wrong, and where; nothing, if it is a right twin.

    The lines at fault carry ``// bug 3: memory leak``: the case's number, the assertion and the kind; with ``again``
    what shows when the case has run before.
    """

    name: str
    case: int
    lines: tuple[tuple[str, str, int], ...]
    again: bool


def bugs_of(path: Path) -> list[Bug]:
    text = path.read_text()
    marks = [
        (int(mark[1]), bool(mark[2]), (mark[3], mark[4], number))
        for number, line in enumerate(text.splitlines(), 1)
        for mark in MARK.finditer(line)
    ]
    found = []
    for case in map(int, re.findall(r"^ +case (\d+):", text, re.MULTILINE)):
        lines = tuple(line for number, _, line in marks if number == case)
        found.append(Bug(f"bugs/{path.stem}", case, lines, any(again for number, again, _ in marks if number == case)))
    return found


ALL_BUGS = [bug for path in BUGS for bug in bugs_of(path)]


def bug_call(bug: Bug, order: int) -> dict[str, Any]:
    generator = np.random.default_rng(5)
    buffers = {
        "x": read_only(generator.normal(size=1024).astype(np.float32)),
        "fresh_y": np.zeros(1024, np.float32),
        "z": np.zeros(1024, np.float32),
    }
    return {"which": bug.case, "order": order, "seed": 3, "buffers": buffers}


@pytest.fixture(scope="module", params=[0, 1, 2], ids=["forward", "reverse", "random"])
def bug_results(device: Device, request: pytest.FixtureRequest) -> dict[tuple[str, int], list[Result]]:
    """Each case done twice in a row, in each order of threads."""
    results = {}
    for path in BUGS:
        bugs = bugs_of(path)
        calls = [bug_call(bug, request.param) for bug in bugs for _ in range(2)]
        answers = device.run(f"bugs/{path.stem}", *calls)
        results.update({(bug.name, bug.case): answers[2 * i : 2 * i + 2] for i, bug in enumerate(bugs)})
    return results


@pytest.mark.parametrize("bug", ALL_BUGS, ids=lambda bug: f"{bug.name[5:]}-{bug.case}")
def test_a_bug_is_reported_with_its_line_and_its_twin_is_not(
    bug_results: dict[tuple[str, int], list[Result]], bug: Bug
) -> None:
    first, second = bug_results[bug.name, bug.case]
    for result in (first, second):
        if not bug.lines or (bug.again and result is first):
            assert result.reports == []
        else:
            assert any(is_at(report, line) for report in result.reports for line in bug.lines), result.reports
            assert {report[:2] for report in result.reports} <= {line[:2] for line in bug.lines}, result.reports


def test_a_local_array_that_was_not_set_shows_in_another_order(device: Device) -> None:
    def values(case: int, order: int) -> Array:
        return device.run("bugs/uninitialised", bug_call(Bug("", case, (), False), order))[0].buffers[1][:64]

    assert np.isnan(values(14, 1)).all()
    np.testing.assert_array_equal(values(15, 1), values(15, 0))


def test_a_race_names_both_lines_both_threads_and_what_helps(device: Device) -> None:
    (report,) = device.run("bugs/between_blocks", bug_call(Bug("", 5, (), False), 0))[0].reports
    source = (KERNELS / "bugs" / "between_blocks.cu").read_text().splitlines()
    line = next(number for number, text in enumerate(source, 1) if "  y[i] = x[i];" in text)
    assert report[3] == (
        "race on element 63 of 'fresh_y': a read and the write by thread (63,0,0) of block (0,0,0) at line "
        f"{line} have no order, in kernel uses_the_neighbour, block (1,0,0), thread (0,0,0); blocks run at the same "
        "time and in any order: use atomic operations, or __threadfence() and then one, or two launches"
    )


def test_an_index_that_ran_over_is_named_with_its_values_and_where_it_led(device: Device) -> None:
    result = device.run("bugs/huge_indices", bug_call(Bug("", 0, (), False), 0))[0]
    assert [(report[0], report[1]) for report in result.reports] == [
        ("memory", "integer-overflow"),
        ("memory", "illegal-address"),
    ]
    assert result.reports[0][3] == (
        "3 * 1000000000: 3000000000 does not fit a signed number of 32 bits, and then the thread made an access to "
        "nowhere; compute indices that large in size_t or int64_t, in kernel rows_of_a_big_matrix, block (3,0,0), "
        "thread (0,0,0)"
    )


def is_at(report: tuple[str, str, int | None, str], line: tuple[str, str, int]) -> bool:
    """A race has two lines: the later access is where it is reported, the other one is in the message."""
    return report[:2] == line[:2] and (report[2] == line[2] or f"at line {line[2]} " in report[3])


# --------------------------------------------------------------------------------------------- families

Cases = dict[str, tuple[int, ...]]

# A family: its guises, and twins that do the same and do it right. File: cases.
FAMILIES: dict[str, tuple[Cases, Cases]] = {
    "no barrier after shared memory is filled": ({"missing_barrier": (0, 2, 5)}, {"missing_barrier": (10, 15)}),
    "no barrier between the steps of a loop": (
        {"missing_barrier": (1,), "other_guises": (0,)},
        {"missing_barrier": (16,), "other_guises": (20,)},
    ),
    "no barrier before shared memory is used again": (
        {"missing_barrier": (3, 6, 7)},
        {"missing_barrier": (11, 12, 14)},
    ),
    "one thread tells the others without a barrier": (
        {"missing_barrier": (4,), "warp_in_step": (2,)},
        {"missing_barrier": (13, 17), "warp_in_step": (11,)},
    ),
    "lanes count on running in step": ({"warp_in_step": (0, 1)}, {"warp_in_step": (10, 13, 14)}),
    "a barrier of other lanes or another tile, or none at all": (
        {"warp_in_step": (3, 4), "barriers_anew": (7,)},
        {"warp_in_step": (12, 15), "barriers_anew": (27,)},
    ),
    "blocks add to one place": ({"between_blocks": (0, 6)}, {"between_blocks": (13, 14)}),
    "a block reads what another writes": ({"between_blocks": (1, 5)}, {"between_blocks": (11, 12, 16)}),
    "threads store different values in one place": (
        {"between_blocks": (2,), "other_guises": (1,)},
        {"between_blocks": (15,), "other_guises": (21,)},
    ),
    "no fence before the last block is told": ({"between_blocks": (3, 4)}, {"between_blocks": (10,)}),
    "a flag without a fence": (
        {"refused_standard_atomics": (0,), "other_guises": (2,)},
        {"refused_standard_atomics": (1,), "other_guises": (22,), "atomics_and_plain": (16,)},
    ),
    "a lock that orders nothing": ({"atomics_and_plain": (3, 4)}, {"atomics_and_plain": (11, 12, 13, 14)}),
    "plain accesses between atomic operations": ({"atomics_and_plain": (0, 1, 2)}, {"atomics_and_plain": (10, 15, 17)}),
    "a read beside a tensor": ({"bounds": (0, 2)}, {"bounds": (20,)}),
    "a write beside a tensor": ({"bounds": (1, 3)}, {"bounds": (20, 21)}),
    "an index outside a shared array": ({"bounds": (5, 6)}, {"bounds": (22,)}),
    "from one shared array into the next": (
        {"bounds": (4,), "shared_neighbours": (0, 1, 2, 3)},
        {"shared_neighbours": (10, 12, 13, 14, 15)},
    ),
    "an index outside a local array, or a symbol": (
        {"bounds": (7,), "other_guises": (3, 17)},
        {"other_guises": (23, 32)},
    ),
    "a misaligned vector": ({"bounds": (8, 9)}, {"bounds": (21,)}),
    "a write to an input": ({"bounds": (10, 11)}, {"bounds": (20,)}),
    "an int index past 2^31": ({"huge_indices": (0, 1, 2)}, {"huge_indices": (10, 11, 12, 13)}),
    "shared memory that nobody wrote": ({"uninitialised": (0, 1, 6, 7)}, {"uninitialised": (10,)}),
    "an output that is read before it is written": ({"uninitialised": (2, 3)}, {"uninitialised": (11, 13)}),
    "scratch memory that nobody wrote": ({"uninitialised": (4, 5)}, {"uninitialised": (12,)}),
    "a return that leaves shared memory unfilled": (
        {"other_guises": (7, 8)},
        {"divergence": (20,), "other_guises": (27, 28)},
    ),
    "a copy in the background that is not waited for": ({"other_guises": (9, 10)}, {"other_guises": (29,)}),
    "memory that was freed": ({"lives": (0, 3)}, {"lives": (10,)}),
    "a pointer to host memory": (
        {"lives": (1, 2, 4), "host_memory": (5, 6, 10, 21)},
        {"lives": (12,), "host_memory": (32,)},
    ),
    "a variable of the host in a kernel": ({"host_memory": (0, 1, 2, 3, 4)}, {"host_memory": (33, 34)}),
    "a variable of the device by its host address": ({"host_memory": (7, 8, 9)}, {"host_memory": (31,)}),
    "host code that names a variable of the device": ({"host_memory": (11, 12, 13, 14, 15)}, {"host_memory": (30,)}),
    "a copy in the wrong direction": ({"host_memory": (16, 17, 18, 19, 20)}, {"host_memory": (30,)}),
    "a wrong free": ({"lives": (5, 6, 7)}, {"lives": (10, 12)}),
    "a leak": ({"lives": (8, 9)}, {"lives": (11, 12)}),
    "a barrier that some do not reach": ({"divergence": (0, 1, 2)}, {"divergence": (22,)}),
    "a return between two barriers": (
        {"divergence": (9,), "other_guises": (4,)},
        {"divergence": (24,), "other_guises": (24,)},
    ),
    "a barrier that is not waited for again": (
        {"barriers_anew": (0, 1, 4, 5, 6)},
        {"barriers_anew": (20, 21, 24, 25, 26)},
    ),
    "a barrier made while others use it": ({"barriers_anew": (2, 3, 10)}, {"barriers_anew": (22, 23)}),
    "an object made while others use it": ({"barriers_anew": (8, 9)}, {"barriers_anew": (28, 29)}),
    "a shuffle from a lane that is not there": ({"divergence": (3, 5, 6, 7)}, {"divergence": (23,)}),
    "lanes that wait for each other": ({"divergence": (4,), "other_guises": (5,)}, {"other_guises": (25,)}),
    "a mask without the lane that calls": (
        {"divergence": (8,), "other_guises": (6,)},
        {"divergence": (21,), "other_guises": (26,)},
    ),
    "a grid or a block that no GPU takes": ({"other_guises": (11, 12, 13)}, {"other_guises": (30,)}),
    "a block that the kernel's bounds exclude": (
        {"launch_rules": (0, 1, 2, 3, 4, 5)},
        {"launch_rules": (20, 21, 22, 23)},
    ),
    "a function of the host called by a kernel": ({"launch_rules": (11, 12, 13)}, {"launch_rules": (27,)}),
    "a kernel called like a function, or with too large arrays": ({"launch_rules": (8, 9)}, {"launch_rules": (26,)}),
    "more shared memory than there is": (
        {"other_guises": (14, 15), "launch_rules": (6, 7, 10)},
        {"other_guises": (31,), "launch_rules": (24, 25)},
    ),
}
BESIDES = {("uninitialised", 14), ("uninitialised", 15)}  # a fault that shows in its values alone, and its twin

LEAST_FAMILIES, LEAST_GUISES = 30, 2
FAULTY = {(bug.name.removeprefix("bugs/"), bug.case): bool(bug.lines) for bug in ALL_BUGS}


def listed(cases: Cases) -> list[tuple[str, int]]:
    return [(name, case) for name, numbers in cases.items() for case in numbers]


def test_there_are_thirty_families_in_two_guises_with_twins() -> None:
    assert len(FAMILIES) >= LEAST_FAMILIES
    for family, (guises, twins) in FAMILIES.items():
        assert len(listed(guises)) >= LEAST_GUISES, family
        assert listed(twins), family
        assert [FAULTY[case] for case in listed(guises)] == [True] * len(listed(guises)), family
        assert [FAULTY[case] for case in listed(twins)] == [False] * len(listed(twins)), family


def test_every_case_belongs_to_a_family() -> None:
    guises = Counter(case for family, _ in FAMILIES.values() for case in listed(family))
    twins = {case for _, family in FAMILIES.values() for case in listed(family)}
    assert max(guises.values()) == 1
    assert guises.keys() | twins | BESIDES == FAULTY.keys()
