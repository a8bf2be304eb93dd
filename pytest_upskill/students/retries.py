"""Retries of an attempt: how many, and how long to wait between them.

An attempt returns an answer or an ``AttemptFailure``. A failure is a value and not an exception, because an exception
of the SDK would hold the request, and with it the key.
"""

import email.utils
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result, wait_exponential, wait_random

ATTEMPTS = 5
FIRST_WAIT = 0.5
"""The first wait in seconds. Each further wait is twice as long, up to LONGEST_WAIT. A random time up to FIRST_WAIT is
added to each.
"""
LONGEST_WAIT = 8.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AttemptFailure:
    """Why an attempt gave no answer. ``transient``: a retry may succeed. ``wait``: the seconds that the server asks to
    wait.

    ``loading``: the server still loads its model, which may take longer than the usual attempts. ``unreachable``:
    nothing listens at the address. ``unauthorised``: the key is not accepted. ``of_question``: this question caused the
    failure; other questions may still be answered. ``refused``: the fields of the request that the server refuses.
    ``said``: the server's message on them.
    """

    message: str
    transient: bool = False
    wait: float | None = None
    loading: bool = False
    unreachable: bool = False
    unauthorised: bool = False
    of_question: bool = False
    refused: tuple[str, ...] = ()
    said: str = ""


def persist(
    attempt: Callable[[], T | AttemptFailure], *, patience: float, sleep: Callable[[float], object], attempts: int
) -> T | AttemptFailure:
    """Return the first answer, or the last failure.

    There are at most ``attempts`` attempts, not counting those during which the server still loads its model. The
    attempts also end if the next wait would exceed ``patience`` (s).
    """
    counted = 0

    def stop(state: RetryCallState) -> bool:
        nonlocal counted
        counted += not _failure(state).loading
        spent = max(state.seconds_since_start or 0.0, state.idle_for)
        return counted >= attempts or spent + state.upcoming_sleep > patience

    def give_up(state: RetryCallState) -> AttemptFailure:
        failure, note = _failure(state), ""
        if failure.wait is not None and failure.wait > patience:
            timeout = f"this student's timeout of {patience:.0f} s"
            note = f" (it asks to wait {failure.wait:.0f} s, longer than {timeout})"
        elif state.attempt_number > 1:
            note = f" (tried {state.attempt_number} times)"
        return replace(failure, message=failure.message + note)

    retrying = Retrying(
        retry=retry_if_result(lambda result: isinstance(result, AttemptFailure) and result.transient),
        stop=stop,
        wait=lambda state: _backoff(state) if (requested := _failure(state).wait) is None else requested,
        sleep=lambda seconds: (sleep(seconds), None)[1],
        retry_error_callback=give_up,
    )
    return retrying(attempt)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by ``Retry-After`` (seconds, or an HTTP date: RFC 9110, 10.2.3); None if it cannot be
    used.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


_backoff = wait_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT) + wait_random(0, FIRST_WAIT)


def _failure(state: RetryCallState) -> AttemptFailure:
    failure = state.outcome.result() if state.outcome is not None else None
    assert isinstance(failure, AttemptFailure), "only failures are retried"
    return failure
