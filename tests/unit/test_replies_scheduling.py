"""Where replies come from, with students of the test's own: order, slots, sharing, and the end of a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.errors import BudgetStopped, InfrastructureError, StudentError
from pytest_upskill.records import Exchange, Question, Reply
from pytest_upskill.replies import cassette
from pytest_upskill.replies.ledger import Ask, Ledger, Limits
from pytest_upskill.replies.scheduling import Mode, NotKeptError, Replies, Wanted
from pytest_upskill.replies.stored_reply import Recording
from pytest_upskill.students.base import StudentConfig
from tests.unit.scripted_students import CONFIG, ScriptedStudent, recording, reply, wanted

PATIENCE = 30.0
Make = Callable[..., Replies]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Replies of one process; several of them are several processes of one session, with one ledger file."""
    made: list[tuple[Replies, Ledger]] = []

    def make(
        student: ScriptedStudent, mode: Mode = Mode.AUTO, limits: Limits | None = None, concurrency: int | None = None
    ) -> Replies:
        ledger = Ledger(tmp_path, "now", limits)
        replies = Replies(lambda: ledger, lambda name: student, tmp_path, mode, concurrency)
        made.append((replies, ledger))
        return replies

    yield make
    for replies, ledger in made:
        replies.stop(at_once=True)
        replies.close()
        ledger.close()


def result(future: Future[Reply]) -> str:
    return future.result(PATIENCE).text


def echo(question: Question) -> Reply:
    return reply(f"{question.case}!")


def test_a_reply_is_asked_for_once_by_whoever_wants_it(make: Make) -> None:
    student = ScriptedStudent(echo)
    here, there = make(student), make(student)
    futures = [who.want(wanted(name)) for name in "abcdef" for who in (here, there, here)]
    assert [result(future) for future in futures] == [f"{name}!" for name in "abcdef" for _ in range(3)]
    assert sorted(one.case for one in student.asked) == list("abcdef")


def test_questions_go_out_in_order_and_urgent_ones_first(make: Make) -> None:
    gate, order = threading.Event(), []

    def answer(question: Question) -> Reply:
        order.append(question.case)
        gate.wait(PATIENCE)
        return echo(question)

    replies = make(ScriptedStudent(answer), concurrency=1)
    futures = [replies.want(wanted(name)) for name in "abc"]
    futures.append(replies.want(wanted("z"), urgent=True))
    gate.set()
    for future in futures:
        result(future)
    assert order in (["a", "z", "b", "c"], ["z", "a", "b", "c"])


def test_the_slots_of_the_server_are_used_once_they_are_known(make: Make) -> None:
    together = threading.Barrier(3, timeout=PATIENCE)

    class Served(ScriptedStudent):
        def slots(self) -> int:
            return 3

    def answer(question: Question) -> Reply:
        together.wait()
        return echo(question)

    replies = make(Served(answer))
    assert [result(future) for future in [replies.want(wanted(name)) for name in "abcdef"]]
    assert replies.width("pupil") == 3


def test_a_student_that_fails_is_told_to_all_who_wait(make: Make) -> None:
    student = ScriptedStudent(lambda question: StudentError("no such model"))
    here, there = make(student), make(student)
    for future in [who.want(wanted()) for who in (here, there)]:
        with pytest.raises(StudentError, match="no such model"):
            future.result(PATIENCE)
    assert len(student.asked) == 1


def test_what_a_students_own_code_raises_is_told_and_ends_nothing(make: Make) -> None:
    replies = make(
        ScriptedStudent(lambda question: ZeroDivisionError("oh") if question.case == "a" else echo(question))
    )
    with pytest.raises(ZeroDivisionError):
        replies.want(wanted("a")).result(PATIENCE)
    assert result(replies.want(wanted("b"))) == "b!"
    with pytest.raises(StudentError, match="unexpected ZeroDivisionError: oh"):
        replies.want(wanted("a")).result(PATIENCE)


