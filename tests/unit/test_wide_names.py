"""Names in scripts with letters that are two columns wide: tables have the layout of narrow names of that width."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_upskill.commands.main import main
from pytest_upskill.reporting.terminal import summary_lines
from pytest_upskill.reporting.text_style import measure
from pytest_upskill.reporting.view import build_view
from tests.unit.reporting_outcomes import outcome, run, spec

WIDE, NARROW = "画像フィルタ", "abcdefghijkl"


def lines(name: str, width: int) -> list[str]:
    found = [
        outcome(case, student, arm, failed={"runs": "it ends"} if arm == "baseline" else None)
        for case in ("add", "softmax")
        for student in ("glm-4.7", "学生")
        for arm in ("skill", "baseline")
    ]
    view = build_view([replace(one, skill=name) for one in (spec(), *found)], run())
    return list(summary_lines(view, width, False, True, 0))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_summary_has_the_same_layout(width: int) -> None:
    wide = lines(WIDE, width)
    assert [line.replace(WIDE, NARROW) for line in wide] == lines(NARROW, width)
    assert any(WIDE in line for line in wide) and all(measure(line) <= width for line in wide)


def test_the_list_of_skills_has_the_same_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (WIDE, NARROW):
        folder = tmp_path / name
        (folder / "evals").mkdir(parents=True)
        (folder / "SKILL.md").write_text(f"---\nname: {name}\ndescription: 小さい。\n---\n本文。\n", encoding="utf-8")
        text = "---\nexpect: {contains: [ワープ]}\n---\nワープと書く。\n"
        (folder / "evals" / "word.md").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, ["list", "."])
    assert done.exit_code == 0
    (wide,) = (line for line in done.output.splitlines() if line.startswith(WIDE))
    assert wide.replace(WIDE, NARROW) in done.output.splitlines()
    done = CliRunner().invoke(main, ["lint", "."])
    assert done.exit_code == 0 and "2 skills: 0 errors, 0 warnings" in done.output
