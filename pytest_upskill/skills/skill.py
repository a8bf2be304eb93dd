"""Reads skills, which are folders with a ``SKILL.md``, and checks them against the specification of agentskills.io.

Errors are what the specification's reference validator rejects. Warnings are violations of the specification's advice,
and keys that only some agents know.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_upskill.documents.frontmatter import Document, Value, parse, read_text
from pytest_upskill.documents.spelling import nearest
from pytest_upskill.errors import SkillError
from pytest_upskill.skills import links
from pytest_upskill.skills.case_files import case_files

FILE_NAMES = ("SKILL.md", "skill.md")
MAX_NAME, MAX_DESCRIPTION, MAX_COMPATIBILITY = 64, 1024, 500

SPEC_KEYS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
AGENT_KEYS = (
    "agent", "argument-hint", "arguments", "context", "disable-model-invocation", "effort", "hooks", "model", "paths",
    "shell", "user-invocable", "when_to_use",
)  # fmt: skip
"""Keys that only some agents know, and that are not in the specification."""
MAX_LINES, MAX_TOKENS = 500, 5000
LONG_BODY = "the body has about"
"""The beginning of the advice on a body with more than ``MAX_TOKENS`` tokens."""
BYTES_PER_TOKEN = 4
"""A rule of thumb for bytes of UTF-8 per token, which needs no tokenizer. A Japanese character is 3/4 of a token."""


def tokens_of(text: str) -> int:
    """The approximate number of tokens of a text."""
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a skill, at a line of its ``SKILL.md``. The line is None if it concerns the whole file."""

    severity: Literal["error", "warning"]
    message: str
    line: int | None = None

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Skill:
    """A ``SKILL.md`` with a name and a description. ``body`` is its text after the frontmatter."""

    path: Path
    body: str


def skill_file(path: Path) -> Path:
    """The ``SKILL.md`` (or ``skill.md``) in a folder. If ``path`` is a file, the file itself.

    Raises SkillError if there is no such file.
    """
    if path.is_file():
        return path
    if path.is_symlink() and not path.exists():
        raise SkillError(broken_link(path), path)
    if not path.is_dir():
        raise SkillError("there is no such skill: name a folder with a SKILL.md, or that file", path)
    present = {child.name for child in path.iterdir()}
    if (name := next((name for name in FILE_NAMES if name in present), None)) is None:
        raise SkillError("the folder holds no SKILL.md: add one, or name another folder", path)
    return path / name


def broken_link(path: Path) -> str:
    """A message on a link whose target does not exist, with what to do."""
    return f"is a link to '{path.readlink()}', which does not exist: install the skill again, or remove the link"


def load_skill(path: Path) -> Skill:
    """Read a skill, given by its folder or its file. Raises SkillError if it has no name, no description or no body.

    Only ``validate`` checks the other rules of the specification, so a skill that breaks another rule can be measured.
    """
    file = skill_file(path)
    return parse_skill(read_text(file, SkillError), file)


def parse_skill(text: str, path: Path) -> Skill:
    """A skill from the text of its ``SKILL.md``. ``path`` is the path of this file, which is not read."""
    document = parse(text, path, SkillError)
    top = document.frontmatter.data
    for key in ("name", "description"):
        if (problem := _text_problem(top, key)) is not None:
            raise SkillError(problem.message, path, problem.line)
    return Skill(path, "\n".join(document.body).strip("\n") + "\n")


def validate(path: Path) -> tuple[Problem, ...]:
    """The problems of a skill according to the specification, each with its line. Errors come before warnings."""
    try:
        file = skill_file(path)
        return validate_text(read_text(file, SkillError), file)
    except SkillError as error:
        return (Problem("error", error.message, error.line),)


def validate_text(text: str, file: Path) -> tuple[Problem, ...]:
    """Like ``validate``, but for the text of a ``SKILL.md`` that would be written to ``file``."""
    try:
        document = parse(text, file, SkillError)
    except SkillError as error:
        return (Problem("error", error.message, error.line),)
    found = list(_problems(document, file.absolute().parent))
    return tuple(sorted(found, key=lambda problem: (problem.severity != "error", problem.line or 0)))


def case_paths(folder: Path) -> list[Path]:
    """The case files of a skill's folder, and those that it takes from another skill, sorted by name."""
    return list(case_files(folder).paths)


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
        yield _advice("'license' should be a text: a name, or that of a file", top["license"].line)
    yield from _advice_on_keys(top)
    yield from _length(document)
    yield from (_advice(message, line) for message, line in links.advice(document.body, document.body_line, folder))


def _unknown_keys(top: Mapping[str, Value]) -> Iterator[Problem]:
    for key, value in top.items():
        if key in AGENT_KEYS:
            what = "is a key of a single agent: the specification does not have it, and other agents ignore it"
            yield _advice(f"'{key}' {what}", value.line)
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
    """The violations of the reference validator's rules for names.

    The validator compares names in Unicode normal form KC, and accepts letters of any script.
    """
    name = unicodedata.normalize("NFKC", value.text.strip())
    strange = " ".join(map(repr, sorted({letter for letter in name if not (letter.isalnum() or letter == "-")})))
    renamed = unicodedata.normalize("NFKC", folder.name) != name
    rules = (
        (len(name) > MAX_NAME, f"has {len(name)} characters; at most {MAX_NAME}: shorten it"),
        (name != name.lower(), f"must be in lower case: write '{name.lower()}'"),
        (name != name.strip("-"), f"begins or ends with a hyphen: write '{name.strip('-')}'"),
        ("--" in name, "doubles a hyphen: keep one"),
        (strange, f"has {strange}; only letters, digits and hyphens are allowed"),
        (renamed, f"differs from its folder's name, '{folder.name}': rename one of them"),
    )
    yield from (Problem("error", f"name '{name}' {rule}", value.line) for broken, rule in rules if broken)


def _advice(message: str, line: int) -> Problem:
    return Problem("warning", message, line)


def _advice_on_keys(top: dict[str, Value]) -> Iterator[Problem]:
    if (listed := top.get("allowed-tools")) is not None and isinstance(listed.data, list):
        yield _advice("'allowed-tools' should be one text, with the tools separated by blanks", listed.line)
    elif listed is not None and "," in re.sub(r"\([^)]*\)", "", listed.text):
        yield _advice("'allowed-tools' should separate tools by blanks, not by commas", listed.line)
    if (metadata := top.get("metadata")) is not None and not isinstance(metadata.data, dict):
        yield _advice("'metadata' should be a mapping of texts to texts", metadata.line)
    elif metadata is not None:
        for key, value in metadata.data.items():
            if isinstance(value.data, list | dict):
                yield _advice(f"'{key}' of 'metadata' should be a text", value.line)


def _length(document: Document) -> Iterator[Problem]:
    text = "\n".join(document.body).strip()
    lines = text.count("\n") + 1
    tokens = tokens_of(text)
    if not text:
        yield _advice("the body is empty: write what an agent has to know", document.body_line)
    if lines > MAX_LINES:
        yield _advice(f"the body has {lines} lines; move details to references/ above {MAX_LINES}", document.body_line)
    if tokens > MAX_TOKENS:
        message = f"{LONG_BODY} {tokens} tokens; move details to references/ above {MAX_TOKENS}"
        yield _advice(message, document.body_line)