def test_a_reply_that_cannot_be_entered_is_told_to_all_who_want_it_and_leaves_nobody_waiting(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise InfrastructureError("the disk is full")

    monkeypatch.setattr(Ledger, "settle", full)
    replies = make(ScriptedStudent(echo))
    for _ in range(2):
        with pytest.raises(InfrastructureError, match="the disk is full"):
            replies.want(wanted()).result(PATIENCE)


def test_whatever_goes_wrong_between_questions_is_told_and_the_next_ones_are_asked(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, broken = Ledger.claim, [True]

    def breaks_once(self: Ledger, *given: Any) -> Any:
        if broken.pop() if broken else False:
            raise TypeError("a line of another version")
        return claim(self, *given)

    monkeypatch.setattr(Ledger, "claim", breaks_once)
    replies = make(ScriptedStudent(echo))
    with pytest.raises(TypeError, match="a line of another version"):
        replies.want(wanted("a")).result(PATIENCE)
    assert result(replies.want(wanted("b"))) == "b!"


def test_where_the_system_has_no_thread_left_a_question_can_be_asked_later(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = make(ScriptedStudent(echo))
    assert result(replies.want(wanted("a"))) == "a!"
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("upskill-ask"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            replies.want(wanted("b")).result(PATIENCE)
    assert result(replies.want(wanted("b"))) == "b!"


def test_a_first_reply_that_is_there_leaves_the_later_tries_to_the_worst_case(make: Make) -> None:
    replies = make(ScriptedStudent(echo))
    before = replies.worst_case(wanted("a"), turns=3)[1]
    result(replies.want(wanted("a")))
    assert replies.worst_case(wanted("a"), turns=3)[1] == before[1:] and len(before) == 3
    assert not replies.worst_case(wanted("a"))[1]


def test_an_exhausted_budget_raises_what_the_pipeline_expects(make: Make) -> None:
    config = replace(CONFIG, price=replace(CONFIG.price, output=1e4))
    student = ScriptedStudent(echo, config)
    with pytest.raises(BudgetStopped, match=r"--upskill-budget=0\.5"):
        make(student, limits=Limits(usd=0.5)).want(wanted()).result(PATIENCE)
    assert not student.asked


def test_replaying_asks_nobody_and_needs_no_ledger(tmp_path: Path) -> None:
    path = cassette.cassette_path(tmp_path, "pupil")
    cassette.write(path, [recording("one", "as recorded")])

    def no_ledger() -> Ledger:
        raise AssertionError("opened")

    student = ScriptedStudent(echo)
    replies = Replies(no_ledger, lambda name: student, tmp_path, Mode.REPLAY)
    assert result(replies.want(wanted("one", tmp_path))) == "as recorded"
    with pytest.raises(InfrastructureError, match=r"tiny::two: no reply is recorded .* with: pytest --record"):
        replies.want(wanted("two", tmp_path)).result(PATIENCE)
    assert not student.asked
    replies.close()


def test_a_committed_reply_is_not_asked_for(make: Make, tmp_path: Path) -> None:
    cassette.write(cassette.cassette_path(tmp_path, "pupil"), [recording("one", "as recorded")])
    student = ScriptedStudent(echo)
    assert result(make(student).want(wanted("one", tmp_path))) == "as recorded"
    assert result(make(student, Mode.LIVE).want(wanted("one", tmp_path))) == "one!"


def broken_cassette(folder: Path) -> Path:
    """A line for the case ``one`` whose cost is a text, a line that is no JSON, and a whole line for ``two``."""
    path = cassette.cassette_path(folder, "pupil")
    path.parent.mkdir(parents=True)
    broken = recording("one").to_line().replace("0.25", '"0.25"')
    path.write_text(f"{broken}\nnot json\n{recording('two', 'as recorded').to_line()}\n", encoding="utf-8")
    return path


def test_replaying_a_reply_whose_line_is_broken_is_an_error_of_that_item_alone(tmp_path: Path) -> None:
    path = broken_cassette(tmp_path)
    replies = Replies(lambda: pytest.fail("opened"), lambda name: ScriptedStudent(echo), tmp_path, Mode.REPLAY)
    with pytest.raises(InfrastructureError, match=r"pupil.jsonl:1 is not a valid .* 'reply.cost_usd' is \"0.25\"; it"):
        replies.want(wanted("one", tmp_path)).result(PATIENCE)
    assert result(replies.want(wanted("two", tmp_path))) == "as recorded"
    (problem,) = replies.new_problems()
    assert problem.startswith(f"{path}:2 is not a valid recorded reply: it is not valid JSON")
    assert not replies.new_problems()


def test_a_recorded_reply_whose_line_is_broken_is_asked_for_again_and_named(make: Make, tmp_path: Path) -> None:
    path = broken_cassette(tmp_path)
    student = ScriptedStudent(echo)
    replies = make(student)
    assert replies.worst_case(wanted("one", tmp_path))[1], "it may cost something"
    assert result(replies.want(wanted("one", tmp_path))) == "one!"
    assert result(replies.want(wanted("two", tmp_path))) == "as recorded"
    assert [one.case for one in student.asked] == ["one"]
    assert sorted(problem.partition(" is ")[0] for problem in replies.new_problems()) == [f"{path}:1", f"{path}:2"]


def test_a_reply_of_a_plugin_that_could_not_be_read_again_is_an_error_that_names_the_field(make: Make) -> None:
    replies = make(ScriptedStudent(lambda question: reply(cost_usd="1")))
    with pytest.raises(StudentError, match=r"'pupil' gave a reply that cannot be kept: 'reply.cost_usd' is \"1\"; it"):
        replies.want(wanted()).result(PATIENCE)


def test_replies_at_hand_are_never_kept(make: Make, tmp_path: Path) -> None:
    student = ScriptedStudent(echo, StudentConfig("files", "files"))
    replies = make(student)
    for _ in range(2):
        assert result(replies.want(replace(wanted(), student="files"))) == "one!"
    assert len(student.asked) == 2


def test_a_run_that_ends_waits_for_what_others_may_need_and_drops_the_rest(make: Make) -> None:
    asked, gate = threading.Event(), threading.Event()

    def answer(question: Question) -> Reply:
        asked.set()
        gate.wait(PATIENCE)
        return echo(question)

    student = ScriptedStudent(answer)
    here, there = make(student, concurrency=1), make(student, concurrency=1)
    first = here.want(wanted("a"))
    here.want(wanted("b"))
    assert asked.wait(PATIENCE)
    stopping = threading.Thread(target=here.stop, args=(False,))
    stopping.start()
    deadline = time.monotonic() + PATIENCE
    while here._queue and time.monotonic() < deadline:  # once "b" is dropped, "a" may be answered
        threading.Event().wait(0.001)
    gate.set()
    stopping.join(PATIENCE)
    here.close()
    assert first.done() and result(there.want(wanted("a"))) == "a!"
    assert [one.case for one in student.asked] == ["a"]


def test_what_is_broken_off_at_the_end_is_no_failure_of_the_student(make: Make, tmp_path: Path) -> None:
    asked, gate = threading.Event(), threading.Event()

    def answer(question: Question) -> Exception:
        asked.set()
        gate.wait(PATIENCE)
        return StudentError("the run was ended", lasting=True)

    student = ScriptedStudent(answer)
    here = make(student)
    future = here.want(wanted("a"))
    assert asked.wait(PATIENCE)
    here.stop(at_once=True)
    gate.set()
    with pytest.raises(StudentError):
        future.result(PATIENCE)
    here.close()
    assert result(make(ScriptedStudent(echo)).want(wanted("a"))) == "a!"


def test_nothing_is_asked_after_the_end(make: Make) -> None:
    replies = make(ScriptedStudent(echo))
    replies.stop(at_once=True)
    with pytest.raises(StudentError, match="the run was ended before the question was asked"):
        replies.want(wanted()).result(PATIENCE)


def changed(name: str, turn: int = 1) -> Wanted:
    """A question whose prompt has changed since ``wanted(name)`` was asked."""
    one = wanted(name)
    prompt = replace(one.question.prompt, user=f"say {name} otherwise", earlier=(Exchange("", ""),) * (turn - 1))
    return replace(one, question=replace(one.question, prompt=prompt))


def earlier_session(tmp_path: Path, *recordings: Recording) -> None:
    ledger = Ledger(tmp_path, "before")
    for one in recordings:
        ledger.settle(Ask(one.key, CONFIG.name, "tiny"), one, good=True)
    ledger.close()


def test_replies_to_changed_questions_are_counted_and_asked_for_anew(make: Make, tmp_path: Path) -> None:
    earlier_session(tmp_path, recording("a"), recording("b"))
    replies, other = (make(ScriptedStudent(echo)) for _ in range(2))
    assert result(replies.want(changed("a"))) == "a!"
    assert result(replies.want(wanted("b"))) == "yes"
    assert result(replies.want(changed("new"))) == "new!"
    assert result(other.want(changed("a"))) == "a!", "asked by the other process of this session"
    assert [one.outdated(f"tiny::{name}") for one in (replies, other) for name in ("a", "b")] == [1, 0, 1, 0]
    assert replies.outdated("tiny::new") == 0


def test_live_counts_nothing(make: Make, tmp_path: Path) -> None:
    earlier_session(tmp_path, recording("a"))
    replies = make(ScriptedStudent(echo), Mode.LIVE)
    assert result(replies.want(changed("a"))) == "a!" and replies.outdated("tiny::a") == 0


def test_kept_takes_the_latest_reply_of_the_same_name_whatever_was_asked(make: Make, tmp_path: Path) -> None:
    question = changed("a").question
    newer = replace(Recording.of(CONFIG, question, reply("newer")), prompt="0" * 64)
    hotter = replace(CONFIG, temperature=0.5)
    earlier_session(tmp_path, recording("a"), newer, Recording.of(hotter, changed("b").question, reply("hot")))
    student = ScriptedStudent(echo)
    replies = make(student, Mode.KEPT)
    once_more = replace(changed("a"), question=replace(question, prompt=replace(question.prompt, user="third")))
    got = replies.want(once_more).result(PATIENCE)
    assert (got.text, replies.outdated("tiny::a")) == ("newer", 1)
    assert (
        got.details.note == "judged on a kept reply, although the prompt (skill, task or signature) has changed since"
    )
    other = replies.want(changed("b")).result(PATIENCE)
    assert (other.text, other.details.note) == (
        "hot", "judged on a kept reply, although temperature was 0.5 and is None",
    )  # fmt: skip
    assert not student.asked and not replies.asks("pupil")


def test_kept_takes_replies_from_cassettes_and_says_where_there_is_none(make: Make, tmp_path: Path) -> None:
    cassette.write(cassette.cassette_path(tmp_path, "pupil"), [recording("a")])
    replies = make(ScriptedStudent(echo), Mode.KEPT)
    assert replies.want(replace(wanted("a"), folder=tmp_path)).result(PATIENCE) == reply()
    assert "has changed" in replies.want(replace(changed("a"), folder=tmp_path)).result(PATIENCE).details.note
    for missing in (wanted("b"), changed("a", turn=2)):
        with pytest.raises(NotKeptError, match=r"no reply to it is kept in .*replies\.sqlite nor in .*; ask for one"):
            replies.want(replace(missing, folder=tmp_path)).result(PATIENCE)
