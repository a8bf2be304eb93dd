"""The students tables of pyproject.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.configuration.settings import students_tables
from pytest_upskill.errors import UsageError


def test_a_project_without_the_file_has_no_tables(tmp_path: Path) -> None:
    assert students_tables(tmp_path / "pyproject.toml") == {}


def test_each_student_has_its_table(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.upskill.students.mine]\nprovider = "openai"\n')
    assert students_tables(path) == {"mine": {"provider": "openai"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.upskill\n", "cannot be read"),
        ('[tool.upskill]\nstudents = "mine"\n', "must hold one table for each student"),
        ('[tool.upskill.students]\nmine = "openai"\n', "must hold one table for each student"),
    ],
)
def test_what_holds_no_tables_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        students_tables(path)
