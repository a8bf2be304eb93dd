"""Distinguishes exceptions that a signal handler (such as pytest-timeout's) raises from those of a case or a kernel.

A handler's exception is not a result of the case or the kernel, so no code may catch it as such a result.
"""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_SECONDS = 0.1


class Passing(BaseException):
    """Carries an exception through code that would catch the exception itself."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def raised_by_handler(error: BaseException) -> bool:
    """Whether a signal handler raised this exception while other code was running."""
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    codes = {code for handler in handlers if (code := getattr(handler, "__code__", None)) is not None}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False


def would_be_lost(frame: FrameType | None) -> bool:
    """Whether Python would ignore an exception in this frame.

    Python does so in a callback of the garbage collector and in a finalizer.
    """
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks or frame.f_code.co_name in ("__del__", "_remove"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def passing_through() -> Iterator[None]:
    """Carry an exception of the SIGALRM handler through Hypothesis, which would treat it as a failing example."""
    before = signal.getsignal(signal.SIGALRM)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    failed: list[BaseException] = []

    def handler(number: int, frame: FrameType | None) -> None:
        # The exception may still be lost, for example in a weak reference's callback, so it is raised again later.
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        if would_be_lost(frame):
            return
        if not failed:
            try:
                before(number, frame)
            except BaseException as error:
                failed.append(error)
            else:
                signal.setitimer(signal.ITIMER_REAL, 0)
        if failed:
            raise Passing(failed[0]) from None

    signal.signal(signal.SIGALRM, handler)
    try:
        yield
    except Passing as passing:
        raise passing.error from None
    finally:
        if failed:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if signal.getsignal(signal.SIGALRM) is handler:
            signal.signal(signal.SIGALRM, before)
