"""Reports that cannot be written are refused before a run starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.configuration.settings import check_writable
from pytest_upskill.errors import UsageError


def test_a_report_in_a_place_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked.txt"
    blocked.write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        check_writable(blocked / "report.json")


def test_checking_a_report_leaves_nothing_behind_and_keeps_what_is_there(tmp_path: Path) -> None:
    fresh, old = tmp_path / "new.json", tmp_path / "old.json"
    old.write_text("{}")
    check_writable(fresh)
    check_writable(old)
    assert not fresh.exists()
    assert old.read_text() == "{}"
