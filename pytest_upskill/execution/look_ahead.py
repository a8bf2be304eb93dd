"""What is under way for later items while an earlier one is judged: replies, builds, and checks of their cases.

Whatever goes wrong here is raised again where the item is run.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable

from pytest_upskill.build.build_pool import Job
from pytest_upskill.execution.attempts import Answered, wanted_of
from pytest_upskill.execution.case_gate import CaseGate
from pytest_upskill.execution.task import Task
from pytest_upskill.records import Question
from pytest_upskill.replies.scheduling import Replies

CHECKED_TOGETHER = 2
"""Solutions of later cases that are built while another one is checked."""


class LookAhead:
    """``begin`` starts a task's first try, ``question`` says what it asks. Belongs to the main thread."""

    def __init__(
        self,
        replies: Replies,
        gate: CaseGate,
        begin: Callable[[Task], Job[Answered]],
        question: Callable[[Task], Question],
    ) -> None:
        self._replies, self._gate, self._begin, self._question = replies, gate, begin, question
        self._pending: dict[str, Job[Answered]] = {}
        self._wanted: set[str] = set()
        self._unchecked: deque[Task] = deque()

    def prefetch(self, near: Iterable[Task], later: Iterable[Task]) -> None:
        """Starts the first tries of ``near`` tasks, and wants the replies alone of those that come ``later``."""
        fresh = [task for task in near if task.id not in self._pending]
        self._gate.build_ahead(fresh)
        for task in fresh:
            with contextlib.suppress(Exception):
                self._pending[task.id] = self._begin(task)
        self._unchecked.clear()
        for task in later:
            with contextlib.suppress(Exception):
                self._want_early(task)

    def first_try(self, task: Task) -> Job[Answered]:
        """The try that was started for a task, else a new one."""
        return self._pending.get(task.id) or self._begin(task)

    def result(self, job: Job[Answered]) -> Answered:
        """Waits for a try. While its reply is out, cases of later tasks are checked, and their replies wanted."""
        while self._unchecked and not job.given.done():
            self._gate.build_ahead(list(self._unchecked)[:CHECKED_TOGETHER])
            task = self._unchecked.popleft()
            with contextlib.suppress(Exception):
                self._gate.check(task)
                self._want_early(task)
        return job.result()

    def forget(self, task: Task) -> None:
        """Drops what is known of a task that was run."""
        self._pending.pop(task.id, None)

    def close(self) -> None:
        """Drops what was under way."""
        self._pending.clear()

    def _want_early(self, task: Task) -> None:
        """Not before its case is known to be worth it: to find that out takes time, which is for the items at hand."""
        if task.id in self._wanted or not self._replies.asks(task.student or ""):
            return
        if not self._gate.is_open(task):
            self._unchecked.append(task)
            return
        self._wanted.add(task.id)
        self._replies.want(wanted_of(task, self._question(task)))
