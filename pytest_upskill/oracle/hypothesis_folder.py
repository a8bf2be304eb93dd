"""Where Hypothesis writes its caches: beside ours, not in the user's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import configuration

from pytest_upskill.paths import cache_folder


@contextmanager
def own_folder() -> Iterator[None]:
    """Let Hypothesis write its caches beside ours; a temporary folder would remain if this process were killed."""
    before = vars(configuration).get("__hypothesis_home_directory")
    configuration.set_hypothesis_home_dir(cache_folder() / "hypothesis")
    try:
        yield
    finally:
        configuration.set_hypothesis_home_dir(before)
