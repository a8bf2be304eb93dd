"""A prover that runs nothing, for tests of what is asked, read and written. As a program: ``upskill-gen`` with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable
from typing import ClassVar

from pytest_upskill.case_quality.result import CaseQuality
from pytest_upskill.case_quality.self_check import Checked
from pytest_upskill.cases.case import Case
from pytest_upskill.commands.generate.main import main
from pytest_upskill.generator import proving
from pytest_upskill.generator.answers import Refused, same_operator


class Unproven(proving.Prover):
    """Reads cases as the real one does, and finds fault with those whose task says BAD. Cases of the same GROUP ask for
    the same operator.
    """

    proven: ClassVar[list[str]] = []

    def __init__(self, machine: object, skill: str) -> None:
        self._skill = skill

    def prove(
        self,
        case: Case,
        others: Iterable[Case],
        yielding: Container[str] = (),
        more_to_come: Callable[[], bool] = lambda: False,
    ) -> proving.Proven:
        self.proven.append(case.name)
        group = case.task.partition("GROUP")[2]
        same = [one for one in others if group and one.task.partition("GROUP")[2] == group]
        for one in same:
            if one.name not in yielding:
                raise same_operator(one.name)
        if "BAD" in case.task:
            raise Refused("the case fails its self-check: its own solution fails")
        return proving.Proven(case, Checked(CaseQuality(()), None), tuple(same))

    def close(self) -> None:
        pass


if __name__ == "__main__":
    proving.Prover = Unproven  # type: ignore[misc]
    main(sys.argv[1:])
