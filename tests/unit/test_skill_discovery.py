"""Which skills a command finds below a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.errors import SkillError
from pytest_upskill.skills.discovery import skill_files


def skill(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SKILL.md").touch()
    return folder


def found(folder: Path, *paths: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in skill_files([folder / path for path in paths or ("",)])]


def test_skills_in_folders_of_agents_are_found_and_other_hidden_ones_when_named(tmp_path: Path) -> None:
    shown = ("skills/a", ".claude/skills/b", "packages/one/.cursor/skills/group/c", ".github/skills/d")
    hidden = (".claude/commands/e", ".private/f", ".private/skills/g", ".codex/skills/.system/h", ".git/skills/i")
    for name in (*shown, *hidden):
        skill(tmp_path / name)
    assert found(tmp_path) == sorted(f"{name}/SKILL.md" for name in shown)
    assert found(tmp_path, ".private", ".codex/skills/.system") == [
        ".private/f/SKILL.md", ".private/skills/g/SKILL.md", ".codex/skills/.system/h/SKILL.md",
    ]  # fmt: skip
    assert found(tmp_path, ".claude") == [".claude/commands/e/SKILL.md", ".claude/skills/b/SKILL.md"]


def test_a_skill_that_links_lead_to_is_found_once_by_its_own_path(tmp_path: Path) -> None:
    skill(tmp_path / "work/oaks")
    for link, target in {
        ".agents/skills/oaks": "../../work/oaks",
        ".claude/skills": "../.agents/skills",
        "work/oaks/loop": "../oaks",
        "work/gone": "nowhere",
    }.items():
        (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / link).symlink_to(target)
    outside = skill(tmp_path.parent / f"{tmp_path.name}-outside")
    (tmp_path / "work/elms").symlink_to(outside)
    assert found(tmp_path) == ["work/elms/SKILL.md", "work/oaks/SKILL.md"]
    assert found(tmp_path, ".claude/skills/oaks") == [".claude/skills/oaks/SKILL.md"]
    with pytest.raises(SkillError, match="is a link to 'nowhere', which does not exist: install the skill again"):
        skill_files([tmp_path / "work/gone"])


def test_of_both_spellings_in_a_folder_one_counts(tmp_path: Path) -> None:
    (skill(tmp_path / "a") / "skill.md").touch()
    assert found(tmp_path) == ["a/SKILL.md"]
