"""Checks the files of a generated skill before they are written, and writes them at fixed places only."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pytest_upskill.documents.frontmatter import parse
from pytest_upskill.errors import SkillError
from pytest_upskill.generator import prose
from pytest_upskill.generator.answers import SKILL_FILE, Refused
from pytest_upskill.paths import write_atomically
from pytest_upskill.skills.skill import Problem, validate

ALLOWED_KEYS = ("name", "description", "license", "compatibility", "metadata")
"""The keys that a generated skill's frontmatter may have. Other keys of the specification or of agents can grant tools
or run commands.
"""
_MOST_SHOWN = 8
_EMBEDDED = (
    (re.compile(r"<!--"), "a comment, which readers of the formatted text do not see"),
    (
        # Not where a code span ends in an exclamation mark: an even number of backticks comes before it.
        re.compile(r"^(?:[^`\n]*`[^`\n]*`)*[^`\n]*(!`[^`\n]+`)|^[ \t]*((?:```+|~~~+)!)", re.MULTILINE),
        "a command that some agents run when they read the file",
    ),
    (re.compile(r"(?<![\w`])@(?:~|\.{1,2})?/[\w.]"), "a file that some agents read when they read this one"),
)


def check(files: Mapping[str, str], name: str, language: str) -> None:
    """Raise Refused if the files break the specification, or are in another language."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / name
        for path, text in files.items():
            write_atomically(root / path, text)
        if problems := [_with_place(one) for one in validate(root)]:
            more = f"; and {len(problems) - _MOST_SHOWN} more" if len(problems) > _MOST_SHOWN else ""
            raise Refused("; ".join(problems[:_MOST_SHOWN]).replace(f"{root}/", "") + more)
        try:
            top = parse(files[SKILL_FILE], Path(SKILL_FILE), SkillError).frontmatter.data
        except SkillError as error:
            raise Refused(error.message) from None
    if refused := [key for key in top if key not in ALLOWED_KEYS]:
        raise Refused(f"the frontmatter of {SKILL_FILE} has '{refused[0]}'; allowed are {', '.join(ALLOWED_KEYS)}")
    if (told := top["name"].text) != name:
        raise Refused(f"'name' in {SKILL_FILE} is '{told}'; the skill is called '{name}'")
    for path, text in files.items():
        if (hidden := embedded(text)) is not None:
            raise Refused(f"{path}: {hidden}")
        if (problem := prose.problem(text, language)) is not None:
            raise Refused(f"{path}: {problem}")


def embedded(text: str) -> str | None:
    """The text that an agent would obey but a reader would not see (comments, commands that run, files that are
    inserted); None if there is none.
    """
    for pattern, what in _EMBEDDED:
        if found := pattern.search(text):
            line = text.count("\n", 0, found.end() - 1) + 1
            shown = found[found.lastindex or 0].strip()
            return f"line {line} has {shown!r}, {what}: write it in another way, or leave it out"
    return None


def _with_place(problem: Problem) -> str:
    return f"{SKILL_FILE}, {problem}"


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write the files into a skill's folder. Raises OSError."""
    for path, text in files.items():
        write_atomically(folder / path, text)
