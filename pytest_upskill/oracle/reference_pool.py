"""Keeps the processes of untrusted references for later runners of the same case: each takes seconds to load torch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import partial

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.reference_process import ReferenceProcess
from pytest_upskill.oracle.sandboxed_reference import SandboxedReference
from pytest_upskill.sandbox.confinement import Confinement

IDLE = 2
"""Processes without a runner that are kept."""

Key = tuple[str, str, Confinement]


class ReferencePool:
    """Opens runners. A process never serves two cases: code of one must not reach the results of another."""

    def __init__(self, most: int = IDLE) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._idle: OrderedDict[ReferenceProcess, Key] = OrderedDict()

    def open(self, case: Case, confinement: Confinement) -> SandboxedReference:
        """A runner with an idle process of this case, or with a new one. Raises SandboxError."""
        key = (case.name, case.text_hash, confinement)
        with self._lock:
            process = next((one for one, its in self._idle.items() if its == key and case.text_hash), None)
            if process is not None:
                del self._idle[process]
        process = process or ReferenceProcess(confinement)
        return SandboxedReference(case, process, closed=partial(self._take_back, key, process))

    def _take_back(self, key: Key, process: ReferenceProcess) -> None:
        """Keep a process that still serves, and end the one that has waited longest if there are too many."""
        with self._lock:
            if process.serves:
                process.holds = None
                self._idle[process] = key
            left = [self._idle.popitem(last=False)[0] for _ in range(len(self._idle) - self._most)]
        for one in left if process.serves else (*left, process):
            one.stop()

    def clear(self) -> None:
        """End all idle processes."""
        with self._lock:
            left = list(self._idle)
            self._idle.clear()
        for one in left:
            one.stop()


POOL = ReferencePool()
"""That of this process. Its processes end with this one."""
