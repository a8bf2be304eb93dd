"""Keeps Python's garbage collector from examining the objects of PyTorch, some 180,000, again and again.

Almost none of them ever becomes garbage. Without this, a tenth of a start is spent on them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Without automatic collections while modules are imported; what they made then counts as old."""
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
    """Without what exists at the beginning in any collection. Hypothesis, for one, collects before its first example.
    Without effect within itself, and where the user has frozen objects.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
