"""A small pool of threads that compiles: what is in replies, once they are there, and the solutions of cases.

Asking has no part in it, so that no reply waits behind a compiler. Threads are daemons: an interrupted run ends at
once, and the confined processes that they wait for die with it.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Job(Generic[T]):
    """Work on what is ``given``, done once: by a thread of the pool, or by whoever needs the result before that."""

    def __init__(self, given: Future[S], work: Callable[[S], T], number: int) -> None:
        self.given = given
        self._work: Callable[[Any], T] = work
        self._number = number
        self._result: Future[T] = Future()
        self._free = threading.Lock()

    def __lt__(self, other: Job[Any]) -> bool:
        return self._number < other._number

    def result(self) -> T:
        """Waits for what is given and for the work. Raises what either of them raised."""
        self.given.result()
        self.do()
        return self._result.result()

    def do(self) -> None:
        """Does the work, unless somebody has begun it."""
        if not self._free.acquire(blocking=False):
            return
        try:
            self._result.set_result(self._work(self.given.result()))
        except Exception as error:
            self._result.set_exception(error)
        except BaseException:
            self._free.release()  # an interrupt is no result
            raise


class BuildPool:
    """``number`` threads, started when there is work."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._numbers = itertools.count()
        self._jobs: queue.PriorityQueue[Job[Any]] = queue.PriorityQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def after(self, given: Future[S], work: Callable[[S], T]) -> Job[T]:
        """A job that begins once something is there; jobs that were made earlier go first."""
        job = Job(given, work, next(self._numbers))
        given.add_done_callback(lambda done: None if done.exception() else self._enqueue(job))
        return job

    def begin(self, work: Callable[[], T]) -> Job[T]:
        """A job that waits for nothing."""
        nothing: Future[None] = Future()
        nothing.set_result(None)
        return self.after(nothing, lambda _: work())

    def close(self) -> None:
        """Begins nothing any more, and waits for nothing."""
        self._closed = True

    def _enqueue(self, job: Job[Any]) -> None:
        self._jobs.put(job)
        with self._lock:
            if len(self._threads) < self._number:
                thread = threading.Thread(target=self._work, name="upskill-build", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while not self._closed:
            self._jobs.get().do()
