"""Keeps torch's process-wide state as the user left it while references run; random generators by name."""

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
    Meanwhile no garbage collection examines older objects.

    One thread, because the order of PyTorch's own sums depends on the number of threads, and bounds must not.
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
    """A context with this default dtype of torch, which results such as ``indices / 2`` have."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def stable_hash(*parts: object) -> int:
    """63 bits that depend on the parts' texts alone: the same in every process, on every machine."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """A random generator that is named by the parts."""
    made = torch.Generator()
    made.manual_seed(stable_hash(*parts))
    return made
