"""Time limits of other plugins, which a signal's handler raises in the middle of anything."""

from __future__ import annotations

import gc
import signal
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from pytest_upskill.cases.case import Snippet
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle import search
from pytest_upskill.oracle.search import Batch
from pytest_upskill.oracle.signal_handlers import Passing, passing_through
from pytest_upskill.oracle.snippet import load_function

LIMIT = "Timeout (>1.0s)"
LOST = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""Python prints what is raised in such callbacks, and ignores it."""


@pytest.fixture
def alarm() -> Iterator[Callable[[], None]]:
    """Does what pytest-timeout does: calls pytest.fail in a handler."""

    def handler(number: int, frame: object) -> None:
        pytest.fail(LIMIT)

    before = signal.signal(signal.SIGALRM, handler)
    yield lambda: signal.raise_signal(signal.SIGALRM)
    assert signal.getsignal(signal.SIGALRM) is handler
    signal.signal(signal.SIGALRM, before)


def third_time(do: Callable[[], None]) -> Callable[[Any], Any]:
    times = iter(range(1000))

    def call(value: Any) -> Any:
        if next(times) == 2:
            do()
        return value

    return call


@pytest.mark.parametrize("place", ["draw", "visit"])
@pytest.mark.parametrize("driver", [search.generate, search.shrink])
def test_a_time_limit_passes_through_hypothesis(alarm: Callable[[], None], place: str, driver: Any) -> None:
    act = third_time(alarm)
    drawn = st.integers(0, 1000).map(act) if place == "draw" else st.integers(0, 1000)
    visit = act if place == "visit" else lambda value: None
    with pytest.raises(pytest.fail.Exception, match="Timeout"):
        driver(Batch("float32", 0, 9, large=False), drawn, 1, lambda value: visit(value) is not None and value > 300)


@LOST
def test_a_time_limit_in_a_callback_of_the_garbage_collector_is_not_lost(alarm: Callable[[], None]) -> None:
    def callback(phase: str, info: object) -> None:
        if armed:
            armed.clear()
            alarm()

    armed = [True]
    with passing_through(), pytest.raises(Passing):
        gc.callbacks.append(callback)
        try:
            gc.collect()  # what is raised in the callback itself is ignored
            signal.sigtimedwait([], 10)
        finally:
            gc.callbacks.remove(callback)


@LOST
def test_a_time_limit_in_the_callback_of_a_weak_reference_is_not_lost(alarm: Callable[[], None]) -> None:
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing, lambda one: alarm())
    with passing_through(), pytest.raises(Passing):
        del thing  # what is raised in the callback is ignored
        assert gone() is None
        signal.sigtimedwait([], 10)


def function(tmp_path: Path, body: str, **scope: Any) -> Any:
    path = tmp_path / "case.md"
    loaded = load_function(Snippet(f"def f(x):\n    {body}\n", 1, path), "f", "reference")
    loaded.call.__globals__.update(scope)
    return loaded


def test_a_time_limit_inside_a_reference_is_no_error_of_the_case(alarm: Callable[[], None], tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="Timeout"):
        function(tmp_path, "alarm()", alarm=alarm)({"x": 1}, "n=1")


@pytest.mark.parametrize("body", ["pytest.fail('x')", "pytest.skip('x')", "raise SystemExit"])
def test_what_a_reference_raises_itself_is_an_error_of_the_case(
    alarm: Callable[[], None], tmp_path: Path, body: str
) -> None:
    with pytest.raises(CaseError, match=r"reference raised \w+"):
        function(tmp_path, body, pytest=pytest)({"x": 1}, "n=1")
