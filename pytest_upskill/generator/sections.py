"""Finds the sections of a SKILL.md, and removes sections from its text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.documents.frontmatter import parse
from pytest_upskill.documents.markdown import headings, lines_of
from pytest_upskill.errors import SkillError
from pytest_upskill.skills.skill import tokens_of

INTRODUCTION = "(introduction)"
"""The title of the text above the first section."""
UNTITLED = "(no title)"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a SKILL.md with its subsections: the lines from ``start`` to before ``end`` (indices)."""

    title: str
    start: int
    end: int
    tokens: int


def sections_of(text: str, path: Path) -> list[Section]:
    """The sections of a SKILL.md. The text is cut at the first heading level that has at least two headings; without
    such a level, at the first level below the title. The text above the first section is a section, too, if there is
    any.

    All titles differ, because a second section with the same title gets ``(2)`` behind its title. Raises SkillError
    without frontmatter.
    """
    lines = lines_of(text)
    first = parse(text, path, SkillError).body_line - 1
    found = headings(lines[first:])
    per_level = Counter(level for _, level, _ in found)
    below_title = min((level for level in per_level if level > 1), default=None)
    cut = min((level for level, number in per_level.items() if number > 1), default=below_title)
    starts = [(first + index, title) for index, level, title in found if cut is not None and level <= cut]
    titles = {first + index for index, level, _ in found if level == 1 and per_level[1] == 1}
    starts = [(index, title) for index, title in starts if index not in titles]
    if _says_anything(lines[first : starts[0][0] if starts else None], first, titles):
        starts.insert(0, (first, INTRODUCTION))
    ends = [*(index for index, _ in starts[1:]), len(lines)][: len(starts)]
    seen: Counter[str] = Counter()
    sections = []
    for (start, written), end in zip(starts, ends, strict=True):
        title = written or UNTITLED
        seen[title] += 1
        name = title if seen[title] == 1 else f"{title} ({seen[title]})"
        sections.append(Section(name, start, end, tokens_of("\n".join(lines[start:end]))))
    return sections


def _says_anything(lines: list[str], first: int, titles: Collection[int]) -> bool:
    return any(line.strip() for index, line in enumerate(lines, first) if index not in titles)


def without(text: str, left_out: Collection[Section]) -> str:
    """The text without these sections; the skill's title stays."""
    lines = lines_of(text)
    dropped = {index for section in left_out for index in range(section.start, section.end)}
    if any(section.title == INTRODUCTION for section in left_out):
        dropped -= {index for index, level, _ in headings(lines) if level == 1}
    kept = [line for index, line in enumerate(lines) if index not in dropped]
    return "\n".join(kept).rstrip("\n") + "\n"
