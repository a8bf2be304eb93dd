"""A run that waits says so: for what, since when, until when, and how to end it."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_upskill.session import progress
from pytest_upskill.session.item_hooks import ItemHooks

SLOW, OTHER = "skills/tiny/SKILL.md::scale[pupil-skill]", "skills/tiny/SKILL.md::shift[pupil-skill]"


class Waits:
    """A run whose clock and open questions are set, and the lines that it prints."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(progress, "CHECK_SECONDS", 3600.0)  # the test checks
        self.now = 1_000_000.0
        self.open: dict[str, str] = {}
        self.lines: list[str] = []
        configs = {name: SimpleNamespace(timeout=timeout) for name, timeout in (("pupil", 600.0), ("other", 60.0))}
        run: Any = SimpleNamespace(open_questions=lambda: self.open, models=configs)
        teller: Any = SimpleNamespace(tell=lambda line, about: self.lines.append(f"{about} {line}"))
        self.side = progress.WaitSide(run, teller, clock=lambda: self.now)

    def after(self, seconds: float) -> list[str]:
        """The lines that come out within some seconds, checked every second."""
        self.lines.clear()
        for _ in range(int(seconds)):
            self.now += 1
            self.side.check()
        return [re.sub(r"\d\d:\d\d:(\d\d)", r"HH:MM:\1", line) for line in self.lines]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Waits(monkeypatch)
    yield made
    made.side.pytest_unconfigure()


def test_a_silent_server_is_named_after_a_quarter_of_a_minute_and_then_once_a_minute(waits: Waits) -> None:
    waits.side.pytest_runtest_logstart(SLOW)
    assert waits.after(2) == []
    waits.open = {"a": "pupil", "b": "pupil", "c": "other"}
    assert waits.after(12) == []
    (line,) = waits.after(1)
    assert line == (
        f"waits for {SLOW} (since HH:MM:40, 15 s); 1 reply of other pending, asked at HH:MM:43, until HH:MM:43 (its "
        f"timeout of 60 s); 2 replies of pupil pending, asked at HH:MM:43, until HH:MM:43 (its timeout of 600 s); "
        f"Ctrl-C ends the run and keeps the replies that are complete"
    )
    assert [len(waits.after(seconds)) for seconds in (59, 1, 59, 1)] == [0, 1, 0, 1]


def test_several_items_that_wait_share_a_line(waits: Waits) -> None:
    waits.side.pytest_runtest_logstart(SLOW)
    waits.side.pytest_runtest_logstart(OTHER)
    (line,) = waits.after(20)
    assert line.startswith(f"waits for {SLOW} and 1 more (since HH:MM:40, 15 s); no reply is pending: its kernel is")


def test_items_that_end_in_time_and_those_of_others_are_not_waited_for(waits: Waits) -> None:
    waits.side.pytest_runtest_logstart("tests/test_other.py::test_slow")
    for _ in range(10):
        waits.side.pytest_runtest_logstart(SLOW)
        assert waits.after(14) == []
        waits.side.pytest_runtest_logfinish(SLOW)
        assert waits.after(100) == []


def test_replies_of_every_student_are_requested_ahead() -> None:
    widths = {"pupil": 2, "other": 1}
    replies = SimpleNamespace(asks=widths.__contains__, width=widths.__getitem__)
    run: Any = SimpleNamespace(replies=replies, configs=["pupil", "other", "golden"], until_decided=None)
    hooks = ItemHooks(run, is_worker=False)
    students = ["pupil"] * 100 + ["golden", "other"] * 20
    hooks._items = [SimpleNamespace(number=number) for number in range(len(students))]  # type: ignore[misc]
    for number, student in enumerate(students):
        hooks._places.setdefault(student, []).append(number)

    def later(place: int, maxfail: int = 0) -> list[Any]:
        config: Any = SimpleNamespace(getvalue=lambda name: maxfail)
        return [item.number for item in hooks._later(place, config)]  # type: ignore[attr-defined]

    assert later(3) == [*range(4, 20), *range(101, 117, 2)]
    assert later(3, maxfail=1) == [4, 5, 101]
    assert later(99) == [*range(101, 117, 2)]
    assert later(len(students)) == []
