"""Runs that are killed, interrupted or met by faults: no reply is lost, none is paid for twice, and no key is left."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import interrupting
from tests.integration.conftest import BOTH, Workbench, fenced, kernel
from tests.integration.text_skill import KEY, asked, student, text_skill
from tests.llama.scripted import Refusal, Stream, chunk, endpoint, reply

ASK = ("skills", "--upskill-student=pupil", "-k", "word", "--upskill-arms=skill")
PATIENCE = 60.0


RUN = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are deaf to it
sys.exit(pytest.main())
"""


def started(bench: Workbench, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments], cwd=bench.root, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def kept(bench: Workbench) -> set[str]:
    """The cases whose replies are in the ledger."""
    path = bench.root / ".upskill" / "replies.sqlite"
    if not path.exists():
        return set()
    ledger = sqlite3.connect(path)
    try:
        return {row[0] for row in ledger.execute("SELECT case_name FROM replies")}
    except sqlite3.OperationalError:  # killed before there was a table
        return set()
    finally:
        ledger.close()


def case_of(question: str) -> str:
    return f"word-{int(question.rsplit(maxsplit=1)[-1].rstrip('.')):03}"


def verdicts(bench: Workbench) -> list[tuple[Any, ...]]:
    items = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
    return [(item["id"], item["verdict"], item["assertions"], item["tokens"]) for item in items]


