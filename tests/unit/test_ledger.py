"""The ledger: who may ask what, what it costs, and what is left when a process is killed."""

from __future__ import annotations

import contextlib
import errno
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from pytest_upskill.errors import InfrastructureError
from pytest_upskill.records import ReplyDetails, Tokens
from pytest_upskill.replies import process_liveness
from pytest_upskill.replies.ledger import MOST_FAILURES, REST_SECONDS, Failed, Granted, Ledger, Limits, Stopped
from tests.unit.scripted_students import ask, recording


@pytest.fixture(autouse=True)
def opened() -> Iterator[list[Ledger]]:
    """All ledgers of a test, closed at its end."""
    OPENED.clear()
    yield OPENED
    for ledger in OPENED:
        ledger.close()


OPENED: list[Ledger] = []


def other(root: Path, session: str = "now", limits: Limits | None = None) -> Ledger:
    ledger = Ledger(root, session, limits)
    OPENED.append(ledger)
    return ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return other(tmp_path)


def test_a_reply_that_was_settled_is_found_by_every_session(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.find(ask()) is None
    assert ledger.claim([ask()], slots=1) == {ask().key: Granted()}
    ledger.settle(ask(), recording(), good=True)
    assert ledger.find(ask()) == recording()
    assert other(tmp_path, "later").find(ask()) == recording()
    assert other(tmp_path, "later").find(ask(fresh=True)) is None


def test_what_one_process_asks_is_not_asked_by_another(ledger: Ledger, tmp_path: Path) -> None:
    second = other(tmp_path)
    assert ledger.claim([ask("a")], slots=2) == {ask("a").key: Granted()}
    assert second.claim([ask("a"), ask("b")], slots=2) == {ask("b").key: Granted()}
    ledger.settle(ask("a"), recording("a"), good=True)
    assert second.claim([ask("a")], slots=2) == {ask("a").key: recording("a")}


def test_no_more_questions_are_open_than_the_student_takes_over_all_processes(ledger: Ledger, tmp_path: Path) -> None:
    names = [ask(name) for name in "abcd"]
    assert set(ledger.claim(names[:1], slots=3)) == {names[0].key}
    assert set(other(tmp_path).claim(names, slots=3)) == {names[1].key, names[2].key}
    assert other(tmp_path).claim(names, slots=3) == {}


def test_the_claims_of_a_process_that_is_gone_are_given_to_others(ledger: Ledger, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pytest_upskill.replies.ledger import Ledger; "
        "from tests.unit.scripted_students import ask; import os; "
        "print(len(Ledger(Path(sys.argv[1]), 'now').claim([ask()], 1)), flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-9, "1\n"), done.stderr
    assert ledger.totals().open == 1
    assert ledger.claim([ask()], slots=1) == {ask().key: Granted()}
    assert ledger.totals().usd == 1.0, "what it had asked may be on the bill"


def test_leaving_gives_the_claims_back(ledger: Ledger, tmp_path: Path) -> None:
    ledger.claim([ask()], slots=1)
    ledger.leave()
    assert other(tmp_path).claim([ask()], slots=1) == {ask().key: Granted()}


def test_a_failure_is_known_to_all_processes_of_the_session_and_to_no_other_session(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.claim([ask()], slots=1)
    ledger.fail(ask(), "no such model", lasting=False)
    assert other(tmp_path).find(ask()) == Failed("no such model", False)
    assert other(tmp_path, "later").find(ask()) is None


def test_a_reply_that_is_not_good_serves_its_own_session_alone(ledger: Ledger, tmp_path: Path) -> None:
    ledger.settle(ask(), recording(), good=False)
    assert other(tmp_path).find(ask()) == recording()
    assert other(tmp_path, "later").find(ask()) is None


def test_consecutive_lasting_failures_end_the_asking_of_that_student(ledger: Ledger) -> None:
    for number in range(MOST_FAILURES):
        ledger.fail(ask(str(number)), f"no server {number}", lasting=True)
    answer = ledger.claim([ask("next")], slots=1)[ask("next").key]
    assert answer == Failed("not asked, since 3 questions in a row ended like this: no server 0", lasting=True)


def test_an_answer_in_between_forgives(ledger: Ledger) -> None:
    for number in range(MOST_FAILURES * 2):
        ledger.fail(ask(str(number)), "busy", lasting=True)
        if number % 2:
            ledger.settle(ask(f"good {number}"), recording(), good=True)
    assert ledger.claim([ask("next")], slots=1) == {ask("next").key: Granted()}


def test_after_a_rest_one_question_tries_whether_the_student_is_there_again(tmp_path: Path) -> None:
    now = [0.0]
    ledger = Ledger(tmp_path, "now", clock=lambda: now[0])
    OPENED.append(ledger)
    names = [ask(name) for name in "abcdef"]
    for one in names[:MOST_FAILURES]:
        ledger.fail(one, "no server", lasting=True)
    now[0] = REST_SECONDS - 1
    assert isinstance(ledger.claim(names[3:4], slots=4)[names[3].key], Failed)
    now[0] = REST_SECONDS
    assert ledger.claim(names[3:], slots=4) == {names[3].key: Granted()}, "the others wait for what it finds"
    ledger.fail(names[3], "no server", lasting=True)
    assert isinstance(ledger.claim(names[4:5], slots=4)[names[4].key], Failed)
    now[0] *= 2
    assert ledger.claim(names[4:], slots=4) == {names[4].key: Granted()}
    ledger.settle(names[4], recording("e"), good=True)
    assert ledger.claim(names[5:], slots=4) == {names[5].key: Granted()}


def test_claims_of_an_exited_process_on_another_student_reserve_nothing(tmp_path: Path) -> None:
    killed, ledger = other(tmp_path, limits=Limits(usd=1.5)), other(tmp_path, limits=Limits(usd=1.5))
    elsewhere = replace(ask("a"), student="somebody else")
    assert killed.claim([elsewhere], slots=1) == {elsewhere.key: Granted()}
    killed._liveness.leave()  # as the system does for a process that was killed
    answer = ledger.claim([ask("b")], slots=1)[ask("b").key]
    assert isinstance(answer, Stopped) and "$1.00 of --upskill-budget=1.5 are spent" in answer.reason


def test_an_exhausted_budget_stops_no_student_without_a_price(tmp_path: Path) -> None:
    ledger = other(tmp_path, limits=Limits(usd=0.5))
    answers = ledger.claim([ask("dear"), ask("free", usd=0.0)], slots=2)
    assert isinstance(answers[ask("dear").key], Stopped)
    assert answers[ask("free").key] == Granted()


def test_a_mark_that_cannot_be_opened_does_not_count_as_that_of_an_exited_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = other(tmp_path), other(tmp_path)
    assert here.claim([ask()], slots=1) == {ask().key: Granted()}
    refused = Mock(side_effect=OSError(errno.EMFILE, "Too many open files"))
    monkeypatch.setattr(process_liveness, "FileLock", refused)
    assert there.claim([ask()], slots=1) == {}
    refused.assert_called_once()


def test_the_budget_reserves_the_worst_case_of_open_questions_and_counts_what_was_spent(tmp_path: Path) -> None:
    ledger, second = other(tmp_path, limits=Limits(usd=2.0)), other(tmp_path, limits=Limits(usd=2.0))
    asks = [ask(name) for name in "abcd"]
    assert len(ledger.claim(asks[:2], slots=4)) == 2
    assert second.claim(asks[2:], slots=4) == {}, "one that is open may cost less"
    ledger.settle(asks[0], recording("a"), good=True)
    assert second.claim(asks[2:], slots=4) == {}
    ledger.settle(asks[1], recording("b"), good=True)
    assert second.claim(asks[2:], slots=4) == {asks[2].key: Granted()}
    second.settle(asks[2], recording("c"), good=True)
    assert ledger.totals().usd == 0.75


def test_an_exhausted_budget_stops_every_question_without_a_kept_reply(tmp_path: Path) -> None:
    ledger = other(tmp_path, limits=Limits(usd=1.1))
    ledger.claim([ask("a")], slots=1)
    ledger.settle(ask("a"), recording("a"), good=True)
    answers = ledger.claim([ask("a"), ask("b"), ask("c", usd=0.01)], slots=1)
    assert answers[ask("a").key] == recording("a")
    reason = (
        "the budget is used up: $0.2500 of --upskill-budget=1.1 are spent, and the next reply may cost $1.00; "
        "the same command continues from here"
    )
    assert answers[ask("b").key] == answers[ask("c").key] == Stopped(reason)
    assert ledger.totals().stopped == reason


def test_a_budget_too_small_for_any_reply_and_one_of_a_live_run_name_another_next_step(tmp_path: Path) -> None:
    small = other(tmp_path, "small", Limits(tokens=99)).claim([ask("a")], slots=1)[ask("a").key]
    assert small == Stopped(
        "the budget is too small: 0 of --upskill-max-tokens=99 are spent, and the next reply may take 100; raise it"
    )
    live = other(tmp_path, "live", Limits(usd=1.1))
    live.settle(ask("a"), recording("a"), good=True)
    answer = live.claim([ask("b", fresh=True)], slots=1)[ask("b").key]
    assert isinstance(answer, Stopped)
    assert answer.reason.endswith("; the same command without --upskill-replies=live continues from here")


def test_tokens_are_limited_in_the_same_way(tmp_path: Path) -> None:
    ledger = other(tmp_path, limits=Limits(tokens=110))
    assert ledger.claim([ask("a")], slots=2) == {ask("a").key: Granted()}
    ledger.settle(ask("a"), recording("a"), good=True)
    answer = ledger.claim([ask("b")], slots=2)[ask("b").key]
    assert isinstance(answer, Stopped) and "15 of --upskill-max-tokens=110 are spent" in answer.reason


def test_totals_tell_tokens_without_a_price_apart(ledger: Ledger) -> None:
    free = recording("b")
    unpriced = type(free)(**{**_fields(free), "reply": type(free.reply)("x", tokens=Tokens(3, 4))})
    ledger.settle(ask("a"), recording("a"), good=True)
    ledger.settle(ask("b"), unpriced, good=True)
    ledger.count_build()
    totals = ledger.totals()
    assert (totals.asked, totals.builds, totals.usd, totals.tokens, totals.unpriced) == (2, 1, 0.25, 22, 7)


def test_a_reply_whose_tokens_nobody_counted_is_charged_at_its_worst_case(ledger: Ledger) -> None:
    uncounted = recording("a")
    replied = type(uncounted.reply)("x")
    ledger.settle(ask("a"), type(uncounted)(**{**_fields(uncounted), "reply": replied}), good=True)
    totals = ledger.totals()
    assert (totals.usd, totals.tokens, totals.unpriced) == (ask("a").usd, ask("a").tokens, 0)


def _fields(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__slots__}  # type: ignore[attr-defined]


def test_a_file_that_is_no_ledger_is_named_with_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / ".upskill" / "replies.sqlite"
    path.parent.mkdir()
    path.write_text("not a database, " * 100, encoding="utf-8")
    with pytest.raises(InfrastructureError, match=r"replies.sqlite cannot be used .* move the file away to begin"):
        other(tmp_path)


# --------------------------------------------------------------------------------------------- files of other hands

VERSION_1 = """
CREATE TABLE replies (
    key TEXT PRIMARY KEY, session TEXT, student TEXT, skill TEXT, case_name TEXT, arm TEXT, trial INTEGER,
    turn INTEGER, line TEXT
);
CREATE TABLE claims (
    key TEXT PRIMARY KEY, asker TEXT, session TEXT, student TEXT, usd REAL, tokens INTEGER
);
CREATE TABLE setbacks (
    session TEXT, key TEXT, line TEXT, message TEXT, lasting INTEGER, PRIMARY KEY (session, key)
);
CREATE TABLE outages (
    session TEXT, student TEXT, in_a_row INTEGER, latest REAL, message TEXT, PRIMARY KEY (session, student)
);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, started REAL, asked INTEGER DEFAULT 0, builds INTEGER DEFAULT 0, usd REAL DEFAULT 0,
    tokens INTEGER DEFAULT 0, unpriced INTEGER DEFAULT 0, stopped TEXT DEFAULT '', estimate TEXT DEFAULT ''
);
PRAGMA user_version = 1;
"""
NAMES = ("one", "two", "three")


def line_of_version_1(name: str) -> str:
    data = json.loads(recording(name).to_line())
    del data["version"]
    data["reply"]["details"] = {"slots": 2, "odd": [name]}
    return json.dumps(data)


def database(root: Path) -> sqlite3.Connection:
    path = root / ".upskill" / "replies.sqlite"
    path.parent.mkdir(exist_ok=True)
    return sqlite3.connect(path)


def file_of_version_1(root: Path) -> None:
    """As version 1 left it: three replies, one failure of the session ``now``, an outage and a claim."""
    with contextlib.closing(database(root)) as file, file:
        file.executescript(VERSION_1)
        for name in NAMES:
            one = recording(name)
            values = (one.key, "old", "pupil", "tiny", *one.label, line_of_version_1(name))
            file.execute("INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        file.execute("INSERT INTO setbacks VALUES ('now', ?, '', 'no such model', 1)", (ask("failed").key,))
        file.execute("INSERT INTO claims VALUES (?, '7-0123456789abcdef', 'now', 'pupil', 0.5, 9)", (ask("open").key,))
        file.execute("INSERT INTO outages VALUES ('now', 'other', 3, 0.0, 'no server')")
        file.execute("INSERT INTO sessions (id, started, usd) VALUES ('now', 0.0, 0.25)")


def test_a_ledger_of_version_1_is_migrated_with_every_reply_failure_and_claim(tmp_path: Path) -> None:
    file_of_version_1(tmp_path)
    ledger = other(tmp_path)
    for name in NAMES:
        kept = replace(recording(name), reply=replace(recording(name).reply, details=ReplyDetails(slots=2)))
        assert ledger.find(ask(name)) == kept
    assert ledger.find(ask("failed")) == Failed("no such model", lasting=True)
    assert (ledger.totals().open, ledger.totals().failed) == (1, 1)
    assert ledger.claim([ask("open")], slots=1) == {ask("open").key: Granted()}
    assert ledger.totals().usd == 0.75, "the process that had asked has exited"
    elsewhere = replace(ask("new"), student="other")
    assert isinstance(ledger.claim([elsewhere], slots=1)[elsewhere.key], Granted), "long after the last failure"
    assert not ledger.problems.take()
    assert len(other(tmp_path, "later").replies_to("tiny")) == len(NAMES)


def test_a_migration_that_is_killed_half_way_leaves_version_1(tmp_path: Path) -> None:
    file_of_version_1(tmp_path)
    code = """
import functools, os, sqlite3, sys
from pathlib import Path
from pytest_upskill.replies.ledger import Ledger

class Killed(sqlite3.Connection):
    def execute(self, statement, *values):
        if "RENAME TO failures" in statement:
            super().execute(statement, *values)
            os.kill(os.getpid(), 9)
        return super().execute(statement, *values)

sqlite3.connect = functools.partial(sqlite3.connect, factory=Killed)
Ledger(Path(sys.argv[1]), "now")
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    with contextlib.closing(database(tmp_path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (1,)
        assert {row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")} == {
            "replies", "claims", "setbacks", "outages", "sessions",
        }  # fmt: skip
    assert len(other(tmp_path).replies_to("tiny")) == len(NAMES)


@pytest.mark.parametrize("version", [3, 99, -1])
def test_a_ledger_of_another_version_is_refused_and_stays_as_it_is(tmp_path: Path, version: int) -> None:
    other(tmp_path).close()
    with contextlib.closing(database(tmp_path)) as file, file:
        file.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(InfrastructureError, match=rf"its format is {version}, ours 2\); use that version, or move the"):
        other(tmp_path)
    with contextlib.closing(database(tmp_path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (version,)


def spoil(root: Path, name: str, line: object) -> None:
    with contextlib.closing(database(root)) as file, file:
        assert file.execute("UPDATE replies SET line = ? WHERE case_name = ?", (line, name)).rowcount == 1


WHOLE = recording().to_line()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (WHOLE.replace("0.25", '"1"'), "'reply.cost_usd' is \"1\"; it must be a valid number"),
        (WHOLE[:-7], "it is not valid JSON"),
        (WHOLE.replace('"version": 2', '"version": 3'), "this pytest-upskill reads versions up to 2"),
        (recording("two").to_line(), "'key' is that of another question"),
        (b"\xff\x00", "it is not valid JSON"),
        (None, "it is not valid JSON"),
        (7, "it is 7; it must be an object"),
    ],
)
def test_a_reply_that_cannot_be_used_counts_as_missing_and_is_named_once(
    ledger: Ledger, tmp_path: Path, line: object, problem: str
) -> None:
    for name in ("one", "two"):
        ledger.settle(ask(name), recording(name), good=True)
    spoil(tmp_path, "one", line)
    assert ledger.find(ask("one")) is None and ledger.find(ask("one")) is None
    assert ledger.find(ask("two")) == recording("two")
    assert ledger.replies_to("tiny") == [("pupil", recording("two"))]
    (told,) = ledger.problems.take()
    start = (
        f"{tmp_path}/.upskill/replies.sqlite: the stored reply to case 'one', arm 'skill', "
        "trial 1, turn 1 is not valid: "
    )
    assert told.startswith(start) and problem in told
    assert told.endswith("; it is not used, and asking again replaces it")
    assert ledger.claim([ask("one")], slots=1) == {ask("one").key: Granted()}
    ledger.settle(ask("one"), recording("one"), good=True)
    assert ledger.find(ask("one")) == recording("one")


def test_a_reply_that_cannot_be_used_is_not_asked_for_twice_in_a_session_where_asking_fails(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.settle(ask(), recording(), good=True)
    spoil(tmp_path, "one", "broken")
    assert ledger.claim([ask()], slots=1) == {ask().key: Granted()}
    ledger.fail(ask(), "no server \ud800", lasting=False)
    assert ledger.claim([ask()], slots=1) == {ask().key: Failed("no server ?")}


def test_a_claim_names_no_file_outside_of_its_folder(ledger: Ledger, tmp_path: Path) -> None:
    """A token is the name of a file that is removed where nobody holds a lock on it."""
    precious = tmp_path / "precious"
    precious.touch()
    with contextlib.closing(database(tmp_path)) as file, file:
        for key, token in (("a", "../../precious"), ("b", str(precious)), ("c", b"\xff"), ("d", None)):
            file.execute("INSERT INTO claims VALUES (?, ?, 'now', 'pupil', 'much', NULL)", (key, token))
    assert ledger.claim([ask()], slots=1) == {ask().key: Granted()}
    assert precious.exists()
    assert ledger.totals().open == 1


def test_tidying_removes_the_marks_of_exited_processes_and_keeps_those_of_living_ones(
    ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / ".upskill" / "askers" / "99-0123456789abcdef").touch()
    second = other(tmp_path)
    ledger.tidy()
    assert len(list((tmp_path / ".upskill" / "askers").iterdir())) == 2
    second.claim([ask()], slots=1)
    assert ledger.claim([ask()], slots=1) == {}


CHILD = """
import json, sys
from pathlib import Path
from pytest_upskill.replies.ledger import Ledger
from pytest_upskill.replies.ledger import Granted
from tests.unit.scripted_students import ask, recording
ledger = Ledger(Path(sys.argv[1]), "now")
for number in range(int(sys.argv[2])):
    name = str(number)
    answer = ledger.claim([ask(name)], slots=1)[ask(name).key]
    if isinstance(answer, Granted):
        print(json.dumps(["asks", number]), flush=True)
        ledger.settle(ask(name), recording(name), good=True)
    print(json.dumps(["has", number]), flush=True)
"""


def test_a_process_that_is_killed_at_ten_random_moments_asks_for_no_reply_that_it_had(tmp_path: Path) -> None:
    """The moments are lines that it printed; what happens between them goes on while the signal is on its way."""
    draw, count = random.Random(6), 40
    had: set[int] = set()
    asked: list[int] = []
    for _ in range(10):
        lines = _killed_after(draw.randint(1, 12), tmp_path, count)
        asked += [number for what, number in lines if what == "asks"]
        assert not had & {number for what, number in lines if what == "asks"}
        had |= {number for what, number in lines if what == "has"}
    lines = _killed_after(10 * count, tmp_path, count)
    assert not had & {number for what, number in lines if what == "asks"}
    assert {number for what, number in lines if what == "has"} == set(range(count))
    assert len(asked) <= count + 10


def _killed_after(lines: int, root: Path, count: int) -> list[tuple[str, int]]:
    command = [sys.executable, "-c", CHILD, str(root), str(count)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    seen = []
    for line in child.stdout:
        seen.append(tuple(json.loads(line)))
        if len(seen) == lines:
            child.kill()
    child.wait()
    child.stdout.close()
    return seen
