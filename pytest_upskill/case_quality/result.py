"""What the self-check of a case found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_upskill.records import Assertion

SOLUTION = "solution"
"""The assertion that a case accepts its own solution."""


@dataclass(frozen=True, slots=True)
class CaseQuality:
    """The assertions of a case's self-check, or the reason why the case itself cannot be judged.

    A case of a kernel has the assertions ``solution`` (if it has a solution), ``varies`` and ``rejects[...]``. A text
    case has ``solution`` or ``satisfiable``, and ``rejects[empty]``. Students are judged on the examples ``more`` in
    addition to drawn examples. ``advice`` names mutants that no input was found to kill.
    """

    assertions: tuple[Assertion, ...]
    inconclusive: str | None = None
    more: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    not_run: str = ""
    """The reason why the solution could not be judged on this device; empty if it was judged."""

    @property
    def problem(self) -> str | None:
        """The reason why no student should be queried for this case. None for a good case."""
        failed = next((one for one in self.assertions if not one.passed), None)
        return failed.message if failed else self.inconclusive


def solution_fails(name: str, message: str) -> Assertion:
    """The failed assertion ``solution``, for a solution that fails the assertion ``name`` of replies."""
    return Assertion(SOLUTION, False, f"its own solution fails {name}: {message}")
