"""The environment in which hostile replies are judged: a key that they may look for, and caches shared by all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np  # noqa: F401 - pytester forgets what was imported during a test, and numpy cannot be loaded twice
import pytest

from tests.hostile.suite import SECRET


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what a user's shell has: a provider's key, and a PATH with the interpreter that runs the tests."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
