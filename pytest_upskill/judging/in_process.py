"""The backend that judges in the current process.

Threads build kernels, and the thread that asks for a result runs the kernel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from pytest_upskill.build.build_pool import BuildPool, Job
from pytest_upskill.devices.base import Machine
from pytest_upskill.errors import CaseError
from pytest_upskill.judging.interface import JudgeRequest, JudgeResult
from pytest_upskill.judging.judge import Prepared, case_of, finish, machine_for, prepare
from pytest_upskill.judging.signatures import is_known

BUILD_THREADS = 2
"""The number of kernels that are compiled at the same time. It is small, because judging needs the processor, too."""

T = TypeVar("T")


class InProcess:
    """Judges requests in the current process.

    ``machine`` returns the machine for a request. ``built`` is called whenever a kernel was compiled.
    """

    def __init__(
        self, machine: Callable[[JudgeRequest], Machine] = machine_for, built: Callable[[], object] = lambda: None
    ) -> None:
        self._machine, self._built = machine, built
        self._pool = BuildPool(BUILD_THREADS)

    def submit(self, request: JudgeRequest) -> Future[JudgeResult]:
        """Start the build now, and return a future.

        The thread that first calls ``result`` of the future does the rest, because PyTorch's default dtype is global to
        the process.
        """
        prepared = self._pool.begin(lambda: self._prepare(request)).result if _can_start(request) else None
        return _Deferred(lambda: finish(request, self._machine(request), prepared or (lambda: self._prepare(request))))

    def begin(self, work: Callable[[], T]) -> Job[T]:
        """Start other work on the threads that build."""
        return self._pool.begin(work)

    def close(self) -> None:
        """Start no further work, and do not wait for work that has begun."""
        self._pool.close()

    def _prepare(self, request: JudgeRequest) -> Prepared:
        prepared = prepare(request, self._machine(request))
        if prepared.build is not None:
            self._built()
        return prepared


def _can_start(request: JudgeRequest) -> bool:
    """Whether a thread can build the sources now.

    It cannot if the case's reference has to run in the current process first.
    """
    try:
        return not request.trusted or is_known(case_of(request))
    except CaseError:  # the result reports the error
        return False


class _Deferred(Future[JudgeResult]):
    """A future whose work is done by the thread that first calls ``result``."""

    def __init__(self, work: Callable[[], JudgeResult]) -> None:
        super().__init__()
        self._work, self._working = work, threading.Lock()

    def result(self, timeout: float | None = None) -> JudgeResult:
        with self._working:
            if not self.done():
                try:
                    self.set_result(self._work())
                except Exception as error:
                    self.set_exception(error)
        return super().result(timeout)
