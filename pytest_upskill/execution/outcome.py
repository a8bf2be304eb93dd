"""What is kept of an item, once it is known how it ended. Knows verdicts and assertions, and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import SkillError
from pytest_upskill.execution.adapters import language_of
from pytest_upskill.execution.task import Prepared, Task
from pytest_upskill.records import (
    Assertion,
    Counterexample,
    Outcome,
    Reply,
    Seconds,
    Tokens,
    Verdict,
    VerdictKind,
)
from pytest_upskill.skills import arms
from pytest_upskill.skills.skill import skill_file, validate

if TYPE_CHECKING:
    from pytest_upskill.case_quality.self_check import Checked
    from pytest_upskill.oracle.explore import Judgement


def outcome_of(task: Task, verdict: Verdict, prepared: Prepared | None = None) -> Outcome:
    """The row of the report for a verdict that was reached without running anything."""
    reply = prepared.reply if prepared else None
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
    task: Task,
    case: Case,
    prepared: Prepared,
    judgement: Judgement | None,
    further: Sequence[Assertion],
    run_seconds: float,
    violations: Sequence[str],
) -> Outcome:
    """The verdict on a kernel, with all that is told of it; ``run_seconds`` is what judging took.

    ``violations`` is what it was seen to do that the contract forbids.
    """
    verdict = _verdict(case, prepared, judgement, further, violations)
    outcome = outcome_of(task, verdict, prepared)
    extraction = prepared.extraction
    kernel = (extraction.kernel or extraction.found) if extraction else None
    return replace(
        outcome,
        seconds=Seconds(
            reply=prepared.reply.seconds, build=prepared.build.seconds if prepared.build else 0.0, run=run_seconds
        ),
        source=kernel.source if kernel else None,
        source_name=language_of(case).source_name,
        kernels=prepared.build.kernels if prepared.build else (),
        replay=_with_example(task, verdict.counterexample),
        notes=_notes(prepared, judgement),
    )


def _verdict(
    case: Case,
    prepared: Prepared,
    judgement: Judgement | None,
    further: Sequence[Assertion],
    violations: Sequence[str],
) -> Verdict:
    if prepared.build is not None and prepared.build.needs:
        return Verdict(VerdictKind.INCONCLUSIVE, prepared.build.needs)
    assertions = [*_before_running(prepared, violations), *_running(case, prepared, judgement), *further]
    failed = next((assertion for assertion in assertions if not assertion.passed), None)
    if failed is None and judgement is not None and judgement.inconclusive:
        return Verdict(VerdictKind.INCONCLUSIVE, judgement.inconclusive, tuple(assertions))
    return Verdict(
        kind=VerdictKind.FAILED if failed else VerdictKind.PASSED,
        reason=f"{failed.name}: {failed.message}" if failed else None,
        assertions=tuple(assertions),
        counterexample=judgement.counterexample if judgement else None,
    )


def _before_running(prepared: Prepared, violations: Sequence[str]) -> list[Assertion]:
    extraction, build = prepared.extraction, prepared.build
    assert extraction is not None
    if not extraction.block_found:
        return [Assertion("reply", False, extraction.problem), *_not_tried(["contract", "compiles"], "no kernel")]
    reply = Assertion("reply", True)
    if extraction.kernel is None or build is None:
        return [reply, Assertion("contract", False, extraction.problem), *_not_tried(["compiles"], "no kernel")]
    broken = [*build.violations, *violations]
    contract = Assertion("contract", not broken, "; ".join(broken))
    return [reply, contract, Assertion("compiles", build.ok, build.message)]


def _running(case: Case, prepared: Prepared, judgement: Judgement | None) -> Sequence[Assertion]:
    if judgement is not None:
        return judgement.assertions
    names = ["runs", *(f"correct[{dtype}]" for dtype in case.dtypes), "memory", "deterministic", "inputs"]
    return _not_tried(names, "it does not compile" if prepared.build else "no kernel")


def _not_tried(names: Sequence[str], why: str) -> list[Assertion]:
    return [Assertion(name, False, f"not tried: {why}") for name in names]


def _with_example(task: Task, counterexample: Counterexample | None) -> str:
    if counterexample is None or task.example:
        return task.replay
    return f"{task.replay} --upskill-example='{counterexample.example}'"


def _notes(prepared: Prepared, judgement: Judgement | None) -> tuple[str, ...]:
    notes = list(judgement.notes) if judgement else []
    if prepared.reply.finish == "length":
        notes.append("the reply was cut off")
    if prepared.reply.details.get("note"):
        notes.append(str(prepared.reply.details["note"]))
    return tuple(notes)


def cut_off(student: str, reply: Reply) -> str:
    """Why a reply that is not good stopped too early; empty where it ended by itself."""
    if reply.finish != "length":
        return ""
    return (
        f"student {student!r}: the reply was cut off after {reply.tokens.output} tokens, before it was complete; "
        f"raise max_tokens in [tool.upskill.students.{student}]"
    )
