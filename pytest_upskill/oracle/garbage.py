"""Keeps Python's garbage collector from examining the objects of PyTorch, some 180,000, again and again.

Almost none of them ever becomes garbage. Without this, a tenth of a start is spent on them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """A context without automatic collections, for imports; afterwards the new objects count as old."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        with spared():  # freezing and releasing moves all objects to the oldest generation
            pass
        if enabled:
            gc.enable()


@contextmanager
def spared() -> Iterator[None]:
    """A context in which no collection examines the objects that exist at its start.

    Hypothesis, for example, collects before its first example. The context has no effect within itself, or if the user
    has frozen objects.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
