"""Attempts of students: a reply, and the judgement of its kernel.

Attempts at later items start while an earlier item is judged. Their exceptions are raised when their own item runs. A
thread extracts the kernel as soon as the reply arrives, and submits the kernel to the judge.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.build.build_pool import BuildPool, Job
from pytest_upskill.contracts.base import Extraction
from pytest_upskill.execution.case_gate import CaseGate
from pytest_upskill.execution.task import Task
from pytest_upskill.judging.interface import Backend, JudgeRequest, JudgeResult
from pytest_upskill.judging.judge import parsed_case
from pytest_upskill.judging.signatures import contract_of, language_of, signature_of
from pytest_upskill.records import Kernel, Question, Reply
from pytest_upskill.replies.scheduling import Replies, Wanted
from pytest_upskill.students.files import writing_below

CHECKED_TOGETHER = 2
"""How many solutions of later cases are built at once while another solution is checked."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, what was extracted from it, and the judgement of its kernel.

    ``extraction`` is None for a text case. ``judgement`` is None if the reply holds no kernel.
    """

    reply: Reply
    extraction: Extraction | None = None
    judgement: Future[JudgeResult] | None = None


class Attempts:
    """Starts attempts, and waits for them. All methods must be called from the main thread.

    Replies are kept below ``rootdir``. ``question`` returns a task's first question. ``request`` makes a request from a
    task and a kernel. ``judge_text`` starts the judgement of a reply to a text case, and is called from another thread.
    """

    def __init__(
        self,
        replies: Replies,
        gate: CaseGate,
        backend: Backend,
        question: Callable[[Task], Question],
        request: Callable[[Task, Kernel], JudgeRequest],
        rootdir: Path,
        judge_text: Callable[[Task, Reply], object] = lambda task, reply: None,
    ) -> None:
        self._replies, self._gate, self._backend, self._rootdir = replies, gate, backend, rootdir
        self._question, self._request, self._judge_text = question, request, judge_text
        self._pool = BuildPool(1)
        self._pending: dict[str, Job[Answered]] = {}
        self._wanted: set[str] = set()
        self._unchecked: deque[Task] = deque()

    def prefetch(self, near: Iterable[Task], later: Iterable[Task]) -> None:
        """Start the first attempts at ``near`` tasks, and only request the replies to ``later`` tasks.

        Of the cases that have yet to be checked, only the case of the first task is checked now, because checking the
        others would delay the first item.
        """
        fresh = [task for task in near if task.id not in self._pending]
        self._gate.build_ahead(fresh)
        for number, task in enumerate(fresh):
            with contextlib.suppress(Exception):
                if number == 0 or self._gate.is_open(task):
                    self._pending[task.id] = self._first(task)
        self._unchecked.clear()
        for task in later:
            with contextlib.suppress(Exception):
                self._want_early(task)

    def first(self, task: Task) -> Answered:
        """Wait for the first attempt at a task. Start it if it has not been started yet."""
        return self._result(self._pending.get(task.id) or self._first(task))

    def again(self, task: Task, question: Question) -> Answered:
        """Start a later attempt, and wait for it."""
        return self._result(self._begin(task, question))

    def forget(self, task: Task) -> None:
        """Drop the attempt at a task that has finished."""
        self._pending.pop(task.id, None)

    def close(self) -> None:
        """Drop all attempts, start no further work, and do not wait for work that is under way."""
        self._pending.clear()
        self._pool.close()

    def _first(self, task: Task) -> Job[Answered]:
        assert task.case is not None
        if task.example is not None and task.case.kind == "kernel":
            from pytest_upskill.oracle.draw import parse_example

            parse_example(task.example, task.case)  # a mistake in the example must not cost a query
        self._gate.check(task)
        return self._begin(task, self._question(task))

    def _begin(self, task: Task, question: Question) -> Job[Answered]:
        """Request the reply, ahead of replies that nothing waits for yet, and then the judgement of the reply."""
        wanted = wanted_of(task, question)
        if wanted.case.kind == "kernel":
            # The pool's thread must neither run the reference nor parse Python, because this thread parses Python, too:
            # Hypothesis does, and pytest when it imports a language.
            language_of(wanted.case)
            signature_of(wanted.case)
            parsed_case(wanted.case.text, wanted.case.name)
        reply = self._replies.want(wanted, urgent=True)
        return self._pool.after(reply, lambda reply: self._answered(task, wanted, reply))

    def _answered(self, task: Task, wanted: Wanted, reply: Reply) -> Answered:
        with writing_below(self._rootdir):
            self._replies.use(wanted, reply)
        if wanted.case.kind != "kernel":
            self._judge_text(task, reply)
            return Answered(reply)
        extraction = contract_of(wanted.case).extract(reply.text, signature_of(wanted.case))
        if extraction.kernel is None:
            return Answered(reply, extraction)
        return Answered(reply, extraction, self._backend.submit(self._request(task, extraction.kernel)))

    def _result(self, job: Job[Answered]) -> Answered:
        """Wait for an attempt. Meanwhile, check the cases of later tasks and request their replies."""
        while self._unchecked and not job.given.done():
            self._gate.build_ahead(list(self._unchecked)[:CHECKED_TOGETHER])
            task = self._unchecked.popleft()
            with contextlib.suppress(Exception):
                self._gate.check(task)
                self._want_early(task)
        return job.result()

    def _want_early(self, task: Task) -> None:
        """Request the reply to a task if its case has passed its self-check. Otherwise queue the task for
        ``_result``.
        """
        if task.id in self._wanted or not self._replies.asks(task.student or ""):
            return
        if not self._gate.is_open(task):
            self._unchecked.append(task)
            return
        self._wanted.add(task.id)
        self._replies.want(wanted_of(task, self._question(task)))


def wanted_of(task: Task, question: Question) -> Wanted:
    """Return the request for a task's reply."""
    assert task.case is not None and task.student is not None
    return Wanted(task.id, task.student, question, task.case, task.skill_path.parent, task.record)
