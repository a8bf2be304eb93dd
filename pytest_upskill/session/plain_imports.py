"""Imports of modules without pytest's rewriting of assertions."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def plain_imports(config: pytest.Config) -> Iterator[None]:
    """Disable pytest's import hook, for importing modules of this package and of libraries.

    The hook would search for each of some 1,500 modules before Python does. A user's modules must not be imported this
    way, because pytest may have to rewrite their assertions.
    """
    hook: Any = config.pluginmanager.rewrite_hook
    if hook not in sys.meta_path:  # --assert=plain
        yield
        return
    place = sys.meta_path.index(hook)
    sys.meta_path.remove(hook)
    try:
        yield
    finally:
        sys.meta_path.insert(place, hook)
