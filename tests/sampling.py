"""The fixed sample of a large set of tests: what is beyond it is marked ``full``, for ``make test-all``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")


def first_of_each(entries: Iterable[T], kind: Callable[[T], Hashable], name: Callable[[T], str]) -> list[object]:
    """Parameters of which the first one of each kind is in the sample."""
    known: set[Hashable] = set()
    found = []
    for entry in entries:
        found.append(pytest.param(entry, id=name(entry), marks=[pytest.mark.full] if kind(entry) in known else []))
        known.add(kind(entry))
    return found


def every(step: int, entries: Sequence[T], name: Callable[[T], str]) -> list[object]:
    """Parameters of which each ``step``-th one is in the sample."""
    number = {name(entry): index // step for index, entry in enumerate(entries)}
    return first_of_each(entries, lambda entry: number[name(entry)], name)
