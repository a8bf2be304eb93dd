"""Makes Hypothesis write its caches into our cache folder and not into the user's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import configuration

from pytest_upskill.paths import cache_folder


@contextmanager
def own_folder() -> Iterator[None]:
    """Make Hypothesis write its caches into our cache folder.

    A temporary folder would be left behind if this process were killed.
    """
    before = vars(configuration).get("__hypothesis_home_directory")
    configuration.set_hypothesis_home_dir(cache_folder() / "hypothesis")
    try:
        yield
    finally:
        configuration.set_hypothesis_home_dir(before)
