"""What a student sees of a skill; never the files in ``evals/`` or ``cassettes/``.

``body``    the text of the SKILL.md and the names of its references: what an agent sees when it opens the skill
``full``    the same, and the text of every file in ``references/`` and ``scripts/``
``tools``   the frontmatter; the student reads files through a tool, as agents do
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_upskill.errors import SkillError
from pytest_upskill.skills.skill import Skill

MODES = ("body", "full", "tools")
FOLDERS = ("references", "scripts")
"""The folders whose files a student may read beside the SKILL.md."""
LARGEST_FILE = 256 * 1024
"""Bytes; larger files are not disclosed."""
SKILL_FILE = "SKILL.md"


@dataclass(frozen=True, slots=True)
class Guidance:
    """What an arm adds to the prompt: a text, and files by path that a tool reads (empty: no tool)."""

    text: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A skill on disk or at a git revision: the text of its SKILL.md, and the names and contents of its other files."""

    skill: Skill
    text: str
    names: Sequence[str]
    read: Callable[[str], bytes]


def disclose(source: Source, mode: str) -> Guidance:
    """The guidance in one of MODES."""
    if mode == "tools":
        return Guidance(frontmatter(source.text), {SKILL_FILE: source.text, **_texts(source)})
    if mode == "full":
        files = "".join(f'\n<file path="{name}">\n{text.rstrip()}\n</file>\n' for name, text in _texts(source).items())
        return Guidance(f"{source.skill.body.rstrip()}\n{files}")
    return Guidance(_body(source))


def frontmatter(text: str) -> str:
    """The lines between the two ``---`` of a SKILL.md."""
    lines = text.splitlines()
    marks = [number for number, line in enumerate(lines) if line.rstrip() == "---"]
    return "\n".join(lines[marks[0] + 1 : marks[1]]) + "\n" if len(marks) > 1 else text


def names_in(folder: Path) -> list[str]:
    """The files of a skill's folder that a student may read, sorted; no hidden ones, no links to other folders."""
    root = folder.resolve()
    found = (path for place in FOLDERS for path in (folder / place).rglob("*"))
    names = [
        path.relative_to(folder).as_posix() for path in found if path.is_file() and path.resolve().is_relative_to(root)
    ]
    return sorted(name for name in names if not any(part.startswith((".", "__")) for part in name.split("/")))


def _body(source: Source) -> str:
    body = source.skill.body
    references = [name for name in source.names if name.startswith("references/") and name.endswith(".md")]
    if not references:
        return body
    named = "\n".join(f"- {name}" for name in references)
    return f"{body.rstrip()}\n\nFurther files of this skill, not shown here:\n{named}\n"


def _texts(source: Source) -> dict[str, str]:
    """The files that are texts of at most ``LARGEST_FILE`` bytes. Raises SkillError if one cannot be read."""
    texts = {}
    for name in source.names:
        try:
            data = source.read(name)
        except OSError as error:
            raise SkillError(f"{name} cannot be read ({error.strerror})", source.skill.path) from None
        if len(data) <= LARGEST_FILE and b"\0" not in data:
            texts[name] = data.decode("utf-8", errors="replace")
    return texts
