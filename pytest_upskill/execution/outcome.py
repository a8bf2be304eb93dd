"""What is kept of an item, once it is known how it ended. Knows verdicts and assertions, and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Extraction
from pytest_upskill.errors import SkillError
from pytest_upskill.execution.attempts import Answered
from pytest_upskill.execution.source_line import with_source
from pytest_upskill.execution.task import Task
from pytest_upskill.judging.result import JudgeResult
from pytest_upskill.judging.signatures import language_of
from pytest_upskill.judging.verdict import not_tried, verdict_of
from pytest_upskill.records import (
    Assertion,
    Counterexample,
    Outcome,
    Reply,
    Seconds,
    Tokens,
    Verdict,
    VerdictKind,
    assertion_names,
)
from pytest_upskill.skills import arms
from pytest_upskill.skills.skill import skill_file, validate

if TYPE_CHECKING:
    from pytest_upskill.case_quality.self_check import Checked


def outcome_of(task: Task, verdict: Verdict, reply: Reply | None = None) -> Outcome:
    """The row of the report for a verdict that was reached without running anything."""
    return Outcome(
        id=task.id,
        kind=task.kind,
        skill=task.skill,
        case=task.case.name if task.case else None,
        verdict=verdict,
        student=task.student,
        arm=arms.slug(task.arm) if task.arm else None,
        trial=task.trial if task.student else None,
        tokens=reply.tokens if reply else Tokens(),
        cost_usd=reply.cost_usd if reply else None,
        seconds=Seconds(reply=reply.seconds if reply else 0.0),
        replay=task.replay,
    )


def spec_outcome(task: Task) -> Outcome:
    """Validates the skill itself."""
    problems = validate(task.skill_path)
    file = skill_file(task.skill_path)
    fatal = [problem for problem in problems if problem.severity == "error"]
    errors = [str(SkillError(problem.message, file, problem.line)) for problem in fatal]
    kind = VerdictKind.FAILED if errors else VerdictKind.PASSED
    outcome = outcome_of(task, Verdict(kind, reason="\n".join(errors) or None))
    return replace(outcome, notes=tuple(str(problem) for problem in problems if problem.severity == "warning"))


def mutants_outcome(task: Task, checked: Checked, seconds: float) -> Outcome:
    """Whether a case is worth asking. The score of the mechanical mutants is advice: it fails nothing."""
    failed = next((one for one in checked.quality.assertions if not one.passed), None)
    unsure = checked.quality.inconclusive if failed is None else None
    kind = VerdictKind.FAILED if failed else VerdictKind.INCONCLUSIVE if unsure else VerdictKind.PASSED
    reason = f"{failed.name}: {failed.message}" if failed else unsure
    outcome = outcome_of(task, Verdict(kind, reason, checked.quality.assertions))
    return replace(outcome, seconds=Seconds(run=seconds), score=checked.score, notes=checked.notes)


def kernel_outcome(
    task: Task, case: Case, answered: Answered, result: JudgeResult | None, further: Sequence[Assertion]
) -> Outcome:
    """The outcome of a kernel item; ``result`` is None where the reply holds no kernel to judge."""
    extraction, reply = answered.extraction, answered.reply
    assert extraction is not None
    verdict = _without_kernel(case, extraction, further) if result is None else _with_reply(result.verdict, further)
    kernel = extraction.kernel or extraction.found
    outcome = replace(
        outcome_of(task, verdict, reply),
        seconds=Seconds(reply.seconds, result.build_seconds, result.run_seconds) if result else Seconds(reply.seconds),
        kernels=result.build.kernels if result and result.build else (),
        device_memory=result.device_memory if result else None,
        replay=_with_example(task, verdict.counterexample),
        notes=_notes(reply, result),
    )
    return with_source(outcome, language_of(case), kernel.source if kernel else None)


def _with_reply(verdict: Verdict, further: Sequence[Assertion]) -> Verdict:
    """The judge's verdict with what it does not know of: that there is a block of code, and others' assertions."""
    if not verdict.assertions:
        return verdict
    assertions = (Assertion("reply", True), *verdict.assertions, *further)
    unsure = verdict.reason if verdict.kind is VerdictKind.INCONCLUSIVE else None
    return verdict_of(assertions, verdict.counterexample, unsure)


def _without_kernel(case: Case, extraction: Extraction, further: Sequence[Assertion]) -> Verdict:
    language = language_of(case)
    later = [*(["compiles"] if language.compiles else []), *assertion_names(language.checks, case.dtypes)]
    if extraction.block_found:
        first = [Assertion("reply", True), Assertion("contract", False, extraction.problem)]
    else:
        first = [Assertion("reply", False, extraction.problem), *not_tried(["contract"], "no kernel")]
    return verdict_of([*first, *not_tried(later, "no kernel"), *further])


def _with_example(task: Task, counterexample: Counterexample | None) -> str:
    if counterexample is None or task.example:
        return task.replay
    return f"{task.replay} --upskill-example='{counterexample.example}'"


def _notes(reply: Reply, result: JudgeResult | None) -> tuple[str, ...]:
    notes = list(result.notes) if result else []
    if reply.finish == "length":
        notes.append("the reply was cut off")
    if reply.details.note:
        notes.append(reply.details.note)
    return tuple(notes)


def cut_off(student: str, reply: Reply) -> str:
    """Why a reply that is not good stopped too early; empty where it ended by itself."""
    if reply.finish != "length":
        return ""
    return (
        f"student {student!r}: the reply was cut off after {reply.tokens.output} tokens, before it was complete; "
        f"raise max_tokens in [tool.upskill.students.{student}]"
    )
