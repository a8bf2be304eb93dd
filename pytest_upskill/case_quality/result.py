"""What the self-check of a case found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_upskill.records import Assertion

SOLUTION = "solution"
"""The assertion that a case accepts its own solution."""


@dataclass(frozen=True, slots=True)
class CaseQuality:
    """Of a kernel: ``solution`` (if there is one), ``varies`` and ``rejects[...]``; of a text ``solution`` or
    ``satisfiable``, and ``rejects[empty]``; or why the case itself cannot be judged.

    ``more`` are examples that students are judged on besides those that are drawn for them. ``advice`` names mutants
    that no input of the case's domain was found to kill.
    """

    assertions: tuple[Assertion, ...]
    inconclusive: str | None = None
    more: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    not_run: str = ""
    """Why the solution could not be judged on this device."""

    @property
    def problem(self) -> str | None:
        """Why no student should be queried for this case; None for a good case."""
        failed = next((one for one in self.assertions if not one.passed), None)
        return failed.message if failed else self.inconclusive


def solution_fails(name: str, message: str) -> Assertion:
    """The assertion for a solution that fails an assertion of replies."""
    return Assertion(SOLUTION, False, f"its own solution fails {name}: {message}")