class Killer:
    """Answers every question by its number, and kills the run before a step that was drawn: sending an event is one."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._steps_left = 0
        self.run: subprocess.Popen[bytes] | None = None

    def arm(self, run: subprocess.Popen[bytes], most: int) -> None:
        with self._lock:
            self.run, self._steps_left = run, self._random.randint(1, most)

    def answer(self, question: dict[str, Any]) -> Stream:
        number = int(case_of(question["messages"][-1]["content"]).removeprefix("word-"))
        whole = reply("an answer" if number % 3 else "nothing")
        return Stream(whole.events, before=self._step)

    def _step(self) -> None:
        with self._lock:
            self._steps_left -= 1
            if self._steps_left == 0 and self.run is not None:
                self.run.kill()


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.full)])
def test_a_run_that_is_killed_several_times_ends_like_one_that_was_not(bench: Workbench, kills: int) -> None:
    killer, cases = Killer(seed=6), 12
    with endpoint(killer.answer) as server:
        text_skill(bench, server, cases, "concurrency = 2")
        for _ in range(kills):
            before, first = kept(bench), len(server.questions)
            run = started(bench, *ASK)
            killer.arm(run, most=8)
            run.wait(PATIENCE)
            assert not before & {case_of(text) for text in asked(server)[first:]}, "a reply that was kept is asked for"
            assert before <= kept(bench)
        killer.run = None
        before, first = kept(bench), len(server.questions)
        bench.run(*ASK, "--upskill-report=out.json")
        assert not before & {case_of(text) for text in asked(server)[first:]}
        assert len(server.questions) <= cases + kills * 2, "no more than what was open when the run was killed"
        disturbed = verdicts(bench)
        bench.run(*ASK, "--upskill-replies=live", "--upskill-report=out.json")
    assert disturbed == verdicts(bench)
    assert Counter(verdict for _, verdict, *_ in disturbed) == {"passed": 8, "failed": 4}


@pytest.mark.parametrize("sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.full)])
def test_an_interrupt_waits_for_no_open_question_and_loses_no_reply(
    bench: Workbench, sent: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary := bench.root / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    hanging, release = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.set()
        release.wait(PATIENCE)

    def answer(question: dict[str, Any]) -> Stream:
        whole = reply("an answer")
        first = case_of(question["messages"][-1]["content"]) == "word-000"
        return whole if first else Stream(whole.events, before=hang)

    with endpoint(answer) as server:
        text_skill(bench, server, 3, "concurrency = 1")
        run = started(bench, *ASK)
        assert hanging.wait(PATIENCE)
        os.kill(run.pid, sent)
        assert run.wait(PATIENCE) == pytest.ExitCode.INTERRUPTED
        assert not list(temporary.iterdir())
        release.set()
        assert kept(bench) == {"word-000"}
        bench.run(*ASK).assert_outcomes(passed=3)
        assert Counter(map(case_of, asked(server))) == {"word-000": 1, "word-001": 2, "word-002": 1}


class Interrupted:
    """Runs of eight text cases that are interrupted at one point each."""

    def __init__(self, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench = bench
        self.finished: dict[str, float] = {}
        """By case: when its reply was sent to its end."""
        self.note = bench.root / "interrupting"
        monkeypatch.setenv("INTERRUPTING", str(self.note))

    def answer(self, question: dict[str, Any]) -> Stream:
        case, finished, whole = case_of(question["messages"][-1]["content"]), self.finished, reply("an answer")

        class Noted(Stream):
            def send(self, handler: Any) -> None:
                super().send(handler)
                finished[case] = time.monotonic()

        return Noted(whole.events, before=lambda: time.sleep(0.005))

    def run(self, point: str, *arguments: str) -> tuple[int, str]:
        """The status of a run and its output; nothing is stored before it."""
        shutil.rmtree(self.bench.root / ".upskill", ignore_errors=True)
        self.finished.clear()
        command = [sys.executable, interrupting.__file__, point, *ASK, *arguments]
        done = subprocess.run(
            command, cwd=self.bench.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            start_new_session=True, timeout=300,
        )  # fmt: skip
        return done.returncode, done.stdout

    def check(self, point: str, *arguments: str) -> None:
        status, said = self.run(point, *arguments)
        sent = float(self.note.read_text(encoding="ascii"))
        lost = {case for case, time in self.finished.items() if time < sent} - kept(self.bench)
        assert not lost, (point, lost)
        assert status == pytest.ExitCode.INTERRUPTED, (point, said)
        assert said.count("Interrupted: ") == 1, (point, said)
        assert not re.search("Traceback|INTERNALERROR|Exception ignored", said), (point, said)


@pytest.fixture
def interrupted(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupted]:
    made = Interrupted(bench, monkeypatch)
    with endpoint(made.answer) as server:
        text_skill(bench, server, 8, "concurrency = 2")
        yield made


def test_an_interrupt_in_an_import_or_the_summary_is_one_line_and_status_2(interrupted: Interrupted) -> None:
    interrupted.check("_find_and_load:30")
    interrupted.check("summary_lines:1")


@pytest.mark.full
@pytest.mark.parametrize(("rounds", "workers"), [(50, []), (10, ["-n2"])], ids=["alone", "two-workers"])
def test_an_interrupt_at_any_moment_is_one_line_and_status_2(
    interrupted: Interrupted, rounds: int, workers: list[str]
) -> None:
    status, said = interrupted.run("count", *workers)
    assert status == 0, said
    marks = [0, *map(int, interrupted.note.read_text(encoding="ascii").split())]
    draw = random.Random(11)
    for number in range(rounds):  # as many before the items, while they run, and after them
        interrupted.check(str(draw.randint(marks[number % 3] + 1, marks[number % 3 + 1])), *workers)


class Faults:
    """Up to three faults for each question, drawn from its text; then the reply. ``paid`` counts whole replies."""

    def __init__(self, share: float = 0.3, right: Callable[[str], str] = lambda text: "an answer") -> None:
        self.share, self.right = share, right
        self.attempts: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()

    def answer(self, question: dict[str, Any]) -> Refusal | Stream:
        text = question["messages"][-1]["content"]
        self.attempts[text] += 1
        draw = random.Random(f"{text} {self.attempts[text]}")
        if self.attempts[text] > 3 or draw.random() >= self.share:
            self.paid[text] += 1
            return reply(self.right(text))
        faults: list[Refusal | Stream] = [
            Refusal(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"}),
            Refusal(500, {"error": {"message": "oops"}}),
            Refusal(503, "busy"),
            Stream((chunk({"content": "half"}),), end="cut"),
            Stream((chunk({"content": "half"}),), end="silent"),
        ]
        return draw.choice(faults)


@BOTH
def test_a_hundred_items_under_random_faults_are_each_judged_once_and_paid_for_once(
    bench: Workbench, workers: list[str]
) -> None:
    faults = Faults()
    with endpoint(faults.answer) as server:
        text_skill(bench, server, 100, "concurrency = 8")
        bench.run(*ASK, "--upskill-report=out.json", *workers).assert_outcomes(passed=100)
        assert len(server.questions) > 120
    assert len(verdicts(bench)) == 100
    assert set(faults.paid.values()) == {1} and len(faults.paid) == 100


def children(process: int) -> list[int]:
    """Its compilers and sandboxes: the processes that it started and that have not ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found


