"""One item on its way through the pipeline, as plain data: what is to be done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.records import ItemKind


@dataclass(frozen=True, slots=True)
class Task:
    """One item, as plain data. ``replay`` is the command that runs it again; ``example`` names the only one to try.

    ``turns`` is how often the student may try; ``disclosure`` is how it gets to see the skill (``disclosure.MODES``).
    ``record`` is the command that records the reply, for committing.
    """

    id: str
    kind: ItemKind
    skill: str
    skill_path: Path
    case: Case | None
    student: str | None
    arm: str | None
    trial: int
    seed: int
    examples: int | None
    example: str | None
    replay: str
    turns: int = 1
    disclosure: str = "body"
    record: str = ""
