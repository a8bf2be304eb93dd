"""The protocols that a contract implements: ``Contract`` derives what a reply must define, describes it in the prompt,
and finds it in the reply; ``Signature`` is that definition for one case.

A case goes through ``signature``, ``system_text`` and ``user_text``, then each reply through ``extract``, and its
sources through ``problem`` before the build. Register a contract with the hook ``pytest_upskill_contract``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_upskill.cases.case import Case
from pytest_upskill.records import CallLayout, Kernel, ResultFacts


class Signature(Protocol):
    """The definition that one case requires. A contract's own class may hold more; other packages read only this."""

    @property
    def name(self) -> str:
        """The function that must be defined."""

    @property
    def layout(self) -> CallLayout:
        """The tensors and scalars of a call, in order, for the oracle and the sandbox."""

    @property
    def entry(self) -> str:
        """The text that ``Language.build`` needs, besides the sources, to call the function."""

    def for_dtypes(self, dtypes: tuple[str, ...]) -> Signature:
        """The same signature with these dtypes only; the self-check uses it to build mutants for one dtype."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """The kernel in a reply, or why there is none (``problem``, otherwise empty).

    ``block_found`` is False for a reply without a block (``reply`` fails), and True for one without the right function
    (``contract`` fails). ``found`` is the block that came closest, for reports.
    """

    kernel: Kernel | None
    block_found: bool
    problem: str = ""
    found: Kernel | None = None


@dataclass(frozen=True, slots=True)
class Teaching:
    """The description of a contract in a teacher's prompt. ``readers`` are the models that use the skill, ``unit`` is
    what a student writes, and ``judged`` says how it is judged.
    """

    readers: str
    unit: str
    judged: str
    example: str
    """A whole case file."""
    rules: str
    """A list in Markdown on the solution and on keys of the contract."""


class Contract(Protocol):
    """What a reply must define. One object serves all threads."""

    name: str
    """The name in a case's ``contract``."""
    languages: Sequence[str]
    """The languages in which the contract can be met; another one in a case is an error."""
    case_keys: Sequence[str]
    """Which of the case keys ``forbid``, ``vectorised`` and ``gradients`` it supports; the others are errors in a case.

    A contract whose kernels are not built and called as those of the case's language may have an attribute ``adapter``:
    the name of the ``Language`` that does it. One whose cases a teacher may write has a method ``teaching()``, which
    returns a ``Teaching``.
    """

    def signature(self, case: Case, results: ResultFacts) -> Signature:
        """The ``Signature`` of a case; called once per case and process. ``results`` come from its reference."""

    def system_text(self) -> str:
        """The system text of every prompt, to which an arm adds its guidance."""

    def user_text(self, case: Case, signature: Any) -> str:
        """The user text of a case's prompt: the task, and what must be defined."""

    def extract(self, text: str, signature: Any) -> Extraction:
        """The kernel in the text of a reply; called from several threads. Raises nothing, whatever the text is."""

    def problem(self, sources: Mapping[str, str], signature: Any) -> str | None:
        """Why sources (path to text) do not meet the contract, or None; the judge calls it before the build."""
