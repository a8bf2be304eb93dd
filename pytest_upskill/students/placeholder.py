"""The student of a run that must not query a model: it is collected, never queried."""

from __future__ import annotations

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import StudentError
from pytest_upskill.records import Question, Reply
from pytest_upskill.students.base import Student, StudentConfig


class Placeholder(Student):
    """Needs no client, no server and no key. ``why`` ends the message for a caller that queries it after all."""

    def __init__(self, config: StudentConfig, why: str) -> None:
        self.config = config
        self._why = why

    def ask(self, question: Question, case: Case) -> Reply:
        """Raises StudentError."""
        raise StudentError(f"student {self.name!r} {self._why}")
