"""The plugin on a platform that is not Linux."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_skills_on_another_platform_are_one_usage_error_before_anything_is_imported(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]")
    started: list[object] = []
    monkeypatch.setattr("pytest_upskill.session.start.start", started.append)
    monkeypatch.setattr(sys, "platform", "darwin")
    for arguments in (["--upskill"], ["--upskill-student=golden"]):
        result = pytester.runpytest_inprocess(*arguments)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (line,) = [line for line in result.stderr.lines if line]
        assert line.startswith("ERROR: pytest-upskill runs skills on Linux only, and this is darwin: use a Linux")
    assert started == []


def test_unused_the_plugin_does_nothing_on_another_platform(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    config = pytester.parseconfigure()
    assert config.pluginmanager.has_plugin("upskill")
    assert not config.pluginmanager.has_plugin("upskill-items")


def test_the_plugin_can_be_imported_on_another_platform() -> None:
    code = (
        "import sys; sys.platform = 'darwin'; import pytest_upskill.plugin\n"
        "print(*sorted(name for name in sys.modules if name.startswith('pytest_upskill.') and name.count('.') == 1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "pytest_upskill.configuration", "pytest_upskill.errors", "pytest_upskill.plugin", "pytest_upskill.session",
    ]  # fmt: skip
