"""Protects torch's process-wide state while references run, and makes random generators by name."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pytest_upskill.oracle.garbage import spared


@contextmanager
def isolated() -> Iterator[None]:
    """Run with one thread and without warnings, and restore random state, default dtype and thread count afterwards.

    PyTorch uses a single thread, because the order of its sums depends on the number of threads, and bounds must not
    depend on it. Meanwhile no garbage collection examines older objects.
    """
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), spared():
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            torch.set_num_threads(threads)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """A context in which torch has this default dtype. Results such as ``indices / 2`` have the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def stable_hash(*parts: object) -> int:
    """A hash of 63 bits that depends only on the texts of the parts, so that it is the same on every machine."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """A random generator whose seed is a hash of the parts: the same parts give the same numbers."""
    made = torch.Generator()
    made.manual_seed(stable_hash(*parts))
    return made
