"""The golden student: it replies with the case's own solution, in the skill arm only."""

import re
from collections.abc import Sequence

from pytest_upskill.cases.case import Case, Snippet
from pytest_upskill.errors import StudentError
from pytest_upskill.records import Question, Reply
from pytest_upskill.students.base import Student, StudentConfig


class GoldenStudent(Student):
    """A student that needs no model, no key and no network. It cannot answer a case that has no ``## Solution``."""

    def __init__(self, config: StudentConfig) -> None:
        self.config = config

    def arms_for(self, skill: str, arms: Sequence[str], cases: Sequence[str]) -> tuple[str, ...]:
        return tuple(arm for arm in arms if arm == "skill")

    def can_answer(self, case: Case) -> bool:
        return case.solution is not None

    def goes_on(self, question: Question) -> bool:
        return False

    def ask(self, question: Question, case: Case) -> Reply:
        if case.solution is None:
            problem = f"case '{case.name}' has no solution ({case.path}); add one under '## Solution'"
            raise StudentError(f"student 'golden': {problem}")
        return Reply(text=as_reply(case.solution, case.language), cost_usd=0.0, model="golden")


def as_reply(solution: Snippet, language: str) -> str:
    """Return a case's solution as the text of a reply, in a fenced block unless the solution is a whole
    section's text.
    """
    return solution.source if solution.whole else fenced(solution.source, language)


def fenced(source: str, language: str) -> str:
    """Return the source in a fenced block. Its fence is longer than any sequence of backticks in the source."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", source))])
    newline = "" if source.endswith("\n") else "\n"
    return f"{fence}{language}\n{source}{newline}{fence}\n"
