"""Makes the outcome of an item from how the item ended, with notes and the line of the source to show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Extraction
from pytest_upskill.errors import SkillError, shown_path
from pytest_upskill.execution.attempts import Answered
from pytest_upskill.execution.solution_places import outcome_in_case_file
from pytest_upskill.execution.task import Task
from pytest_upskill.judging.interface import JudgeResult
from pytest_upskill.judging.judge import not_tried, verdict_of
from pytest_upskill.judging.signatures import language_of
from pytest_upskill.languages.base import Language
from pytest_upskill.records import Assertion, Outcome, Reply, Seconds, Tokens, Verdict, VerdictKind, assertion_names
from pytest_upskill.skills import arms
from pytest_upskill.skills.skill import skill_file, validate

if TYPE_CHECKING:
    from pytest_upskill.case_quality.self_check import Checked


def outcome_of(task: Task, verdict: Verdict, reply: Reply | None = None) -> Outcome:
    """Return the outcome for a verdict that was reached without running anything."""
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
        notes=(*_untrusted(task), *((reply.details.note,) if reply and reply.details.note else ())),
        tags=task.case.tags if task.case else (),
        reply=reply.text if reply else "",
        reasoning=reply.reasoning if reply else "",
        reply_digest=reply.digest if reply else "",
        case_digest=task.case.text_hash if task.case else "",
    )


def _untrusted(task: Task) -> tuple[str, ...]:
    """Return a note if the Python code of the task's case runs in a sandbox. The summary lists the cases of each
    note.
    """
    if task.case is None or task.case.trusted:
        return ()
    folder = shlex.quote(shown_path(task.case.path.parent.parent))
    return (f"run untrusted, in a sandbox of its own, until you run 'upskill-gen accept {folder}'",)


def spec_outcome(task: Task) -> Outcome:
    """Validate the skill itself, and return the outcome."""
    problems = validate(task.skill_path)
    file = skill_file(task.skill_path)
    errors = [str(SkillError(one.message, file, one.line)) for one in problems if one.severity == "error"]
    kind = VerdictKind.FAILED if errors else VerdictKind.PASSED
    outcome = outcome_of(task, Verdict(kind, reason="\n".join(errors) or None))
    return replace(outcome, notes=tuple(str(one) for one in problems if one.severity == "warning"))


def mutants_outcome(task: Task, checked: Checked, seconds: float) -> Outcome:
    """Return the outcome of a self-check. The score of the mechanical mutants is only advice, and fails nothing."""
    outcome = outcome_of(task, verdict_of(checked.quality.assertions, inconclusive=checked.quality.inconclusive))
    outcome = replace(outcome, seconds=Seconds(run=seconds), score=checked.score)
    outcome = replace(outcome, notes=(*_untrusted(task), *checked.notes))
    return outcome_in_case_file(outcome, task.case)


def kernel_outcome(
    task: Task, case: Case, answered: Answered, result: JudgeResult | None, further: Sequence[Assertion]
) -> Outcome:
    """Return the outcome of a kernel item. ``result`` is None if the reply holds no kernel to judge."""
    extraction, reply = answered.extraction, answered.reply
    assert extraction is not None
    verdict = _without_kernel(case, extraction, further) if result is None else _with_reply(result.verdict, further)
    kernel = extraction.kernel or extraction.found
    found = verdict.counterexample if task.replay_example and not task.example else None
    notes = [
        *_untrusted(task),
        *(result.notes if result else ()),
        _not_executed(result, language_of(case).source_name),
        "the reply was cut off" * (reply.finish == "length"),
        reply.details.note,
    ]
    outcome = replace(
        outcome_of(task, verdict, reply),
        seconds=Seconds(reply.seconds, result.build_seconds, result.run_seconds) if result else Seconds(reply.seconds),
        kernels=result.build.kernels if result and result.build else (),
        device_memory=result.device_memory if result else None,
        reports=result.reports if result else (),
        not_executed=result.not_executed if result else (),
        launches=result.launch_statistics if result else None,
        compilers=result.build.compilers if result and result.build else (),
        replay=f"{task.replay} --upskill-example='{found.example}'" if found else task.replay,
        notes=tuple(filter(None, notes)),
    )
    outcome = with_source(outcome, language_of(case), kernel.source if kernel else None)
    return outcome_in_case_file(outcome, case) if task.student == "golden" else outcome


def _not_executed(result: JudgeResult | None, name: str) -> str:
    ranges = result.not_executed if result else ()
    lines = (f"{name}:{first}" + (f"-{last}" if last > first else "") for first, last in ranges)
    return f"not executed: {', '.join(lines)}" if ranges else ""


def _with_reply(verdict: Verdict, further: Sequence[Assertion]) -> Verdict:
    """Return the judge's verdict with two kinds of assertions that the judge does not make: ``reply`` and
    ``further``.
    """
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


def cut_off(task: Task, reply: Reply) -> Outcome | None:
    """Return an inconclusive outcome if a failed reply was cut off, because that is not the student's fault;
    else None.
    """
    if reply.finish != "length":
        return None
    problem = f"the reply was cut off after {reply.tokens.output} tokens, before it was complete"
    reason = f"student {task.student!r}: {problem}; raise max_tokens in [tool.upskill.students.{task.student}]"
    return outcome_of(task, Verdict(VerdictKind.INFRASTRUCTURE_ERROR, reason), reply)


def with_source(outcome: Outcome, language: Language, source: str | None) -> Outcome:
    """Return the outcome with the source that was judged, and with the line of it that the report shows."""
    line, why = (None, "") if source is None else _line_to_show(language, source, outcome.verdict) or (None, "")
    return replace(outcome, source=source, source_name=language.source_name, shown_line=line, shown_why=why)


def _line_to_show(language: Language, source: str, verdict: Verdict) -> tuple[int, str] | None:
    """Return the line that is to blame, if it is known. Otherwise return the language's guess, with a description."""
    failed, found = verdict.headline, verdict.counterexample
    if failed is None or failed.name == "reply":
        return None
    name = re.escape(language.source_name)
    named = re.search(rf"^{name}:(\d+)(?::\d+)?: (?:fatal )?error", failed.message, re.MULTILINE)
    named = named or re.search(rf"{name}:(\d+)", failed.message)
    known = (found.line if found else None) or (int(named[1]) if named else None)
    if known is not None and 1 <= known <= len(source.splitlines()):
        return known, ""
    if failed.name.partition("[")[0] not in language.checks:
        return None  # these assertions are about the whole source
    return language.line_to_show(source, found.worst.output if found and found.worst else None)
