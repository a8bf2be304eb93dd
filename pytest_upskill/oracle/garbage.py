"""Keeps Python's garbage collector from examining PyTorch's objects again and again.

There are about 180,000 such objects, and almost none of them ever becomes garbage. Without this module, a tenth of the
time to start pytest would be spent on examining them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """A context for imports, without automatic collections. At its end, the new objects count as old."""
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

    Hypothesis, for example, starts a collection before its first example.
    The context has no effect inside another one, or if the user has frozen objects (``gc.freeze``).
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
