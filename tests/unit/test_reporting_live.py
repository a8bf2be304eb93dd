"""The live line: its text, and what it sends to a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from pytest_upskill.reporting import live
from pytest_upskill.reporting.live import LiveLine, Progress, progress_text


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(0, 48, 0, 4, 0, 0, None, 1.0), "0/48 judged, 0 replies, 4 pending"),
        (
            Progress(8, 48, 12, 4, 9, 65_000, 0.123, 24.0),
            "8/48 judged, 12 replies, 4 pending, 9 builds, $0.12, 2m00s left",
        ),
        (Progress(48, 48, 48, 0, 0, 900, None, 24.0), "48/48 judged, 48 replies, 900 tokens"),
    ],
)
def test_the_line_says_what_is_known_and_no_more(progress: Progress, text: str) -> None:
    assert progress_text(progress) == text


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
