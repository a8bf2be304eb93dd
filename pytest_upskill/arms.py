"""Arms: what a student is given beside the task. Knows skills and git, not students.

``skill`` gives the skill's text, ``baseline`` nothing, ``placebo`` an unrelated text of the same length, and
``previous:REVISION`` the skill as it was at another git revision.
"""

from __future__ import annotations

import re
import subprocess
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
        return _skill_text(_at_revision(skill_path, arm.partition(":")[2]))
    text = _skill_text(load_skill(skill_path))
    return _placebo(len(text)) if arm == "placebo" else text


def _skill_text(skill: Skill) -> str:
    """The body, and the names of its references: what an agent has in sight once it has opened the skill."""
    references = sorted((skill.folder / "references").glob("*.md"))
    if not references:
        return skill.body
    named = "\n".join(f"- references/{path.name}" for path in references)
    return f"{skill.body.rstrip()}\n\nFurther files of this skill, not shown here:\n{named}\n"


def _placebo(length: int) -> str:
    text = (resources.files("pytest_upskill") / "prompts" / "placebo.md").read_text(encoding="utf-8")
    return (text * (length // len(text) + 1))[:length]


def _at_revision(skill_path: Path, revision: str) -> Skill:
    command = ["git", "-C", str(skill_path.parent), "show", f"{revision}:./{skill_path.name}"]
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
    return parse_skill(shown.stdout.decode("utf-8", errors="replace"), skill_path)
