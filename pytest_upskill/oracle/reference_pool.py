"""Keeps the processes of untrusted references for later runners of the same case, because torch loads for seconds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import partial

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.reference_process import ReferenceProcess
from pytest_upskill.oracle.sandboxed_reference import SandboxedReference
from pytest_upskill.sandbox.confinement import Confinement

IDLE = 2
"""The number of processes that are kept although no runner uses them."""

Key = tuple[str, str, Confinement]


class ReferencePool:
    """Opens runners of untrusted cases.

    A process never serves two cases, because the code of one case must not be able to change the results of another.
    """

    def __init__(self, most: int = IDLE) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._idle: OrderedDict[ReferenceProcess, Key] = OrderedDict()

    def open(self, case: Case, confinement: Confinement) -> SandboxedReference:
        """Open a runner that uses an idle process of this case, or else a new process. Raises SandboxError."""
        key = (case.name, case.text_hash, confinement)
        with self._lock:
            process = next((one for one, its in self._idle.items() if its == key and case.text_hash), None)
            if process is not None:
                del self._idle[process]
        process = process or ReferenceProcess(confinement)
        return SandboxedReference(case, process, closed=partial(self._take_back, key, process))

    def _take_back(self, key: Key, process: ReferenceProcess) -> None:
        """Keep a process that still serves. If too many processes are kept, end the one that has been idle longest."""
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
"""The pool of the current process. The pool's processes end when the current process ends."""
