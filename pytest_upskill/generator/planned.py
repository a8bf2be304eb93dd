"""What 'add-cases' and 'case' need to continue: their plan, and the cases that the skill had then, below ``.upskill``.

A plan is asked for beside the cases of a skill, and each case beside the others: once one is kept, the same questions
would be other ones. A plan is therefore stored until all its cases are kept.
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
    """Where the plan of a command is kept below ``root``, until it has ended."""

    root: Path
    name: str

    @property
    def path(self) -> Path:
        return self.root / HOME / _FOLDER / self.name

    def read(self) -> Planned | None:
        """The plan that this command has begun with, if there is one."""
        try:
            return Planned.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return None

    def begin(self, plan: Plan, existing: Sequence[str]) -> Planned:
        """Keep a plan. Raises OSError."""
        made = Planned(plan=plan, existing=tuple(existing))
        home(self.root)
        write_atomically(self.path, made.model_dump_json(indent=2) + "\n")
        return made

    def end(self) -> None:
        """All is kept: the same command begins anew. Raises OSError."""
        self.path.unlink(missing_ok=True)


def memory(root: Path, folder: Path, settings: Sequence[object]) -> Memory:
    """The memory of a command with these ``settings`` for the skill in ``folder``."""
    key = json.dumps([str(folder.resolve()), *settings], default=str)
    digest = hashlib.sha256(key.encode(errors="replace")).hexdigest()[:16]
    return Memory(root, f"{component(folder.name)}-{digest}.json")
