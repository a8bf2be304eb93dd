"""The protocols that a contract implements. ``Contract`` derives what a reply must define, describes it in the prompt,
and finds it in the reply. ``Signature`` is the required definition for one case.

For each case, ``signature``, ``system_text`` and ``user_text`` are called; for each reply, ``extract``, and before the
build ``problem`` with the sources. Register a contract with the hook ``pytest_upskill_contract``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_upskill.cases.case import Case
from pytest_upskill.records import CallLayout, Kernel, ResultFacts


class Signature(Protocol):
    """The definition that one case requires. A contract's own class may have more attributes; other packages use only
    these.
    """

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
    """The kernel in a reply or, if there is none, the reason in ``problem``, which is otherwise empty.

    ``block_found`` is False if the reply has no fenced block (the assertion ``reply`` fails), and True if it has
    blocks, but none with the right function (``contract`` fails). ``found`` is the block that came closest, for
    reports.
    """

    kernel: Kernel | None
    block_found: bool
    problem: str = ""
    found: Kernel | None = None


@dataclass(frozen=True, slots=True)
class Teaching:
    """The description of a contract in a teacher's prompt. ``readers`` are the models that use the skill, ``unit`` is
    what a student writes, and ``judged`` says how the student's work is judged.
    """

    readers: str
    unit: str
    judged: str
    example: str
    """The text of a whole case file."""
    rules: str
    """A Markdown list of rules for the solution and for the contract's keys."""


class Contract(Protocol):
    """What a reply must define. One object serves all threads."""

    name: str
    """The name that a case gives under ``contract``."""
    languages: Sequence[str]
    """The languages in which the contract can be met. A case with another language is an error."""
    case_keys: Sequence[str]
    """The case keys among ``forbid``, ``vectorised`` and ``gradients`` that the contract supports. A case with another
    one of these keys is an error.

    If kernels of the contract are not built and called by the case's language, the contract has an attribute
    ``adapter``: the name of the ``Language`` that builds and calls them. If a teacher may write cases of the contract,
    it has a method ``teaching()``, which returns a ``Teaching``.
    """

    def signature(self, case: Case, results: ResultFacts) -> Signature:
        """The ``Signature`` of a case. It is called once per case and process; ``results`` come from the case's
        reference.
        """

    def system_text(self) -> str:
        """The system text of every prompt. An arm adds its guidance to this text."""

    def user_text(self, case: Case, signature: Any) -> str:
        """The user text of a case's prompt: the task, and what must be defined."""

    def extract(self, text: str, signature: Any) -> Extraction:
        """Find the kernel in the text of a reply. It is called from several threads, and must raise nothing, whatever
        the text is.
        """

    def problem(self, sources: Mapping[str, str], signature: Any) -> str | None:
        """Why the sources (path to text) do not meet the contract, or None. The judge calls this before the build."""
