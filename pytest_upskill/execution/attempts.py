"""One try of a student: its reply, and the judgement of what it holds, on their way since they were first wanted.

The kernel is extracted in a thread as soon as the reply is there, and submitted to the judge.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.build.build_pool import BuildPool, Job
from pytest_upskill.contracts.base import Extraction
from pytest_upskill.errors import InfrastructureError
from pytest_upskill.execution.task import Task
from pytest_upskill.judging.backend import Backend
from pytest_upskill.judging.judge import parsed_case
from pytest_upskill.judging.request import JudgeRequest
from pytest_upskill.judging.result import JudgeResult
from pytest_upskill.judging.signatures import contract_of, signature_of
from pytest_upskill.records import Kernel, Question, Reply
from pytest_upskill.replies.scheduling import Replies
from pytest_upskill.replies.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, what was found in it, and the judgement of that; both are None for a text case."""

    reply: Reply
    extraction: Extraction | None = None
    judgement: Future[JudgeResult] | None = None


class Attempts:
    """Starts tries. Replies are kept below ``rootdir``; ``request`` makes a request from a task and a kernel."""

    def __init__(
        self, replies: Replies, backend: Backend, request: Callable[[Task, Kernel], JudgeRequest], rootdir: Path
    ) -> None:
        self._replies, self._backend, self._request, self._rootdir = replies, backend, request, rootdir
        self._pool = BuildPool(1)

    def begin(self, task: Task, question: Question) -> Job[Answered]:
        """Wants the reply, before those that nothing waits for, and what follows from it."""
        wanted = wanted_of(task, question)
        if wanted.case.kind == "kernel":
            # What the thread must not do: run the reference, and build Python's trees.
            signature_of(wanted.case)
            parsed_case(wanted.case.text, wanted.case.name)
        reply = self._replies.want(wanted, urgent=True)
        return self._pool.after(reply, lambda reply: self._answered(task, wanted, reply))

    def close(self) -> None:
        """Begins nothing any more, and waits for nothing."""
        self._pool.close()

    def _answered(self, task: Task, wanted: Wanted, reply: Reply) -> Answered:
        with files_can_be_written(self._rootdir):
            self._replies.use(wanted, reply)
        if wanted.case.kind == "text":
            return Answered(reply)
        extraction = contract_of(wanted.case).extract(reply.text, signature_of(wanted.case))
        if extraction.kernel is None:
            return Answered(reply, extraction)
        return Answered(reply, extraction, self._backend.submit(self._request(task, extraction.kernel)))


def wanted_of(task: Task, question: Question) -> Wanted:
    """What is wanted of a student for a task."""
    assert task.case is not None and task.student is not None
    return Wanted(task.id, task.student, question, task.case, task.skill_path.parent, task.record)


@contextlib.contextmanager
def files_can_be_written(folder: Path) -> Iterator[None]:
    """Raises InfrastructureError, with the next step, where a file below ``folder`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise InfrastructureError(
            f"cannot write below {folder}: {error.strerror} ({error.filename}); free some space, or make it writable"
        ) from error
