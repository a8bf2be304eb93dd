"""One item on its way through the pipeline, as plain data: what is to be done, and what could be had before judging."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Extraction
from pytest_upskill.records import Build, ItemKind, Reply


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


@dataclass(frozen=True, slots=True)
class Prepared:
    """What can be had before judging: the reply, the kernel in it, and its build (None without a kernel)."""

    reply: Reply
    extraction: Extraction | None
    build: Build | None
    cut_off: str = ""
    """Why nothing can be judged, where the reply was cut off before its end."""
