from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from pytest_upskill.oracle.garbage import importing, spared


class Node:
    """Garbage that only a collection frees, once it refers to itself."""

    freed = 0

    def __del__(self) -> None:
        type(self).freed += 1


def cycle() -> None:
    node = Node()
    node.__dict__["self"] = node


@pytest.fixture(autouse=True)
def counted() -> Iterator[None]:
    gc.collect()
    Node.freed = 0
    yield
    assert gc.isenabled() and not gc.get_freeze_count()


def test_older_garbage_is_spared_and_collected_afterwards() -> None:
    cycle()
    with spared():
        cycle()
        gc.collect()
        assert Node.freed == 1
    gc.collect()
    assert Node.freed == 2


def test_being_spared_ends_with_the_outer_block_and_after_an_exception() -> None:
    with pytest.raises(KeyError), spared():
        with spared():
            pass
        assert gc.get_freeze_count()
        raise KeyError


def test_what_the_user_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        with spared(), importing():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_no_collection_starts_while_modules_are_imported() -> None:
    before = gc.get_stats()[0]["collections"]
    with importing():
        kept = [[number] for number in range(10 * gc.get_threshold()[0])]
        assert gc.get_stats()[0]["collections"] == before
    assert kept and gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
