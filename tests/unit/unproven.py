"""A prover that runs nothing, for tests of what is asked, read and written. As a program: ``upskill-gen`` with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import ClassVar

from pytest_upskill.case_quality.result import CaseQuality
from pytest_upskill.case_quality.self_check import Checked
from pytest_upskill.cases.case import Case
from pytest_upskill.commands.generate.main import main
from pytest_upskill.generator import proving
from pytest_upskill.generator.answers import Refused


class Unproven(proving.Prover):
    """Reads cases as the real one does, and finds fault with those whose task says BAD."""

    proven: ClassVar[list[str]] = []

    def __init__(self, machine: object, skill: str) -> None:
        self._skill = skill

    def prove(
        self, case: Case, others: Iterable[Case], more_to_come: Callable[[], bool] = lambda: False
    ) -> proving.Proven:
        self.proven.append(case.name)
        if "BAD" in case.task:
            raise Refused("the case fails its self-check: its own solution fails")
        return proving.Proven(case, Checked(CaseQuality(()), None))

    def close(self) -> None:
        pass


if __name__ == "__main__":
    proving.Prover = Unproven  # type: ignore[misc]
    main(sys.argv[1:])
