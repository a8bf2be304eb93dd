"""``upskill-gen template`` and ``delete``: what is written, and what is never removed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pytest_upskill.cases.case_file import load_case
from pytest_upskill.commands.generate.main import main
from pytest_upskill.commands.main import main as tools
from pytest_upskill.skills.skill import validate

SKILL = Path("skills/my-kernels")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


def git(*words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


def committed() -> None:
    assert run("template", str(SKILL)).exit_code == 0
    git("init")
    git("add", "-A")
    git("commit", "-m", "A skill")


def test_a_skeleton_is_a_valid_skill_with_a_case() -> None:
    result = run("template", str(SKILL))
    assert result.exit_code == 0
    assert validate(SKILL) == ()
    assert load_case(SKILL / "evals" / "scale_rows.md", "my-kernels").solution is not None
    assert run("lint", "skills").output == "1 skill: 0 errors, 0 warnings\n"
    for command in ("pytest-upskill check", "pytest-upskill new-case", "pytest skills/my-kernels --upskill"):
        assert command in result.output


@pytest.mark.full
def test_the_case_of_a_skeleton_passes_without_a_key() -> None:
    run("template", str(SKILL))
    checked = CliRunner().invoke(tools, ["check", str(SKILL / "evals" / "scale_rows.md"), "--full", "--device=cpu"])
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("name", ["My-Kernels", "a--b", "-x", "a" * 65, "カーネル", "nul"])
def test_a_name_that_no_skill_may_have_is_refused(name: str) -> None:
    assert "is not a skill name" in run("template", "--", f"skills/{name}").output
    assert not Path("skills").exists()


def test_a_folder_with_files_is_left_alone() -> None:
    SKILL.mkdir(parents=True)
    (SKILL / "notes.txt").write_text("mine", encoding="utf-8")
    assert "is not an empty folder" in run("template", str(SKILL)).output
    Path("link").symlink_to("nowhere")
    assert "is not an empty folder" in run("template", "link").output
    assert [path.name for path in SKILL.iterdir()] == ["notes.txt"]


def test_a_place_that_cannot_be_written_is_named_with_the_next_step() -> None:
    Path("taken").write_text("", encoding="utf-8")
    said = run("template", "taken/my-kernels").output
    assert "Not a directory: 'taken/my-kernels" in said
    assert "then run the same command again" in said


def test_a_committed_skill_is_removed_once_that_is_confirmed() -> None:
    committed()
    refused = run("delete", str(SKILL), typed="n\n")
    assert refused.exit_code == 1
    assert "evals/scale_rows.md" in refused.output
    assert SKILL.is_dir()
    assert run("delete", str(SKILL), typed="y\n").exit_code == 0
    assert not SKILL.exists()


@pytest.mark.parametrize("change", ["edited", "untracked", "ignored", "no git", "by hand", "record broken"])
def test_what_git_cannot_bring_back_or_a_person_wrote_needs_force(change: str) -> None:
    committed()
    record = SKILL / "evals" / ".upskill-gen.json"
    if change == "edited":
        (SKILL / "SKILL.md").write_text("changed", encoding="utf-8")
    elif change == "untracked":
        (SKILL / "new.txt").write_text("", encoding="utf-8")
    elif change == "ignored":
        Path(".gitignore").write_text("*.log\n", encoding="utf-8")
        (SKILL / "run.log").write_text("", encoding="utf-8")
    elif change == "no git":
        Path(".git").rename("gone")
    else:
        if change == "by hand":
            record.unlink()
        else:
            record.write_text("{", encoding="utf-8")
        git("commit", "-am", "Changed")
    refused = run("delete", str(SKILL), "--yes")
    assert refused.exit_code == 2
    assert "--force removes it all the same" in refused.output
    assert SKILL.is_dir()
    assert run("delete", str(SKILL), "--yes", "--force").exit_code == 0
    assert not SKILL.exists()


def test_a_path_through_the_skill_itself_removes_all_of_it() -> None:
    committed()
    assert run("delete", f"{SKILL}/evals/..", "--yes").exit_code == 0
    assert not SKILL.exists()


def test_what_is_no_skill_is_never_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    committed()
    Path("link").symlink_to(SKILL)
    for place, reason in (("skills", "no SKILL.md"), ("link", "is not a folder"), ("gone", "is not a folder")):
        assert reason in run("delete", place, "--yes", "--force").output
    (SKILL / ".git").mkdir()
    assert "a repository" in run("delete", str(SKILL), "--yes", "--force").output
    (SKILL / ".git").rmdir()
    monkeypatch.chdir(SKILL / "evals")
    assert "the current folder" in run("delete", "..", "--yes", "--force").output
    assert Path("scale_rows.md").is_file()