def killed_at_work(run: subprocess.Popen[bytes], looks: int) -> bool:
    """Kills a run, and nothing else, when it was seen ``looks`` times with compilers or sandboxes. False: it ended."""
    while run.poll() is None:
        looks -= bool(children(run.pid))
        if looks <= 0:
            run.kill()
            run.wait()
            return True
        time.sleep(0.005)
    return False


@pytest.mark.full
@pytest.mark.parametrize("number", range(50))
def test_after_kills_during_builds_and_judgements_nothing_waits_for_what_is_left(bench: Workbench, number: int) -> None:
    """Five kills under 15% faults; the next run starts at once. Each round compiles sources of its own."""
    draw = random.Random(number)

    def right(text: str) -> str:
        name, plus = ("shift", " + 1.0f") if "add 1" in text else ("scale", "")
        return fenced(f"// {number} {draw.random()}\n{kernel(name, plus=plus)}")

    faults = Faults(0.15, right)
    ask = ("skills", "--upskill-student=pupil", "--upskill-arms=skill", "--upskill-trials=2", "--upskill-examples=4")
    with endpoint(faults.answer) as server:
        student(bench, server.url, "concurrency = 2")
        for _ in range(5):
            before, first = kept_questions(bench), len(server.questions)
            killed_at_work(started(bench, *ask), draw.randint(1, 150))
            assert before <= kept_questions(bench)
            assert len(server.questions) - first <= 4 * (4 - len(before)), "a reply that was kept is asked for"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *ask, "--upskill-report=out.json"], cwd=bench.root, check=False,
            timeout=500, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert [verdict for _, verdict, *_ in verdicts(bench)] == ["passed"] * 5


def kept_questions(bench: Workbench) -> set[str]:
    """The keys of the replies in the ledger."""
    path = bench.root / ".upskill" / "replies.sqlite"
    if not path.exists():
        return set()
    with contextlib.closing(sqlite3.connect(path)) as ledger, contextlib.suppress(sqlite3.OperationalError):
        return {row[0] for row in ledger.execute("SELECT key FROM replies")}
    return set()


@BOTH
def test_a_server_that_refuses_the_key_is_not_asked_for_every_item(bench: Workbench, workers: list[str]) -> None:
    with endpoint(Refusal(401, {"error": {"message": "no such key"}})) as server:
        text_skill(bench, server, 30, "concurrency = 1")
        result = bench.run(*ASK, *workers)
        assert len(server.questions) == 3
    result.assert_outcomes(errors=30)
    shown = " ".join(result.stdout.str().split())
    assert "not asked, since 3 questions in a row ended like this: student 'pupil': http://" in shown
    assert "check the key in the environment variable PUPIL_KEY" in shown
    assert "no student was queried" not in shown


def test_no_file_of_a_run_and_no_line_of_it_holds_the_key(bench: Workbench) -> None:
    quoting = Refusal(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    with endpoint(reply("an answer"), quoting) as server:
        text_skill(bench, server, 3, "concurrency = 1")
        reports = ("--upskill-report=out.json,out.md,out.csv", "--junit-xml=out.xml", "--upskill-prompts=prompts")
        shown = bench.run(*ASK, *reports[:2], "--upskill-replies=record", "-vv", "-ra", "--showlocals").stdout.str()
        bench.run(*ASK, reports[2])
        assert server.keys[0] == f"Bearer {KEY}"
    assert KEY not in shown and "[key]" in shown
    files = [path for path in bench.root.rglob("*") if path.is_file()]
    assert {"replies.sqlite", "pupil.jsonl", "out.json", "out.xml"} <= {path.name for path in files}
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
