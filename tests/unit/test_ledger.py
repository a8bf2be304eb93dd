"""The ledger: who may ask what, what it costs, and what is left when a process is killed."""

from __future__ import annotations

import errno
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from pytest_upskill.errors import InfrastructureError
from pytest_upskill.records import Tokens
from pytest_upskill.replies import process_liveness
from pytest_upskill.replies.ledger import MOST_FAILURES, REST_SECONDS, Failed, Granted, Kept, Ledger, Limits, Stopped
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
    assert ledger.find(ask()) == Kept(recording(), ours=True)
    assert other(tmp_path, "later").find(ask()) == Kept(recording(), ours=False)
    assert other(tmp_path, "later").find(ask(fresh=True)) is None


def test_what_one_process_asks_is_not_asked_by_another(ledger: Ledger, tmp_path: Path) -> None:
    second = other(tmp_path)
    assert ledger.claim([ask("a")], slots=2) == {ask("a").key: Granted()}
    assert second.claim([ask("a"), ask("b")], slots=2) == {ask("b").key: Granted()}
    ledger.settle(ask("a"), recording("a"), good=True)
    assert second.claim([ask("a")], slots=2) == {ask("a").key: Kept(recording("a"), ours=True)}


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
    assert other(tmp_path).find(ask()) == Kept(recording(), ours=True)
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
    refused = SimpleNamespace(
        open=Mock(side_effect=OSError(errno.EMFILE, "Too many open files")), O_RDWR=0, O_CLOEXEC=0
    )
    monkeypatch.setattr(process_liveness, "os", refused)
    assert there.claim([ask()], slots=1) == {}
    refused.open.assert_called_once()


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
    assert answers[ask("a").key] == Kept(recording("a"), ours=True)
    reason = (
        "the budget is used up: $0.2500 of --upskill-budget=1.1 are spent, and the next reply may cost $1.00; "
        "the same command goes on from here"
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
    assert answer.reason.endswith("; the same command without --upskill-replies=live goes on from here")


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


def _fields(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__slots__}  # type: ignore[attr-defined]


def test_a_file_that_is_no_ledger_is_named_with_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / ".upskill" / "replies.sqlite"
    path.parent.mkdir()
    path.write_text("not a database, " * 100, encoding="utf-8")
    with pytest.raises(InfrastructureError, match=r"replies.sqlite cannot be used .* move the file away to begin"):
        other(tmp_path)


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
from pytest_upskill.replies.ledger import Granted, Kept, Ledger
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
