"""Distinguishes Markdown files of other tools in ``evals/`` from cases that have a mistake."""

import re
from collections.abc import Collection

from pytest_upskill.documents.frontmatter import DELIMITER
from pytest_upskill.documents.markdown import lines_of, sections
from pytest_upskill.documents.spelling import nearest

_OWN = frozenset(("op", "dims", "dtypes", "args"))
"""Keys of cases that do not occur in the frontmatter of other tools."""
_KEY = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:(?=\s|\Z)")
_EXPECTATION = re.compile(r"\b(?:contains|matches|rubric)[ \t]*:")


def is_foreign(text: str, known: Collection[str]) -> bool:
    """Whether a text that is not a valid case does not look like a case at all. ``known`` are the keys of cases.

    A text looks like a case if it has keys of cases where the frontmatter is, or should be, or if it has a section
    ``## Reference`` with Python.
    """
    lines = lines_of(text.lstrip())
    begins = lines[0].rstrip() == DELIMITER
    end = DELIMITER if begins else ""
    head: list[str] = []
    for line in lines[begins:]:
        if line.rstrip() == end:
            break
        head.append(line)
    keys = {found[1].casefold() for line in head if (found := _KEY.match(line))}
    if keys & _OWN or ("expect" in keys and _EXPECTATION.search("\n".join(head))):
        return False
    misspelled = bool(keys) and all(nearest(key, known) for key in keys)
    return not misspelled and not _has_reference(lines)


def _has_reference(lines: list[str]) -> bool:
    blocks = (fence for one in sections(lines) if one.title == "Reference" for fence in one.fences)
    return any(fence.language in ("python", "py") and "def " in fence.source for fence in blocks)
