"""The live line: its text, and what it sends to a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from pytest_upskill.replies.ledger import Totals
from pytest_upskill.reporting import live
from pytest_upskill.reporting.live import LiveLine, progress_text


@pytest.mark.parametrize(
    ("judged", "totals", "priced", "text"),
    [
        (0, Totals(open=4), False, "0/48 judged, 0 replies, 4 pending"),
        (8, Totals(asked=12, open=4, builds=9, usd=0.123, tokens=65_000), True,
         "8/48 judged, 12 replies, 4 pending, 9 builds, $0.12, 2m00s left"),
        (48, Totals(asked=48, tokens=900), False, "48/48 judged, 48 replies, 900 tokens"),
    ],
)  # fmt: skip
def test_the_line_says_what_is_known_and_no_more(judged: int, totals: Totals, priced: bool, text: str) -> None:
    assert progress_text(judged, 48, totals, priced, seconds=24.0) == text


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def sent(pipe: tuple[int, int]) -> str:
    os.set_blocking(pipe[0], False)
    try:
        return os.read(pipe[0], 10_000).decode()
    except BlockingIOError:
        return ""


def test_it_is_written_on_the_line_below_and_the_cursor_comes_back(pipe: tuple[int, int]) -> None:
    LiveLine(pipe[1], lambda: "3 replies").draw()
    assert sent(pipe) == "\x1bD\x1bM" + "\x1b7\x1b[B\r\x1b[2K" + "3 replies" + "\x1b8"


def test_it_gives_way_once_and_stays_away_while_pytest_writes(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: clock[0])
    line = LiveLine(pipe[1], lambda: "text")
    line.draw()
    sent(pipe)
    line.give_way()
    assert sent(pipe) == "\x1b7\x1b[B\r\x1b[2K\x1b8"
    line.give_way()
    line.draw()
    assert sent(pipe) == ""
    clock[0] += live.QUIET_SECONDS
    line.draw()
    assert "text" in sent(pipe)


def test_it_is_no_wider_than_the_terminal_and_gone_when_stopped(pipe: tuple[int, int]) -> None:
    line = LiveLine(pipe[1], lambda: "x" * 500)
    line.draw()
    shown = re.search(r"x+", sent(pipe))
    assert shown and len(shown[0]) == 79
    line.stop()
    sent(pipe)
    line.draw()
    assert sent(pipe) == ""
