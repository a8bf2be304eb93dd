"""Converts places in a case's own solution (``kernel.cu:3``) to places in the case's file, where an author corrects
them.
"""

import re
from dataclasses import replace

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import shown_path
from pytest_upskill.judging.signatures import language_of
from pytest_upskill.records import Outcome

_OF_THE_WHOLE = ("reply", "contract", "compiles")
"""Assertions on the whole solution. If such an assertion has no line of its own, it points to the first line."""


def in_case_file(text: str, case: Case) -> str:
    """Return the text with each place in the case's solution (``kernel.cu:3``) replaced by the place in the case's
    file.
    """
    if case.solution is None:
        return text
    first, path = case.solution.line, shown_path(case.path)

    def place(found: re.Match[str]) -> str:
        lines = [str(int(number) + first - 1) for number in found.groups() if number]
        return ":".join([path, "-".join(lines)]) if lines else path

    name = re.escape(language_of(case).source_name)
    return re.sub(rf"(?<![\w./]){name}\b(?::(\d+)(?:-(\d+))?)?", place, text)


def outcome_in_case_file(outcome: Outcome, case: Case | None) -> Outcome:
    """Return the outcome of a case's own solution with its places converted to places in the case's file."""
    if case is None or case.solution is None:
        return outcome
    verdict, found = outcome.verdict, outcome.verdict.counterexample
    assertions = [replace(one, message=in_case_file(one.message, case)) for one in verdict.assertions]
    found = found and replace(found, message=in_case_file(found.message, case))
    first = verdict.headline
    if outcome.shown_line is None and first is not None and first.name in _OF_THE_WHOLE:
        outcome = replace(outcome, source=case.solution.source, shown_line=1, shown_why="the solution")
    verdict = replace(verdict, assertions=tuple(assertions), counterexample=found)
    return replace(
        outcome,
        verdict=replace(verdict, reason=verdict.reason and in_case_file(verdict.reason, case)),
        notes=tuple(in_case_file(note, case) for note in outcome.notes),
        source_name=shown_path(case.path),
        source_start=case.solution.line,
    )
