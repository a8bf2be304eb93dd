"""Stores what 'add-cases' and 'case' need to continue: their plan, and the cases that the skill had when it was made.

The question for a plan lists the skill's cases, and so does the question for each case. As soon as a new case is kept,
these questions would change, and stored answers would no longer match. A plan is therefore stored below ``.upskill``
until all its cases are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pytest_upskill.generator.answers import Plan
from pytest_upskill.paths import HOME, component, home, write_atomically

_FOLDER = "planned"


class Planned(BaseModel):
    """A plan, and the names of the cases that the skill had when it was made."""

    model_config = ConfigDict(frozen=True)

    plan: Plan
    existing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """The file below ``root`` that stores the plan of a command until the command has ended."""

    root: Path
    name: str

    @property
    def path(self) -> Path:
        return self.root / HOME / _FOLDER / self.name

    def read(self) -> Planned | None:
        """The plan of an earlier run of this command that was interrupted; None if there is no such plan."""
        try:
            return Planned.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return None

    def begin(self, plan: Plan, existing: Sequence[str]) -> Planned:
        """Store a plan. Raises OSError."""
        made = Planned(plan=plan, existing=tuple(existing))
        home(self.root)
        write_atomically(self.path, made.model_dump_json(indent=2) + "\n")
        return made

    def end(self) -> None:
        """Remove the plan after all its cases are kept, so that the same command makes a new plan. Raises OSError."""
        self.path.unlink(missing_ok=True)


def memory(root: Path, folder: Path, settings: Sequence[object]) -> Memory:
    """The memory of a command with these ``settings`` for the skill in ``folder``."""
    key = json.dumps([str(folder.resolve()), *settings], default=str)
    digest = hashlib.sha256(key.encode(errors="replace")).hexdigest()[:16]
    return Memory(root, f"{component(folder.name)}-{digest}.json")
