"""A conversation of several tries: what a student is told, when it ends, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_upskill.errors import StudentError
from pytest_upskill.execution import turns
from pytest_upskill.execution.turns import Try
from pytest_upskill.records import (
    Assertion,
    Counterexample,
    Example,
    Exchange,
    ItemKind,
    Outcome,
    Prompt,
    Question,
    Reply,
    ReplyDetails,
    RunInfo,
    Seconds,
    Tokens,
    Verdict,
    VerdictKind,
    WorstElement,
)
from pytest_upskill.replies.scheduling import NotKeptError
from pytest_upskill.reporting.view import build_view
from pytest_upskill.students.base import Student, StudentConfig

QUESTION = Question("tiny", "scale", "skill", 2, Prompt("You write.", "Write it."))
COUNTEREXAMPLE = Counterexample(
    "correct[float16]",
    Example({"rows": 1, "cols": 33}, "float16", 987654, "normal", {"step": 3}),
    "1 of 33 elements of 'out' is wrong",
    WorstElement("out", (0, 32), "0.25", "nan"),
    line=2,
)


class Pupil(Student):
    def __init__(self, last: int = 99) -> None:
        self.config = StudentConfig("pupil", "test")
        self.last = last

    def goes_on(self, question: Question) -> bool:
        return question.turn <= self.last


def outcome(kind: VerdictKind = VerdictKind.FAILED, *assertions: Assertion, **fields: object) -> Outcome:
    fields = {"tokens": Tokens(10, 5, 2), "cost_usd": 0.5, "seconds": Seconds(3, 2, 1), **fields}
    verdict = Verdict(kind, "why", assertions or (Assertion("runs", kind is VerdictKind.PASSED, "it crashed"),))
    return Outcome("id", ItemKind.KERNEL, "tiny", "scale", verdict, "pupil", "skill", 2, **fields)  # type: ignore[arg-type]


def judged(kind: VerdictKind, turn: int = 1) -> Try:
    return Try(turns.reached(QUESTION, turn), Reply(f"answer {turn}"), outcome(kind))


def test_a_compilers_words_are_told_and_nothing_else() -> None:
    told = turns.feedback(outcome(VerdictKind.FAILED, Assertion("compiles", False, "kernel.cu:3: error: expected ';'")))
    assert "The compiler says:\n\n```\nkernel.cu:3: error: expected ';'\n```" in told
    assert told.rstrip().endswith("Answer again with one fenced ```cuda block that holds the whole source.")


def test_a_counterexample_is_told_with_sizes_values_and_line_and_without_the_seed() -> None:
    failed = outcome(VerdictKind.FAILED, Assertion("correct[float16]", False, COUNTEREXAMPLE.message))
    failed = replace(
        failed, verdict=replace(failed.verdict, counterexample=COUNTEREXAMPLE), source="int a;\n  int b;\n"
    )
    told = turns.feedback(failed)
    assert "rows = 1, cols = 33, step = 3, float16" in told
    assert "- output: out\n- index: [0, 32]\n- expected: 0.25\n- got: nan\n- line" in told
    assert "- line 2 of your source: `int b;`" in told
    assert "987654" not in told and "None" not in told


def test_a_finding_that_explains_wrong_values_is_told_with_them() -> None:
    wrong, memory = (
        Assertion("correct[float16]", False, "1 is off"),
        Assertion("memory", False, "kernel.cu:2: reads x[33]"),
    )
    failed = outcome(VerdictKind.FAILED, wrong, memory)
    found = replace(COUNTEREXAMPLE, assertion="memory", line=2)
    told = turns.feedback(replace(failed, verdict=replace(failed.verdict, counterexample=found), source="a;\nb;\n"))
    assert "- failed: memory\n- what: kernel.cu:2: reads x[33]\n" in told
    assert "- got: nan\n" in told and "- line 2 of your source: `b;`" in told


def test_floating_scalars_are_not_told() -> None:
    failed = outcome(VerdictKind.FAILED, Assertion("correct[float16]", False, COUNTEREXAMPLE.message))
    example = COUNTEREXAMPLE.example

    def told(scalars: dict[str, float]) -> str:
        found = replace(COUNTEREXAMPLE, example=replace(example, scalars={**example.scalars, **scalars}))
        return turns.feedback(replace(failed, verdict=replace(failed.verdict, counterexample=found)))

    assert told({"alpha": 0.5}) == told({})


def test_a_counterexample_of_another_assertion_is_not_told() -> None:
    failed = outcome(VerdictKind.FAILED, Assertion("runs", False, "it crashed"))
    told = turns.feedback(replace(failed, verdict=replace(failed.verdict, counterexample=COUNTEREXAMPLE)))
    assert "it crashed" in told and "cols" not in told


def test_a_message_without_end_is_cut() -> None:
    told = turns.feedback(outcome(VerdictKind.FAILED, Assertion("compiles", False, "error " * 10_000)))
    assert len(told) < turns.LONGEST_MESSAGE + 300 and "[cut]" in told


def test_a_follow_up_goes_on_with_the_conversation_and_has_a_file_of_its_own() -> None:
    first = Try(QUESTION, Reply("my try", details=ReplyDetails(read=("SKILL.md",))), outcome())
    second = turns.follow_up(first)
    assert second.prompt.user == QUESTION.prompt.user
    assert second.prompt.earlier == (Exchange("my try", turns.feedback(first.outcome), ("SKILL.md",)),)
    assert (second.turn, second.file_name) == (2, "scale.skill-2.turn2.md")
    assert second.prompt.digest != QUESTION.prompt.digest


@pytest.mark.parametrize("passes_at", [1, 2, 3, None])
def test_it_ends_with_the_first_kernel_that_passes_or_after_the_last_turn(passes_at: int | None) -> None:
    asked: list[int] = []

    def kind(turn: int) -> VerdictKind:
        return VerdictKind.PASSED if turn == passes_at else VerdictKind.FAILED

    def again(question: Question) -> Try:
        asked.append(question.turn)
        return replace(judged(kind(question.turn), question.turn), question=question)

    ended = turns.converse(judged(kind(1)), 3, Pupil(), again)
    assert asked == list(range(2, (passes_at or 3) + 1))
    assert ended.verdict.kind is kind(passes_at or 3)
    assert len(ended.turns) == (passes_at or 3)
    assert ended.tokens == Tokens(10 * len(ended.turns), 5 * len(ended.turns), 2 * len(ended.turns))
    assert (ended.cost_usd, ended.seconds.run) == (0.5 * len(ended.turns), len(ended.turns))
    assert Outcome.from_plain(ended.to_plain()) == ended


def test_it_ends_where_no_further_reply_was_kept() -> None:
    ended = turns.converse(judged(VerdictKind.FAILED), 3, Pupil(last=1), lambda question: pytest.fail("asked"))
    assert (ended.verdict.kind, len(ended.turns)) == (VerdictKind.FAILED, 1)


def test_a_later_turn_that_cannot_be_had_is_nobodys_failure_and_its_cost_is_kept() -> None:
    def again(question: Question) -> Try:
        raise StudentError("the server is gone")

    ended = turns.converse(judged(VerdictKind.FAILED), 3, Pupil(), again)
    assert ended.verdict.kind is VerdictKind.INFRASTRUCTURE_ERROR
    assert ended.verdict.reason == "turn 2: the server is gone"
    assert (ended.tokens, ended.cost_usd) == (Tokens(10, 5, 2), 0.5)


def test_the_command_that_runs_a_counterexample_again_goes_to_the_last_turn() -> None:
    command = "pytest x --upskill-turns=3 --upskill-example='rows=1'"
    first = replace(judged(VerdictKind.FAILED), outcome=outcome(replay=command))

    def again(question: Question) -> Try:
        return Try(question, Reply("better"), outcome(VerdictKind.PASSED, replay=command))

    assert turns.converse(first, 3, Pupil(), again).replay == command.replace("turns=3", "turns=2")


def test_the_summary_knows_how_many_had_passed_by_each_turn() -> None:
    def again(question: Question) -> Try:
        return replace(judged(VerdictKind.PASSED), question=question)

    late = turns.converse(judged(VerdictKind.FAILED), 3, Pupil(), again)
    early = turns.converse(judged(VerdictKind.PASSED), 3, Pupil(), again)
    never = turns.converse(judged(VerdictKind.FAILED), 3, Pupil(last=1), again)
    items = [replace(one, id=str(number)) for number, one in enumerate((late, early, never, late))]
    (row,) = build_view(items, RunInfo({}, "cpu", 1, "", 1.0)).summary
    assert (row.passed_by_turn, row.pass_at_turn) == ((1, 3), (0.25, 0.75))


def test_a_conversation_of_kept_replies_ends_with_the_last_one() -> None:
    def again(question: Question) -> Try:
        raise NotKeptError("no reply to it is kept")

    ended = turns.converse(judged(VerdictKind.FAILED), 3, Pupil(), again)
    assert (ended.verdict.kind, len(ended.turns)) == (VerdictKind.FAILED, 1)


def test_the_answer_is_asked_for_in_the_language_of_the_case() -> None:
    asked: list[Question] = []

    def again(question: Question) -> Try:
        asked.append(question)
        return replace(judged(VerdictKind.PASSED, 2), question=question)

    turns.converse(judged(VerdictKind.FAILED), 2, Pupil(), again, "python")
    assert (
        asked[0]
        .prompt.earlier[0]
        .told.endswith("Answer again with one fenced ```python block that holds the whole source.\n")
    )
