"""The exceptions of this package, in one tree. This module imports nothing else of the package.

    UpskillError
    ├── UsageError            an option, an ini value or a students table with a wrong value
    ├── SkillError            a SKILL.md that breaks the specification
    ├── CaseError             a case that is invalid, or cannot be judged
    │   └── NotACase          a Markdown file in a folder of cases that is not a case
    ├── BudgetStopped         the next reply could exceed the remaining budget
    └── InfrastructureError   machine, tool or server failed: never a student's failure, and never a pass
        ├── StudentError      the model could not be reached, or refused
        │   └── NotAnswered   a folder of replies has no reply for a later trial
        ├── ToolchainError    a compiler, or another program that is called, is missing or broken
        └── SandboxError      a sandboxed process could not be started or fed

Every message names the wrong value, the rule that the value broke, and what to do next.
"""

from __future__ import annotations

import os
from pathlib import Path


class UpskillError(Exception):
    """Base of all exceptions of this package."""


class UsageError(UpskillError):
    """An option, an ini value or a table has a wrong value. It is raised before anything was run."""


def shown_path(path: Path) -> str:
    """A path as messages show it: relative to the working directory, or absolute if the path is outside of it."""
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown


class LocatedError(UpskillError):
    """An error with a place. Its text is ``path:line: message``, with the path relative to the working directory.

    ``line`` is 1-based. It is None if the error concerns the whole file.
    """

    def __init__(self, message: str, path: Path | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.line = line

    def __str__(self) -> str:
        if self.path is None:
            return self.message
        place = shown_path(self.path)
        return f"{place}: {self.message}" if self.line is None else f"{place}:{self.line}: {self.message}"


class SkillError(LocatedError):
    """A skill folder that breaks the specification of agentskills.io."""


class CaseError(LocatedError):
    """A case is invalid or cannot be judged. This is the author's error, and is reported as one failed item."""


class NotACase(CaseError):
    """A Markdown file in ``evals/`` belongs to another tool. It is noted, and is not a failure."""


class BudgetStopped(UpskillError):
    """No model was queried, because the reply could have exceeded one of the user's limits."""


class InfrastructureError(UpskillError):
    """A machine, a tool or a server failed, which says nothing about the student."""


class StudentError(InfrastructureError):
    """A student did not answer. ``lasting`` is true if the next request would most likely fail in the same way."""

    def __init__(self, message: str, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class NotAnswered(StudentError):
    """A student that answers from files has no reply for a trial after the first, because it has fewer replies."""


class ToolchainError(InfrastructureError):
    """A compiler, or another program that is called, is missing or broken."""


class SandboxError(InfrastructureError):
    """A sandboxed process could not be started or fed."""
