"""Checks a teacher's new SKILL.md before a student sees it: the specification, size, language, and no leaks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.documents.frontmatter import parse
from pytest_upskill.errors import SkillError
from pytest_upskill.generator import prose, skill_files
from pytest_upskill.generator.answers import SKILL_FILE, Refused, read_skill
from pytest_upskill.generator.leakage import REFERENCES, Leakage
from pytest_upskill.records import Reply
from pytest_upskill.skills.skill import LONG_BODY, MAX_TOKENS, tokens_of, validate_text

_NUMBER = re.compile(r"\d+")
CHANGEABLE = ("description", "license", "compatibility", "metadata")
"""The keys of the frontmatter that a teacher may change."""
UNSEEN = (
    "a passage repeats the solution or the task of a case that you do not see: write rules for the field, and shorter "
    "pieces of code"
)


def text_in(reply: Reply) -> str:
    """The SKILL.md in an answer. Raises Refused if the answer has no SKILL.md, or has another file as well."""
    files = read_skill(reply)
    if others := ", ".join(path for path in files if path != SKILL_FILE):
        raise Refused(f"the answer also holds {others}; write {SKILL_FILE} alone, the references stay as they are")
    return files[SKILL_FILE]


def language_of(text: str, recorded: str = "") -> str:
    """The language of a skill's text (BCP 47): the recorded language or, without one, the first language that the text
    may be in.
    """
    return recorded or next((code for code in ("en", *prose.NAMES) if prose.problem(text, code) is None), "en")


class VersionChecks:
    """Checks new versions of the skill at ``skill_path``. Messages to the teacher may name ``training`` cases, but no
    ``held_out`` case. A problem that the present text has already is not reported.
    """

    def __init__(
        self, skill_path: Path, training: Sequence[Case], held_out: Sequence[Case], target: int, language: str
    ) -> None:
        self._path, self._training, self._held_out = skill_path, training, held_out
        self._target, self._language = target, language
        folder = skill_path.parent / REFERENCES
        self._references = [path.read_bytes().decode("utf-8", "replace") for path in sorted(folder.rglob("*.md"))]

    def problems(self, text: str, present: str) -> list[str]:
        """What is wrong with a new text, in words for the teacher."""
        return [*self._of_form(text, present), *self._leaks(text, present)]

    def _of_form(self, text: str, present: str) -> Iterator[str]:
        known = {_NUMBER.sub("#", one.message) for one in validate_text(present, self._path)}
        for one in validate_text(text, self._path):
            may_be_long = self._target > MAX_TOKENS and one.message.startswith(LONG_BODY)
            if _NUMBER.sub("#", one.message) not in known and not may_be_long:
                yield str(one)
        if (hidden := skill_files.embedded(text)) is not None and skill_files.embedded(present) is None:
            yield hidden
        yield from _of_keys(_keys(text, self._path), _keys(present, self._path))
        if (tokens := tokens_of(text)) > self._target:
            yield f"the file has about {tokens} tokens; at most {self._target} are allowed: shorten it"
        if (other := prose.problem(text, self._language)) is not None:
            yield other

    def _leaks(self, text: str, present: str) -> Iterator[str]:
        new, old = (Leakage("\n\n".join([one, *self._references])) for one in (text, present))
        for case in self._training:
            if (problem := new.problem(case)) is not None and old.problem(case) is None:
                yield f"case {case.name}: {problem}"
        if any(new.problem(case) is not None and old.problem(case) is None for case in self._held_out):
            yield UNSEEN


def _keys(text: str, path: Path) -> Mapping[str, str]:
    """The keys and values of the frontmatter; empty if it cannot be read."""
    try:
        return {key: value.shown for key, value in parse(text, path, SkillError).frontmatter.data.items()}
    except SkillError:  # ``_of_form`` reports it
        return {}


def _of_keys(new: Mapping[str, str], present: Mapping[str, str]) -> Iterator[str]:
    """Keys that name the skill, grant tools or run commands stay as they are."""
    for key in dict.fromkeys((*new, *present)):
        if new and key not in CHANGEABLE and new.get(key) != present.get(key):
            rule = f"only {', '.join(CHANGEABLE)} may change"
            yield f"the frontmatter has '{key}: {new.get(key, '')[:60]}', which differs from the present file; {rule}"
