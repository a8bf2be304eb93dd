"""The backend that judges in this process: builds in threads, and runs kernels where a result is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from pytest_upskill.build.build_pool import BuildPool, Job
from pytest_upskill.devices.base import Machine
from pytest_upskill.errors import CaseError
from pytest_upskill.judging.judge import Prepared, case_of, finish, machine_for, prepare
from pytest_upskill.judging.request import JudgeRequest
from pytest_upskill.judging.result import JudgeResult
from pytest_upskill.judging.signatures import is_known

BUILD_THREADS = 2
"""Kernels that are compiled at once: judging needs the processor, too."""

T = TypeVar("T")


class InProcess:
    """``machine`` finds the machine for a request; ``built`` is called whenever a kernel was compiled."""

    def __init__(
        self, machine: Callable[[JudgeRequest], Machine] = machine_for, built: Callable[[], object] = lambda: None
    ) -> None:
        self._machine, self._built = machine, built
        self._pool = BuildPool(BUILD_THREADS)

    def submit(self, request: JudgeRequest) -> Future[JudgeResult]:
        """Starts the build now. The rest is done by the thread that first asks the future for its result, since
        PyTorch's default dtype belongs to the process.
        """
        job = self._pool.begin(lambda: self._prepare(request)) if _can_start(request) else None
        prepared = job.result if job else (lambda: self._prepare(request))
        return _Deferred(lambda: finish(request, self._machine(request), prepared))

    def begin(self, work: Callable[[], T]) -> Job[T]:
        """Other work for the threads that build."""
        return self._pool.begin(work)

    def close(self) -> None:
        """Begins nothing any more, and waits for nothing."""
        self._pool.close()

    def _prepare(self, request: JudgeRequest) -> Prepared:
        prepared = prepare(request, self._machine(request))
        if prepared.build is not None:
            self._built()
        return prepared


def _can_start(request: JudgeRequest) -> bool:
    """Whether nothing has to be run on the main thread before the sources can be built."""
    try:
        return not request.trusted or is_known(case_of(request))
    except CaseError:  # told with the result
        return False


class _Deferred(Future[JudgeResult]):
    """A future whose work is done by whoever asks for the result first."""

    def __init__(self, work: Callable[[], JudgeResult]) -> None:
        super().__init__()
        self._work = work
        self._working = threading.Lock()

    def result(self, timeout: float | None = None) -> JudgeResult:
        with self._working:
            if not self.done():
                try:
                    self.set_result(self._work())
                except Exception as error:
                    self.set_exception(error)
        return super().result(timeout)
