"""How many bugs the cpu device is known to find: families of them, each in several guises and with its right twins.

The cases themselves are in tests/native/bugs, and test_native_cpu.py holds each to its line in every order of threads.
"""

from __future__ import annotations

from collections import Counter

from tests.unit.test_native_cpu import ALL_BUGS

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
    "a barrier of other lanes, or none at all": ({"warp_in_step": (3, 4)}, {"warp_in_step": (12, 15)}),
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
    "a pointer to host memory": ({"lives": (1, 2, 4)}, {"lives": (12,)}),
    "a wrong free": ({"lives": (5, 6, 7)}, {"lives": (10, 12)}),
    "a leak": ({"lives": (8, 9)}, {"lives": (11, 12)}),
    "a barrier that some do not reach": ({"divergence": (0, 1, 2)}, {"divergence": (22,)}),
    "a return between two barriers": ({"divergence": (9,), "other_guises": (4,)}, {"other_guises": (24,)}),
    "a shuffle from a lane that is not there": ({"divergence": (3, 5, 6, 7)}, {"divergence": (23,)}),
    "lanes that wait for each other": ({"divergence": (4,), "other_guises": (5,)}, {"other_guises": (25,)}),
    "a mask without the lane that calls": (
        {"divergence": (8,), "other_guises": (6,)},
        {"divergence": (21,), "other_guises": (26,)},
    ),
    "a grid or a block that no GPU takes": ({"other_guises": (11, 12, 13)}, {"other_guises": (30,)}),
    "more shared memory than there is": ({"other_guises": (14, 15)}, {"other_guises": (31,)}),
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
