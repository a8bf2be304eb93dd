"""A teacher that is an entry of the students' table. Its replies are parsed and stored in the ledger like a student's.

Every answer is stored as soon as it is complete, so an interrupted command continues without a second request. Answers
that were cut off are stored, too, because they were paid for; they count as attempts.
"""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.generator.teacher import Step
from pytest_upskill.paths import HOME
from pytest_upskill.records import Question, Reply
from pytest_upskill.replies.ledger import Ledger
from pytest_upskill.replies.scheduling import Replies, Wanted
from pytest_upskill.students.base import Student
from pytest_upskill.students.serving.broker import Servers

ARM = "teacher"
"""The name of the arm under which the ledger stores a teacher's questions."""


class StudentTeacher:
    """A teacher that asks ``student``. ``root`` is the folder of the ledger, which the caller closes. The ledger stores
    the questions under the name ``subject``.
    """

    def __init__(
        self, student: Student, root: Path, ledger: Ledger, subject: str = "", servers: Servers | None = None
    ) -> None:
        self.student = student
        self.name, self.model = student.name, student.model
        self._root, self._subject, self._servers = root, subject, servers
        self._replies = Replies(lambda: ledger, lambda name: student, root, keeps_cut_off=True)

    def ask(self, step: Step) -> Future[Reply]:
        return self._replies.want(self._wanted(step))

    def close(self) -> None:
        """End open questions; they raise StudentError. Answers that have just arrived are stored."""
        self._replies.stop(at_once=True)
        self.student.close()
        if self._servers is not None:
            self._servers.stop()
        self._replies.close()

    def _wanted(self, step: Step) -> Wanted:
        question = Question(self._subject, step.name, ARM, 1, step.prompt)
        path = self._root / HOME / f"{step.name}.md"
        case = Case(name=step.name, skill=self._subject, path=path, task=step.prompt.user, op=None)
        return Wanted(step.name, self.name, question, case, self._root / HOME)
