"""A case to check, together with the language and the signature that are needed to build and call its kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Signature
from pytest_upskill.devices.base import Machine
from pytest_upskill.languages.base import Executor, Language
from pytest_upskill.records import Assertion, Build, CallLayout


@dataclass(frozen=True, slots=True)
class Subject:
    """A case to check.

    ``signature`` is the signature that the case's contract asks for. ``problem`` is the assertion that the solution
    fails before it is built, or None.
    """

    case: Case
    language: Language
    signature: Signature
    problem: Assertion | None = None

    @property
    def layout(self) -> CallLayout:
        return self.signature.layout

    def of_first_dtype(self) -> Subject:
        """The same subject, but with only the first of the case's dtypes."""
        return replace(self, signature=self.signature.for_dtypes(self.case.dtypes[:1]))

    def build(self, source: str, machine: Machine) -> Build:
        """Build a kernel with the compiler whose code is run. Further compilers that check replies are not used."""
        return self.language.build({self.language.source_name: source}, self.signature.entry, machine, checked=False)

    def execute(self, build: Build, machine: Machine, timeout: float) -> Executor:
        """A sandbox that runs a build that succeeded. ``timeout`` (s) limits each call."""
        return self.language.execute(build, self.layout, machine, timeout)
