"""The words for what can go wrong, in one tree. Knows nothing of the other rooms.

    UpskillError
    ├── UsageError            an option, an ini value or a students table that cannot be meant so
    ├── SkillError            a SKILL.md that breaks the specification
    ├── CaseError             a case that cannot be asked, or cannot be judged
    ├── BudgetStopped         the next reply could exceed what is left of the session's budget
    └── InfrastructureError   nobody's answer: it is never a student's failure, and never a pass
        ├── StudentError      the model could not be reached, or refused
        ├── ToolchainError    a compiler is missing, or failed by itself
        └── CellError         the confined process could not be started or fed

Every message names the value, the rule that it broke, and the next step.
"""

from __future__ import annotations

import os
from pathlib import Path


class UpskillError(Exception):
    """Base of everything this package raises on purpose."""


class UsageError(UpskillError):
    """What the user asked for cannot be meant so; nothing has run yet."""


class LocatedError(UpskillError):
    """An error with a place: ``path:line: message``, the path as seen from the working directory.

    ``line`` is 1-based, or None for the whole file.
    """

    def __init__(self, message: str, path: Path | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.line = line

    def __str__(self) -> str:
        if self.path is None:
            return self.message
        shown = os.path.relpath(self.path)
        shown = str(self.path) if shown.startswith("..") else shown
        place = shown if self.line is None else f"{shown}:{self.line}"
        return f"{place}: {self.message}"


class SkillError(LocatedError):
    """A skill folder that breaks the specification of agentskills.io."""


class CaseError(LocatedError):
    """A case that cannot be asked or judged: an authoring error, shown as one red item."""


class BudgetStopped(UpskillError):
    """Nobody was asked, since a limit that the user set would be passed."""


class InfrastructureError(UpskillError):
    """The run could not be done; it says nothing about the student."""


class StudentError(InfrastructureError):
    """A student could not be asked. ``lasting``: the next question would most likely end in the same way."""

    def __init__(self, message: str, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class ToolchainError(InfrastructureError):
    """A compiler, or another program that we call, is missing or broken."""


class SandboxError(InfrastructureError):
    """A confined process could not be started or fed."""
