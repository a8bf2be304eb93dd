"""One server process of a run. It is started on first use, restarted at most once, and ended with the run."""

import contextlib
import os
import shlex
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
"""Seconds that a server may take to start, because it may have to download a model."""
STOP_LIMIT = 15.0
_FIRST_WORD, _BETWEEN = 2.0, 2.0
"""Seconds until the first line about progress, and the factor by which the time to each further line grows."""
_PROBE = 0.05
_ANSWER_LIMIT = 5.0
_PACKAGE_ROOT = Path(__file__).parents[3]

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs without a proxy, because these servers run on this machine."""


class ServerProcess:
    """A ``Server`` (see ``students.base``). If the server of the plan ``existing`` runs already, it is used and none is
    started.

    ``make`` returns the plan if a server has to be started. ``tell`` shows a line about progress.
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
                self._plan = self._found_or_started()
            return self._plan.base_url

    def revive(self) -> None:
        with self._lock:
            self._raise_if_lost()
            if self._process is None or self._plan is None or self._process.poll() is None:
                return
            ended = _in_words(self._process.returncode)
            _close_pipe(self._process)
            if self._restarted:
                raise self._lost(f"ended again ({ended}) and is not started a third time", self._plan)
            self._restarted = True
            self._tell(f"the server of {self._student} ended ({ended}); starting it again")
            self._start(self._plan)

    def stop(self) -> None:
        """End the server if it was started here, and end all waits for it."""
        self._stopping.set()
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        _close_pipe(process)
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _found_or_started(self) -> Plan:
        running = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)  # unavailable while it loads its model
        if self._existing is not None and _status_of(self._existing.health) in running:
            return self._existing
        try:
            plan = self._make()
        except StudentError as error:
            self._failure = error
            raise
        self._start(plan)
        return plan

    def _start(self, plan: Plan) -> None:
        self._raise_if_lost()
        started = time.monotonic()
        self._tell(f"starting the server of {self._student}: {shlex.join(plan.command)}")
        try:
            self._process = _spawn(plan, again=self._restarted)
        except OSError as error:
            raise self._lost(f"cannot be started ({error.strerror}: {error.filename})", plan) from None
        self._wait_until_ready(plan, self._process, started)
        self._tell(f"{self._student} answers at {plan.base_url} after {time.monotonic() - started:.1f} s")

    def _wait_until_ready(self, plan: Plan, process: subprocess.Popen[bytes], started: float) -> None:
        word_due = _FIRST_WORD
        while _status_of(plan.health) != HTTPStatus.OK:
            waited = time.monotonic() - started
            if process.poll() is not None:
                raise self._lost(f"ended before it could answer ({_in_words(process.returncode)})", plan)
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
        """Return the failure of this question, and keep it for all later questions."""
        said = _last_line(plan.log) or "nothing"
        message = f"its server {what}; its last line of output: {said}; its log is {plan.log}"
        self._failure = StudentError(f"student '{self._student}': {message}", lasting=True)
        return self._failure


def _spawn(plan: Plan, again: bool) -> subprocess.Popen[bytes]:
    """Start the supervisor of the server. Each run begins a new log; a restarted server continues the log."""
    plan.log.parent.mkdir(parents=True, exist_ok=True)
    with plan.log.open("ab" if again else "wb") as log:
        log.write(f"$ {shlex.join(plan.command)}\n".encode())
    environment = dict(os.environ)
    if _PACKAGE_ROOT.name not in ("site-packages", "dist-packages"):  # not installed: the server must find our package
        paths = (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return subprocess.Popen(
        [sys.executable, "-I", str(supervisor.__file__), str(plan.log), *plan.command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )


def _close_pipe(supervisor_process: subprocess.Popen[bytes]) -> None:
    """Close the owner's end of the supervisor's pipe. This ends the server."""
    if supervisor_process.stdin is not None:
        with contextlib.suppress(OSError):
            supervisor_process.stdin.close()


def _status_of(url: str) -> int | None:
    """Return the HTTP status at a URL, None without an answer. A server that requires a key counts as ready (200)."""
    try:
        with _direct.open(url, timeout=_ANSWER_LIMIT) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        requires_key = error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        return int(HTTPStatus.OK) if requires_key else error.code
    except (OSError, ValueError):
        return None


def _in_words(status: int) -> str:
    return f"signal {status - 128}" if status > 128 else f"exit status {status}"


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.rpartition("\r")[2].strip() for line in lines if line.strip() and not line.startswith("$ ")]
    return said[-1][:200] if said else ""
