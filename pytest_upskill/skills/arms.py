"""Arms: what a student gets beside the task.

``skill`` gives the skill's text, ``baseline`` nothing, ``placebo`` an unrelated text of the same length, and
``previous:REVISION`` the skill as it was at another git revision.
"""

from __future__ import annotations

import re
import subprocess
from importlib import resources
from pathlib import Path

from pytest_upskill.documents.frontmatter import read_text
from pytest_upskill.errors import SkillError
from pytest_upskill.skills.disclosure import FOLDERS, SKILL_FILE, Guidance, Source, disclose, names_in
from pytest_upskill.skills.skill import parse_skill

CONTROL_ARMS = ("baseline", "placebo", "previous")
"""Arms for comparison; their failures never fail a run."""


def slug(arm: str) -> str:
    """The arm as ids and file names spell it: ``previous:HEAD~1`` becomes ``previous-HEAD-1``."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", arm).strip("-")


def is_control(arm: str) -> bool:
    """Whether an arm, or the arm of a slug, is for comparison only."""
    return re.split(r"[:-]", arm, maxsplit=1)[0] in CONTROL_ARMS


def guidance(arm: str, skill_path: Path, mode: str = "body") -> Guidance | None:
    """What an arm adds to the prompt, None for nothing; ``mode`` is one of ``disclosure.MODES``. Raises SkillError."""
    if arm == "baseline":
        return None
    if arm.startswith("previous:"):
        return disclose(_at_revision(skill_path, arm.partition(":")[2]), mode)
    shown = disclose(_on_disk(skill_path), mode)
    return _placebo(shown) if arm == "placebo" else shown


def _on_disk(skill_path: Path) -> Source:
    folder = skill_path.parent
    text = read_text(skill_path, SkillError)
    return Source(
        skill=parse_skill(text, skill_path),
        text=text,
        names=names_in(folder),
        read=lambda name: (folder / name).read_bytes(),
    )


def _at_revision(skill_path: Path, revision: str) -> Source:
    text = _git(skill_path, revision, "show", f"{revision}:./{skill_path.name}").decode("utf-8", errors="replace")
    folders = [f"{folder}/" for folder in FOLDERS]
    listed = _git(skill_path, revision, "ls-tree", "-r", "--name-only", revision, *folders)
    return Source(
        skill=parse_skill(text, skill_path),
        text=text,
        names=sorted(listed.decode("utf-8", errors="replace").splitlines()),
        read=lambda name: _git(skill_path, revision, "show", f"{revision}:./{name}"),
    )


def _placebo(shown: Guidance) -> Guidance:
    """An unrelated text of the same length, disclosed in the same way."""
    if not shown.files:
        return Guidance(_unrelated(len(shown.text)))
    head = "name: kitchen-garden\ndescription: Keeping a kitchen garden, from the soil to the harvest.\n"
    body = _unrelated(len(shown.files[SKILL_FILE]) - len(head) - 8)
    return Guidance(head, {SKILL_FILE: f"---\n{head}---\n{body}"})


def _unrelated(length: int) -> str:
    text = (resources.files("pytest_upskill") / "prompts" / "placebo.md").read_text(encoding="utf-8")
    return (text * (max(length, 0) // len(text) + 1))[: max(length, 0)]


def _git(skill_path: Path, revision: str, *words: str) -> bytes:
    """The output of a git command in the skill's folder."""
    command = ["git", "-C", str(skill_path.parent), *words]
    try:
        shown = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise SkillError(f"arm 'previous:{revision}' needs git, which is not installed", skill_path) from None
    if shown.returncode != 0:
        reason = shown.stderr.decode(errors="replace").strip().splitlines()
        raise SkillError(
            f"arm 'previous:{revision}': git does not show this skill at {revision!r} "
            f"({reason[0] if reason else 'no reason given'}); name a revision that has it",
            skill_path,
        )
    return shown.stdout
