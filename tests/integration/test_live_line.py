"""The live line of a whole run: there on a terminal, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from tests.integration.conftest import BOTH_ALWAYS, Workbench
from tests.integration.text_skill import text_skill
from tests.llama.scripted import Stream, endpoint, reply

ASK = ("skills", "--upskill-student=pupil", "-k", "word", "--upskill-arms=skill")
PATIENCE = 30.0


def on_a_terminal(bench: Workbench, seen: threading.Event, *arguments: str, **environment: str) -> str:
    """What a run writes to a terminal of its own; ``seen`` is set once the live line shows a pending reply."""
    ours, theirs = os.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")}
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments], cwd=bench.root, stdin=theirs, stdout=theirs, stderr=theirs,
        env={**plain, "TERM": "xterm", **environment},
    )  # fmt: skip
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 65536):
            text += piece
            if b"replies, 1 pending" in text:
                seen.set()
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    finally:
        os.close(ours)
    assert run.wait(PATIENCE) == 0, text.decode()
    return text.decode()


@BOTH_ALWAYS
def test_on_a_terminal_it_shows_pending_replies(bench: Workbench, workers: list[str]) -> None:
    seen, late = threading.Event(), threading.Event()
    whole = reply("an answer")

    def hold() -> None:
        if not late.is_set() and not seen.wait(PATIENCE):
            late.set()

    with endpoint(Stream(whole.events, before=hold), whole) as server:
        text_skill(bench, server, 2, "concurrency = 1")
        shown = on_a_terminal(bench, seen, *ASK, *workers)
    assert not late.is_set() and "0/2 judged, 0 replies, 1 pending" in shown
    last = shown.rindex("\x1b8")
    assert "pending" not in shown[last:] and "2 passed" in shown[last:]


def test_in_ci_and_in_a_pipe_there_is_none(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 1)
        assert "\x1b8" not in on_a_terminal(bench, threading.Event(), *ASK, CI="true")
        assert "\x1b" not in bench.run(*ASK, "--upskill-replies=live").stdout.str()
