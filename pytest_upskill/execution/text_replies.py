"""Makes the outcome of a reply to a text case from what the reply must contain, and from its rubric."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from pytest_upskill.cases import expectation
from pytest_upskill.errors import BudgetStopped, InfrastructureError
from pytest_upskill.execution.outcome import cut_off, outcome_of
from pytest_upskill.execution.rubric import Judged, RubricJudge
from pytest_upskill.execution.task import Task
from pytest_upskill.judging.judge import verdict_of
from pytest_upskill.records import Assertion, Outcome, Reply, Verdict, VerdictKind


class TextReplies:
    """Judges replies to text cases. The judge of a rubric is asked only about replies that meet all other
    expectations.
    """

    def __init__(self, rubric: RubricJudge) -> None:
        self.rubric = rubric

    def begin(self, task: Task, reply: Reply) -> None:
        """Request the judge's answers that ``outcome`` will wait for. May be called from any thread."""
        rubric = task.case.expect.rubric if task.case and task.case.expect else ()
        with contextlib.suppress(InfrastructureError):  # ``outcome`` raises the exception again
            if rubric and all(one.passed for one in _assertions(task, reply)):
                self.rubric.begin(task, reply)

    def outcome(self, task: Task, reply: Reply) -> Outcome:
        """Return the outcome. If the judge or its server fails, the reply is kept, and the item does not count as
        failed.
        """
        found, judged = _assertions(task, reply), Judged(())
        try:
            if all(one.passed for one in found):
                judged = self.rubric.judge(task, reply)
        except (InfrastructureError, BudgetStopped) as error:
            stopped = isinstance(error, BudgetStopped)
            kind = VerdictKind.BUDGET_STOPPED if stopped else VerdictKind.INFRASTRUCTURE_ERROR
            return outcome_of(task, Verdict(kind, f"the rubric was not judged: {error}", found), reply)
        verdict = verdict_of((*found, *judged.assertions), inconclusive=judged.inconclusive)
        lost = cut_off(task, reply) if verdict.kind is VerdictKind.FAILED else None
        outcome = lost or outcome_of(task, verdict, reply)
        notes = (*outcome.notes, judged.note) if judged.note else outcome.notes
        return replace(outcome, rubric=judged.record, notes=notes)


def _assertions(task: Task, reply: Reply) -> tuple[Assertion, ...]:
    assert task.case is not None and task.case.expect is not None
    return expectation.assertions(task.case.expect, reply.text)
