"""Reads skills, folders with a ``SKILL.md``, and checks them against the specification of agentskills.io.

Errors are those of the reference validator; warnings are advice of the specification, and keys of single agents.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.documents.frontmatter import Document, Value, parse, read_text
from pytest_upskill.documents.spelling import nearest
from pytest_upskill.errors import SkillError
from pytest_upskill.skills.advice import Problem, advise

FILE_NAMES = ("SKILL.md", "skill.md")
MAX_NAME, MAX_DESCRIPTION, MAX_COMPATIBILITY = 64, 1024, 500

SPEC_KEYS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
AGENT_KEYS = (
    "agent", "argument-hint", "arguments", "context", "disable-model-invocation", "effort", "hooks", "model", "paths",
    "shell", "user-invocable", "when_to_use",
)  # fmt: skip
"""Keys of single agents, which the specification does not have."""


@dataclass(frozen=True, slots=True)
class Skill:
    """The name, the description and the text of a ``SKILL.md``; ``body`` is the text after the frontmatter."""

    name: str
    description: str
    folder: Path
    path: Path
    body: str


def skill_file(path: Path) -> Path:
    """The ``SKILL.md`` of a folder (or ``skill.md``), or the file itself; raises SkillError if there is none."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise SkillError("there is no such skill: name a folder with a SKILL.md, or that file", path)
    present = {child.name for child in path.iterdir()}
    for name in FILE_NAMES:
        if name in present:
            return path / name
    raise SkillError("the folder holds no SKILL.md: add one, or name another folder", path)


def skill_files(paths: Sequence[Path]) -> list[Path]:
    """The ``SKILL.md`` files that paths name: each a skill's folder, its file, or a folder that contains skills.

    Without a path, those below the current folder. Hidden folders are left out. Raises SkillError if a path has none.
    """
    found: list[Path] = []
    for path in paths or [Path()]:
        if path.is_file():
            found.append(path if path.name in FILE_NAMES else _of_case(path))
            continue
        below = (one for name in FILE_NAMES for one in path.rglob(name))
        visible = sorted(one for one in below if not any(part.startswith(".") for part in one.relative_to(path).parts))
        if not visible:
            skill_file(path)
        found += visible
    return list(dict.fromkeys(found))


def _of_case(path: Path) -> Path:
    if path.suffix == ".md" and path.parent.name == "evals":
        return skill_file(path.parent.parent)
    raise SkillError(
        f"this file is not a {FILE_NAMES[0]}: name a skill's folder, its {FILE_NAMES[0]}, or a folder above", path
    )


def load_skill(path: Path) -> Skill:
    """Read a skill by its folder or its file; raises SkillError without a name, a description or a body.

    ``validate`` checks the other rules of the specification, so that a skill that breaks one can still be measured.
    """
    file = skill_file(path)
    return parse_skill(read_text(file, SkillError), file)


def parse_skill(text: str, path: Path) -> Skill:
    """A skill from the text of its ``SKILL.md``; ``path`` names that file, which is not read."""
    document = parse(text, path, SkillError)
    top = document.frontmatter.data
    for key in ("name", "description"):
        problem = _text_problem(top, key)
        if problem is not None:
            raise SkillError(problem.message, path, problem.line)
    return Skill(
        name=unicodedata.normalize("NFKC", top["name"].text.strip()),
        description=top["description"].text.strip(),
        folder=path.absolute().parent,
        path=path,
        body="\n".join(document.body).strip("\n") + "\n",
    )


def validate(path: Path) -> tuple[Problem, ...]:
    """What is wrong with a skill by the specification: errors first, then warnings, each with its line."""
    try:
        file = skill_file(path)
        document = parse(read_text(file, SkillError), file, SkillError)
    except SkillError as error:
        return (Problem("error", error.message, error.line),)
    found = list(_problems(document, file.absolute().parent))
    return tuple(sorted(found, key=lambda problem: (problem.severity != "error", problem.line or 0)))


def case_paths(folder: Path) -> list[Path]:
    """The case files of a skill's folder, sorted by name; a README is not a case."""
    paths = (folder / "evals").glob("*.md")
    return sorted(path for path in paths if not path.name.startswith(".") and path.name.lower() != "readme.md")


# --------------------------------------------------------------------------------------------------- the specification


def _problems(document: Document, folder: Path) -> Iterator[Problem]:
    top: dict[str, Value] = document.frontmatter.data
    yield from _unknown_keys(top)
    found = {key: _text_problem(top, key) for key in ("name", "description")}
    yield from filter(None, found.values())
    if found["name"] is None:
        yield from _name_problems(top["name"], folder)
    for key, most in (("description", MAX_DESCRIPTION), ("compatibility", MAX_COMPATIBILITY)):
        if key in top and len(top[key].text) > most:
            length = len(top[key].text)
            yield Problem("error", f"'{key}' has {length} characters; at most {most}: shorten it", top[key].line)
    if "compatibility" in top and isinstance(top["compatibility"].data, list | dict):
        yield Problem("error", "'compatibility' must be a text, such as 'Requires CUDA 12'", top["compatibility"].line)
    if "license" in top and isinstance(top["license"].data, list | dict):
        yield Problem("warning", "'license' should be a text: a name, or that of a file", top["license"].line)
    yield from advise(document, folder)


def _unknown_keys(top: Mapping[str, Value]) -> Iterator[Problem]:
    for key, value in top.items():
        if key in AGENT_KEYS:
            message = (
                f"'{key}' is a key of a single agent: the specification does not have it, and other agents ignore it"
            )
            yield Problem("warning", message, value.line)
        elif key not in SPEC_KEYS:
            near = nearest(key, SPEC_KEYS)
            hint = f"did you mean '{near}'?" if near else "put your own under 'metadata'"
            message = f"unknown key '{key}'; the specification has {', '.join(SPEC_KEYS)}; {hint}"
            yield Problem("error", message, value.line)


def _text_problem(top: Mapping[str, Value], key: str) -> Problem | None:
    if key not in top:
        return Problem("error", f"'{key}' is missing: the specification requires it", 1)
    value = top[key]
    if isinstance(value.data, list | dict):
        return Problem("error", f"'{key}' is '{value.shown[:40]}'; it must be a text", value.line)
    if not value.text.strip():
        return Problem("error", f"'{key}' is empty: the specification requires it", value.line)
    return None


def _name_problems(value: Value, folder: Path) -> Iterator[Problem]:
    """The rules of the reference validator, which compares names in normal form KC and takes letters of any script."""
    name = unicodedata.normalize("NFKC", value.text.strip())
    if len(name) > MAX_NAME:
        yield Problem("error", f"name '{name}' has {len(name)} characters; at most {MAX_NAME}: shorten it", value.line)
    if name != name.lower():
        yield Problem("error", f"name '{name}' must be in lower case: write '{name.lower()}'", value.line)
    if name.startswith("-") or name.endswith("-"):
        yield Problem("error", f"name '{name}' begins or ends with a hyphen: write '{name.strip('-')}'", value.line)
    if "--" in name:
        yield Problem("error", f"name '{name}' doubles a hyphen: keep one", value.line)
    strange = sorted({character for character in name if not (character.isalnum() or character == "-")})
    if strange:
        shown = " ".join(repr(character) for character in strange)
        message = f"name '{name}' has {shown}; only letters, digits and hyphens are allowed"
        yield Problem("error", message, value.line)
    if unicodedata.normalize("NFKC", folder.name) != name:
        message = f"name '{name}' differs from its folder's name, '{folder.name}': rename one of them"
        yield Problem("error", message, value.line)
