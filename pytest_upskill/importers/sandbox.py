"""Asks the sandbox of untrusted references about code that is not a case yet. Callers check the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_upskill.oracle.reference_answers import Nonsense
from pytest_upskill.oracle.reference_process import ReferenceLimits, ReferenceProcess
from pytest_upskill.sandbox.confinement import Confinement
from pytest_upskill.sandbox.findings import clean
from pytest_upskill.sandbox.message_process import Unanswered

LIMITS = ReferenceLimits(seconds=40.0, cpu_seconds=1800)
_LONGEST = 600


class Failed(Exception):
    """Raised if code gave no usable answer. The message gives the reason, in words for the user."""


class Sandbox:
    """One confined process, which is started on first use, and again after each failure. Raises SandboxError.

    The code of several problems runs in it, one after another, so one problem can falsify the answer about another.
    This affects only the texts of cases, whose own code is checked later in a process of its own.
    """

    def __init__(self, confinement: Callable[[], Confinement], limits: ReferenceLimits = LIMITS) -> None:
        self._confinement, self._limits = confinement, limits
        self._process: ReferenceProcess | None = None

    def begin(self) -> None:
        """Start the process without waiting for it; starting takes seconds."""
        if self._process is None:
            self._process = ReferenceProcess(self._confinement(), self._limits)

    def ask(self, function: str, **arguments: object) -> Any:
        """Call a function of this package (``module:name``) in the sandbox, and return its result as plain data. Raises
        Failed.
        """
        self.begin()
        assert self._process is not None
        limits = self._process.limits
        try:
            header, _ = self._process.ask({"ask": "call", "function": f"importers.{function}", "arguments": arguments})
        except Unanswered as error:
            self._process.stop()
            raise Failed(_why(error, limits)) from None
        except Nonsense as error:
            self._process.stop()
            raise Failed(f"its code changed the process that runs it: {error}") from None
        except BaseException:  # an interrupt leaves half an answer in the stream
            self._process.stop()
            raise
        if "answer" not in header:
            raise Failed(clean(str(header.get("failed") or header.get("error") or "no answer"))[:_LONGEST])
        return header["answer"]

    def close(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None


def _why(error: Unanswered, limits: ReferenceLimits) -> str:
    if error.cause == "timeout":
        return f"it did not end within {limits.seconds:g} s"
    if error.cause == "flood":
        return f"it printed more than {limits.output_bytes} bytes"
    return f"it ended the process that runs it, with {error.detail}"
