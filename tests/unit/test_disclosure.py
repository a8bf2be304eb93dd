"""What a student gets to see of a skill, in each mode and arm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytest_upskill.errors import SkillError
from pytest_upskill.skills import arms
from pytest_upskill.skills.arms import LARGEST_FILE, Guidance

HEAD = "name: tiny\ndescription: Writes very small kernels. Use for tests.\n"
BODY = "# Tiny\n\nGuard every access.\n"


@pytest.fixture
def skill(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    for name, text in {
        "SKILL.md": f"---\n{HEAD}---\n{BODY}",
        "references/types.md": "Half is small.\n",
        "references/deep/more.txt": "Deep.\n",
        "references/.hidden": "no",
        "references/binary.bin": "a\0b",
        "references/long.md": "x" * (LARGEST_FILE + 1),
        "scripts/check.py": "print(1)\n",
        "scripts/__pycache__/check.pyc": "no",
        "evals/scale.md": "the solution",
        "cassettes/pupil.jsonl": "replies",
        "secret.md": "not a reference",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "outside.md").write_text("outside", encoding="utf-8")
    (folder / "references/link.md").symlink_to(tmp_path / "outside.md")
    return folder / "SKILL.md"


def shown(arm: str, skill: Path, mode: str) -> Guidance:
    guidance = arms.guidance(arm, skill, mode)
    assert guidance is not None
    return guidance


def test_the_body_names_its_references_and_has_no_tool(skill: Path) -> None:
    guidance = shown("skill", skill, "body")
    assert guidance.text.startswith(BODY.rstrip())
    assert "- references/types.md" in guidance.text and "Half is small" not in guidance.text
    assert not guidance.files


def test_full_holds_every_readable_file(skill: Path) -> None:
    text = shown("skill", skill, "full").text
    assert '<file path="references/types.md">\nHalf is small.\n</file>' in text
    assert "print(1)" in text and "Deep." in text
    assert not any(word in text for word in ("the solution", "replies", "outside", "not a reference"))


def test_with_tools_the_frontmatter_is_seen_and_the_files_can_be_read(skill: Path) -> None:
    guidance = shown("skill", skill, "tools")
    assert guidance.text == HEAD
    assert list(guidance.files) == ["SKILL.md", "references/deep/more.txt", "references/types.md", "scripts/check.py"]
    assert guidance.files["SKILL.md"].endswith(BODY)


@pytest.mark.parametrize("mode", ["body", "full", "tools"])
def test_the_placebo_is_as_long_and_is_had_in_the_same_way(skill: Path, mode: str) -> None:
    real, placebo = shown("skill", skill, mode), shown("placebo", skill, mode)
    assert bool(real.files) == bool(placebo.files)
    if placebo.files:
        assert len(placebo.files["SKILL.md"]) == pytest.approx(len(real.files["SKILL.md"]), abs=120)
        assert "kitchen-garden" in placebo.text
    else:
        assert len(placebo.text) == len(real.text)
    assert "Guard" not in str(placebo)


@pytest.mark.parametrize("mode", ["body", "full", "tools"])
def test_the_baseline_has_nothing(skill: Path, mode: str) -> None:
    assert arms.guidance("baseline", skill, mode) is None


def test_an_earlier_revision_has_the_files_of_its_time(skill: Path) -> None:
    git = ["git", "-C", str(skill.parent), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    (skill.parent / "references/types.md").write_text("Half is large.\n", encoding="utf-8")
    (skill.parent / "references/new.md").write_text("New.\n", encoding="utf-8")
    files = shown("previous:HEAD", skill, "tools").files
    assert files["references/types.md"] == "Half is small.\n"
    assert "references/new.md" not in files and "evals/scale.md" not in files
    with pytest.raises(SkillError, match="git does not show this skill at 'nowhere'"):
        arms.guidance("previous:nowhere", skill)
