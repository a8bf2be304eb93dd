"""Finds the skill that a command adds cases to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_cases
from pytest_upskill.cases.provenance import WrittenCase, read_provenance
from pytest_upskill.documents.frontmatter import parse, read_text
from pytest_upskill.errors import SkillError
from pytest_upskill.generator.questions import LAUNCHER, Order
from pytest_upskill.skills.skill import case_paths, load_skill


@dataclass(frozen=True, slots=True)
class Existing:
    """A skill's folder, its task, its cases, and the record of the cases that a teacher wrote."""

    folder: Path
    order: Order
    cases: tuple[Case, ...]
    made: Mapping[str, WrittenCase]


def existing(path: Path, language: str | None, contract: str | None) -> Existing:
    """Return the skill at ``path``, which is a folder or a SKILL.md. Raises SkillError, CaseError.

    The skill's record gives the task, and the language unless ``language`` does. Without ``contract``, the contract is
    the one that most cases of the skill use.
    """
    skill = load_skill(path)
    folder = skill.path.parent.absolute()
    record = read_provenance(folder / "evals")
    task = (record.task if record else "") or _description(skill.path)
    spoken = language or (record.language if record else "en")
    cases = [one for one in load_cases(case_paths(folder), folder.name) if isinstance(one, Case)]
    used = Counter(one.contract for one in cases if one.op is not None).most_common(1)
    known = contract or (used[0][0] if used else record.contract if record else LAUNCHER)
    return Existing(folder, Order(task, spoken, known), tuple(cases), record.cases if record else {})


def _description(path: Path) -> str:
    top = parse(read_text(path, SkillError), path, SkillError).frontmatter.data
    return str(top["description"].text).strip()
