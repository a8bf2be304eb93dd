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
    """By whom and how a text was written. ``prompt`` is the digest of the question that the answer is from.

    ``tokens`` are input and output tokens, and ``usd`` the cost, of all attempts. ``written`` is in ISO 8601, UTC.
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
    """``text_hash`` is that of the case's text when it was proven, ``code`` the digest of its code.

    ``difficulty`` is the teacher's, 1 (easy) to 5.
    ``part``: the teacher may see results of training cases while it refines the skill, never those of held-out ones.
    ``operator`` is what the case was asked for, in words. ``baseline`` gives, by student, the pass rate without the
    skill.
    """

    text_hash: str = ""
    code: str = ""
    proven: str = ""
    part: Part = "training"
    difficulty: int = 3
    operator: str = ""
    baseline: dict[str, float] = Field(default_factory=dict)


class Provenance(BaseModel):
    """The content of the file. ``task`` is what the skill was asked for, ``language`` that of its text (BCP 47),
    ``contract`` that of its cases.
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
    """The record in a skill's folder ``evals``; None if it has none. Raises CaseError if it cannot be read."""
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
