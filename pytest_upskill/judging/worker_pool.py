"""The backend that judges in worker processes. Requests and results are sent as JSON.

Starting a worker takes seconds, because it imports PyTorch, so workers live as long as the pool. When a worker crashes,
all requests in progress get an infrastructure error, and the worker is replaced.
"""

from __future__ import annotations

import importlib
import multiprocessing
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from pydantic import TypeAdapter

from pytest_upskill.errors import InfrastructureError
from pytest_upskill.judging.interface import JudgeRequest, JudgeResult
from pytest_upskill.judging.judge import judge, problem_of

REQUESTS, RESULTS = TypeAdapter(JudgeRequest), TypeAdapter(JudgeResult)
"""Convert requests and results to JSON and back. The JSON has the field names of the dataclasses. It is not stored."""


class WorkerPool:
    """Judges requests in worker processes.

    ``plugins`` names modules that workers import, because they register further languages and contracts.
    """

    def __init__(self, workers: int, plugins: Sequence[str] = ()) -> None:
        self._workers, self._plugins = workers, tuple(plugins)
        self._lock = threading.Lock()
        self._pool = self._started()

    def submit(self, request: JudgeRequest) -> Future[JudgeResult]:
        """Send a request to a worker, and return a future of its result."""
        result: Future[JudgeResult] = Future()
        text = REQUESTS.dump_json(request)
        with self._lock:
            try:
                answer = self._pool.submit(_judged, text)
            except RuntimeError:  # a worker crashed since the last request
                self._pool.shutdown(wait=False)
                self._pool = self._started()
                answer = self._pool.submit(_judged, text)
        result.set_running_or_notify_cancel()
        answer.add_done_callback(lambda answer: _settle(result, answer))
        return result

    def close(self) -> None:
        """Cancel requests that no worker has begun. Workers exit once they have finished the others."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # PyTorch's threads do not survive a fork
        return ProcessPoolExecutor(self._workers, context, _begin_worker, (self._plugins,))


def _settle(result: Future[JudgeResult], answer: Future[bytes]) -> None:
    try:
        result.set_result(RESULTS.validate_json(answer.result()))
    except (BrokenProcessPool, CancelledError) as error:
        lost = f"a worker of the judge ended before it answered ({type(error).__name__}: {error}); run it again"
        result.set_result(problem_of(InfrastructureError(lost)))
    except Exception as error:  # a defect of this package, which the other backend raises as well
        result.set_exception(error)


def _begin_worker(plugins: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles an interrupt
    for name in plugins:
        importlib.import_module(name)


def _judged(text: bytes) -> bytes:
    return RESULTS.dump_json(judge(REQUESTS.validate_json(text)))
