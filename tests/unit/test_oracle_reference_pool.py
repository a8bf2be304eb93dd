"""Processes of untrusted references: kept for runners of the same case, and for no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle import reference_pool
from pytest_upskill.oracle.reference_pool import ReferencePool
from pytest_upskill.sandbox.confinement import Confinement

HERE, THERE = Confinement("bubblewrap"), Confinement("kernel")


class Process:
    """Serves from the beginning until it is stopped."""

    made: list[Process]

    def __init__(self, confinement: Confinement) -> None:
        self.confinement = confinement
        self.serves, self.holds = True, None
        Process.made.append(self)

    def stop(self) -> None:
        self.serves = False


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> ReferencePool:
    Process.made = []
    monkeypatch.setattr(reference_pool, "ReferenceProcess", Process)
    return ReferencePool(2)


def case(name: str, text_hash: str = "1") -> Case:
    return Case(name, "skill", Path(f"{name}.md"), "task", None, text_hash=text_hash)


def process(runner: Any) -> Process:
    found: Process = runner._process
    return found


def test_the_next_runner_of_a_case_has_its_process_which_forgets_the_last_one(pool: ReferencePool) -> None:
    first = pool.open(case("a"), HERE)
    process(first).holds = first  # type: ignore[assignment]
    first.close()
    second = pool.open(case("a"), HERE)
    assert process(second) is process(first) and process(second).holds is None
    assert process(pool.open(case("a"), HERE)) is not process(first), "two runners at once have two"


@pytest.mark.parametrize("other", [(case("b"), HERE), (case("a", "2"), HERE), (case("a"), THERE)])
def test_no_other_case_and_no_other_level_gets_it(pool: ReferencePool, other: tuple[Case, Confinement]) -> None:
    first = pool.open(case("a"), HERE)
    first.close()
    assert process(pool.open(*other)) is not process(first)


def test_a_case_without_a_digest_shares_nothing(pool: ReferencePool) -> None:
    first = pool.open(case("a", ""), HERE)
    first.close()
    assert process(pool.open(case("a", ""), HERE)) is not process(first)


def test_a_process_that_does_not_serve_any_more_is_ended(pool: ReferencePool) -> None:
    first = pool.open(case("a"), HERE)
    process(first).serves = False
    first.close()
    assert process(pool.open(case("a"), HERE)) is not process(first)


def test_the_process_that_waited_longest_is_ended_and_clear_ends_all(pool: ReferencePool) -> None:
    runners = [pool.open(case(name), HERE) for name in "abc"]
    for runner in runners:
        runner.close()
        runner.close()
    assert [one.serves for one in Process.made] == [False, True, True]
    pool.clear()
    assert [one.serves for one in Process.made] == [False] * 3
    assert process(pool.open(case("c"), HERE)) not in Process.made[:3]


def test_a_copys_runner_leaves_the_process_alone(pool: ReferencePool) -> None:
    first = pool.open(case("a"), HERE)
    first.for_copy(case("copy")).close()
    assert process(first).serves and process(pool.open(case("copy"), HERE)) is not process(first)
