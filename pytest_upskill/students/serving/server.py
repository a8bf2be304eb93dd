"""One server that we started, from its first question to the end of the run. Belongs to one process of a run.

ServerProcess   starts it when it is needed, waits until it can answer, starts it again once, and stops it
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from pytest_upskill.errors import StudentError
from pytest_upskill.students.serving import supervisor
from pytest_upskill.students.serving.plan import Plan

START_LIMIT = 3600.0
"""Seconds until a server that is neither ready nor ended is given up: it may have to fetch a model first."""
STOP_LIMIT = 15.0
_FIRST_WORD, _BETWEEN = 2.0, 2.0
"""Seconds until the first line on progress; each further one takes this many times as long."""
_PROBE = 0.05
_ANSWER_LIMIT = 5.0
_PACKAGE_ROOT = Path(__file__).parents[3]

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Never through a proxy: these servers are on this machine."""


class ServerProcess:
    """A ``Server`` (see ``students.base``). ``existing`` is where one may be running already: that one is taken then.

    ``make`` works out what to start, when it is known that something is to be started; ``tell`` shows a line.
    """

    def __init__(
        self, student: str, existing: Plan | None, make: Callable[[], Plan], tell: Callable[[str], object]
    ) -> None:
        self._student = student
        self._existing = existing
        self._make = make
        self._tell = tell
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._plan: Plan | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._restarted = False
        self._failure: StudentError | None = None

    def address(self) -> str:
        with self._lock:
            self._raise_if_lost()
            if self._plan is None:
                self._find_or_start()
            assert self._plan is not None
            return self._plan.base_url

    def revive(self) -> None:
        with self._lock:
            self._raise_if_lost()
            if self._process is None or self._plan is None or self._process.poll() is None:
                return
            ended = _how(self._process.returncode)
            _let_go(self._process)
            if self._restarted:
                raise self._lost(f"ended again, by itself ({ended}), and is not started a third time", self._plan)
            self._restarted = True
            self._tell(f"the server of {self._student} ended ({ended}); starting it again")
            self._start(self._plan)

    def stop(self) -> None:
        """Ends the server, and every wait for it. What was not started by us goes on."""
        self._stopping.set()
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        _let_go(process)
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # ------------------------------------------------------------------------------------------- with the lock held

    def _find_or_start(self) -> None:
        there = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)  # it answers, or is loading its model
        if self._existing is not None and _answers(self._existing.health) in there:
            self._plan = self._existing
            return
        try:
            plan = self._make()
        except StudentError as error:
            self._failure = error
            raise
        self._start(plan)
        self._plan = plan

    def _start(self, plan: Plan) -> None:
        self._raise_if_lost()
        started = time.monotonic()
        self._tell(f"starting the server of {self._student}: {' '.join(plan.command)}")
        try:
            self._process = _spawn(plan, again=self._restarted)
        except OSError as error:
            raise self._lost(f"cannot be started ({error.strerror}: {error.filename})", plan) from None
        self._wait_until_ready(plan, self._process, started)
        self._tell(f"{self._student} answers at {plan.base_url} after {time.monotonic() - started:.1f} s")

    def _wait_until_ready(self, plan: Plan, process: subprocess.Popen[bytes], started: float) -> None:
        word_due = _FIRST_WORD
        while _answers(plan.health) != HTTPStatus.OK:
            waited = time.monotonic() - started
            if process.poll() is not None:
                raise self._lost(f"ended before it could answer ({_how(process.returncode)})", plan)
            if waited > START_LIMIT:
                raise self._lost(f"could not answer after {waited:.0f} s", plan)
            if waited > word_due:
                self._tell(f"waiting for the server of {self._student}, {waited:.0f} s: {_last_line(plan.log)}")
                word_due *= _BETWEEN
            if self._stopping.wait(_PROBE):
                raise StudentError(f"student '{self._student}': the run was ended before its server could answer")

    def _raise_if_lost(self) -> None:
        if self._failure is not None:
            raise StudentError(str(self._failure), lasting=True)
        if self._stopping.is_set():
            raise StudentError(f"student '{self._student}': the run was ended before the question was asked")

    def _lost(self, what: str, plan: Plan) -> StudentError:
        """The failure, for this question and all later ones."""
        said = _last_line(plan.log)
        self._failure = StudentError(
            f"student '{self._student}': its server {what}; it said last: {said or 'nothing'}; its log is {plan.log}",
            lasting=True,
        )
        return self._failure


def _spawn(plan: Plan, again: bool) -> subprocess.Popen[bytes]:
    """The supervisor with the server. Each run begins a new log; a restarted server continues it."""
    plan.log.parent.mkdir(parents=True, exist_ok=True)
    with plan.log.open("ab" if again else "wb") as log:
        log.write(f"$ {' '.join(plan.command)}\n".encode())
    return subprocess.Popen(
        [sys.executable, "-I", str(supervisor.__file__), str(plan.log), *plan.command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **_import_path()},
    )


def _import_path() -> dict[str, str]:
    """Lets a server of ours import this package where it is used without being installed."""
    if _PACKAGE_ROOT.name in ("site-packages", "dist-packages"):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))}


def _let_go(supervisor_process: subprocess.Popen[bytes]) -> None:
    """Closes our end of the supervisor's pipe."""
    if supervisor_process.stdin is not None:
        with contextlib.suppress(OSError):
            supervisor_process.stdin.close()


def _answers(url: str) -> int | None:
    """The HTTP status there, None where nobody answers. Who wants a key is there, too."""
    try:
        with _direct.open(url, timeout=_ANSWER_LIMIT) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        wants_key = error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        return int(HTTPStatus.OK) if wants_key else error.code
    except (OSError, ValueError):
        return None


def _how(status: int) -> str:
    return f"signal {status - 128}" if status > 128 else f"exit status {status}"


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.rpartition("\r")[2].strip() for line in lines if line.strip() and not line.startswith("$ ")]
    return said[-1][:200] if said else ""
