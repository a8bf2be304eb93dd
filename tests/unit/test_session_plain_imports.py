from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from pytest_upskill.session.plain_imports import plain_imports


def test_modules_are_imported_as_python_does_and_later_ones_as_pytest_does(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, before = request.config.pluginmanager.rewrite_hook, list(sys.meta_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("plain_one", "rewritten_one"):
        (tmp_path / f"{name}.py").write_text("def f(x):\n    assert x == 1\n")
        hook.mark_rewrite(name)
    with plain_imports(request.config):
        plain = importlib.import_module("plain_one")
    assert sys.meta_path == before
    rewritten = importlib.import_module("rewritten_one")
    with pytest.raises(AssertionError, match=r"^$"):
        plain.f(2)
    with pytest.raises(AssertionError, match="assert 2 == 1"):
        rewritten.f(2)


def test_the_hook_comes_back_after_an_exception_and_none_is_needed(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(sys.meta_path)
    with pytest.raises(ImportError), plain_imports(request.config):
        importlib.import_module("no_such_module_here")
    assert sys.meta_path == before
    without = [finder for finder in before if finder is not request.config.pluginmanager.rewrite_hook]
    monkeypatch.setattr(sys, "meta_path", without)
    with plain_imports(request.config):
        pass
    assert sys.meta_path == without
