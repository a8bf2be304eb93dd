"""Arms: what a student is given beside the task. Knows skills and git, not students.

``skill`` gives the skill's text, ``baseline`` nothing, ``placebo`` an unrelated text of the same length, and
``previous:REVISION`` the skill as it was at another git revision.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from pytest_upskill.errors import SkillError
from pytest_upskill.skill import Skill, load_skill, parse_skill

CONTROL_ARMS = ("baseline", "placebo", "previous")
"""Arms that are compared with; whatever they do, they never fail a run."""


def slug(arm: str) -> str:
    """The arm as ids and file names spell it: ``previous:HEAD~1`` becomes ``previous-HEAD-1``."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", arm).strip("-")


def is_control(arm: str) -> bool:
    """True for arms that are compared with; takes arms and their slugs."""
    return re.split(r"[:-]", arm, maxsplit=1)[0] in CONTROL_ARMS


def guidance(arm: str, skill_path: Path) -> str | None:
    """The text that an arm adds to the prompt, None for nothing. Raises SkillError where it cannot be had."""
    if arm == "baseline":
        return None
    if arm.startswith("previous:"):
        revision = arm.partition(":")[2]
        skill = parse_skill(_git(skill_path, revision, "show", f"{revision}:./{skill_path.name}"), skill_path)
        files = _git(skill_path, revision, "ls-tree", "--name-only", revision, "references/").splitlines()
        return _skill_text(skill, files)
    folder = skill_path.parent
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("references/*.md"))
    text = _skill_text(load_skill(skill_path), files)
    return _placebo(len(text)) if arm == "placebo" else text


def _skill_text(skill: Skill, files: Sequence[str]) -> str:
    """The body, and the names of its references: what an agent has in sight once it has opened the skill."""
    references = [name for name in files if name.endswith(".md")]
    if not references:
        return skill.body
    named = "\n".join(f"- {name}" for name in references)
    return f"{skill.body.rstrip()}\n\nFurther files of this skill, not shown here:\n{named}\n"


def _placebo(length: int) -> str:
    text = (resources.files("pytest_upskill") / "prompts" / "placebo.md").read_text(encoding="utf-8")
    return (text * (length // len(text) + 1))[:length]


def _git(skill_path: Path, revision: str, *words: str) -> str:
    """What git prints of the skill's folder at a revision."""
    command = ["git", "-C", str(skill_path.parent), *words]
    try:
        shown = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise SkillError(f"arm 'previous:{revision}' needs git, which is not installed", skill_path) from None
    if shown.returncode != 0:
        reason = shown.stderr.decode(errors="replace").strip().splitlines()
        raise SkillError(
            f"arm 'previous:{revision}': git does not show this skill at {revision!r} "
            f"({reason[0] if reason else 'no reason given'}); name a revision that holds it",
            skill_path,
        )
    return shown.stdout.decode("utf-8", errors="replace")
