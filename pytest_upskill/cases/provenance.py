"""Who wrote a generated skill and its cases: ``evals/.upskill-gen.json``, which ``upskill-gen`` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytest_upskill.errors import CaseError
from pytest_upskill.paths import GENERATED, write_atomically

FILE = GENERATED
Part = Literal["training", "held-out"]


class Written(BaseModel):
    """By which model and how a text was written. ``prompt`` is the digest of the prompt that the text answers.

    ``tokens`` are the input and output tokens of all attempts, and ``usd`` is their cost. ``written`` is the time in
    ISO 8601, UTC.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    teacher: str
    model: str = ""
    prompt: str = ""
    attempts: int = 1
    tokens: tuple[int, int] = (0, 0)
    usd: float | None = None
    written: str = ""


class WrittenCase(Written):
    """How a case was written.

    ``text_hash`` is the hash of the case's text when the case was proven, and ``code`` is the digest of its code.
    ``difficulty`` is the teacher's estimate, from 1 (easy) to 5. ``part`` says whether this is a training case or a
    held-out case. While the teacher refines the skill, it may see results of training cases, but never results of
    held-out cases. ``operator`` is the operator for which a case was requested, in words. ``baseline`` has, by student,
    the pass rate without the skill.
    """

    text_hash: str = ""
    code: str = ""
    proven: str = ""
    part: Part = "training"
    difficulty: int = 3
    operator: str = ""
    baseline: dict[str, float] = Field(default_factory=dict)


class Provenance(BaseModel):
    """The content of the file.

    ``task`` is the task for which the skill was requested, ``language`` the language of its text (BCP 47), and
    ``contract`` the contract of its cases.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal[1] = 1
    task: str = ""
    language: str = "en"
    contract: str = "launcher"
    skill: Written | None = None
    cases: dict[str, WrittenCase] = Field(default_factory=dict)

    def names(self, part: Part) -> tuple[str, ...]:
        """The names of the cases of this part, sorted."""
        return tuple(sorted(name for name, one in self.cases.items() if one.part == part))


def read_provenance(evals: Path) -> Provenance | None:
    """The record in a skill's folder ``evals``. None if there is no record. Raises CaseError if it cannot be read."""
    path = evals / FILE
    try:
        return Provenance.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        first = _first(error) if isinstance(error, ValidationError) else str(error)
        rule = "until it can, all cases here count as generated; restore it from git, or correct it by hand"
        raise CaseError(f"{FILE} cannot be read ({first}): {rule}", path) from None


def _first(error: ValidationError) -> str:
    """The first mistake, with its place in the record."""
    found = error.errors()[0]
    place = ".".join(map(str, found["loc"]))
    return f"{place}: {found['msg']}" if place else str(found["msg"])


def write_provenance(evals: Path, provenance: Provenance) -> None:
    """Write the record. Raises OSError."""
    write_atomically(evals / FILE, provenance.model_dump_json(indent=2, exclude_defaults=False) + "\n")
