"""A small thread pool that builds the kernels of replies as soon as the replies arrive, and the solutions of cases."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from pytest_upskill.sandbox import process

S = TypeVar("S")
T = TypeVar("T")


class Job(Generic[T]):
    """Work on the result of the future ``given``. It is done once, by a thread of the pool or by the first thread that
    needs the result.
    """

    def __init__(self, given: Future[S], work: Callable[[S], T], number: int) -> None:
        self.given = given
        self._work: Callable[[Any], T] = work
        self._number = number
        self._result: Future[T] = Future()
        self._free = threading.Lock()

    def __lt__(self, other: Job[Any]) -> bool:
        return self._number < other._number

    def result(self) -> T:
        """Wait for the input, then for the work. Raises the exception of either, if there is one."""
        self.given.result()
        self.do()
        return self._result.result()

    def do(self) -> None:
        """Do the work, unless another thread has begun it."""
        if not self._free.acquire(blocking=False):
            return
        try:
            self._result.set_result(self._work(self.given.result()))
        except Exception as error:
            self._result.set_exception(error)
        except BaseException:
            self._free.release()  # an interrupt is not a result
            raise


class BuildPool:
    """An executor of ``number`` threads that does jobs in the order in which they were made."""

    def __init__(self, number: int) -> None:
        self._numbers = itertools.count()
        self._jobs: queue.PriorityQueue[Job[Any]] = queue.PriorityQueue()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._stop)
        self._executor = ThreadPoolExecutor(number, "upskill-build", process.stop_on, (self._stop,))

    def after(self, given: Future[S], work: Callable[[S], T]) -> Job[T]:
        """Return a job that begins once its input is there. Jobs that were made earlier go first."""
        job = Job(given, work, next(self._numbers))
        given.add_done_callback(lambda done: None if done.exception() else self._enqueue(job))
        return job

    def begin(self, work: Callable[[], T]) -> Job[T]:
        """Return a job that waits for no input."""
        nothing: Future[None] = Future()
        nothing.set_result(None)
        return self.after(nothing, lambda _: work())

    def close(self) -> None:
        """Begin no further job, and end the compilers of running jobs, so that the threads end at once."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        os.eventfd_write(self._stop, 1)

    def _enqueue(self, job: Job[Any]) -> None:
        self._jobs.put(job)
        with contextlib.suppress(RuntimeError):  # the pool was closed
            self._executor.submit(lambda: self._jobs.get_nowait().do())
