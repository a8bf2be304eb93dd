"""A case to check, with its language and signature, which build and call kernels for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Signature
from pytest_upskill.devices.base import Machine
from pytest_upskill.languages.base import Executor, Language
from pytest_upskill.records import Assertion, Build, CallLayout


@dataclass(frozen=True, slots=True)
class Subject:
    """``signature`` is that of the case's contract. ``problem`` is an assertion that the solution fails before it is
    built; None if it fails none.
    """

    case: Case
    language: Language
    signature: Signature
    problem: Assertion | None = None

    @property
    def layout(self) -> CallLayout:
        return self.signature.layout

    def of_first_dtype(self) -> Subject:
        """The same for the first of the case's dtypes only."""
        return replace(self, signature=self.signature.for_dtypes(self.case.dtypes[:1]))

    def build(self, source: str, machine: Machine) -> Build:
        """Build a kernel with the compiler that it runs with; no other compiler checks it."""
        return self.language.build({self.language.source_name: source}, self.signature.entry, machine, checked=False)

    def execute(self, build: Build, machine: Machine, timeout: float) -> Executor:
        """A sandbox for a build that succeeded; ``timeout`` (s) is for each call."""
        return self.language.execute(build, self.layout, machine, timeout)
