"""What a contract must offer: what a reply has to define, in the prompt's words, and how it is found and called.

Register another contract with the hook ``pytest_upskill_contract``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_upskill.cases.case import Case
from pytest_upskill.records import CallLayout, Kernel, ResultFacts


class Signature(Protocol):
    """What exactly is asked for in one case. Each contract has its own; others read only this."""

    @property
    def name(self) -> str:
        """The function that must be defined."""

    @property
    def layout(self) -> CallLayout:
        """The tensors and scalars of its calls."""

    @property
    def entry(self) -> str:
        """What the language's build needs, besides the sources, to call it."""

    def for_dtypes(self, dtypes: tuple[str, ...]) -> Signature:
        """The same, called with these dtypes alone."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What a reply holds. ``problem`` is empty where ``kernel`` meets the contract, and else says why it is None.

    ``block_found`` tells a reply without any block (``reply`` failed) from one without the right function
    (``contract`` failed). ``found`` is the block that came closest, for a person to see.
    """

    kernel: Kernel | None
    block_found: bool
    problem: str = ""
    found: Kernel | None = None


class Contract(Protocol):
    """What a reply must define. One object serves all threads."""

    name: str
    languages: Sequence[str]
    """The languages in which it can be met."""
    case_keys: Sequence[str]
    """The keys of a case that mean something to it alone, of ``forbid`` and ``vectorised``."""

    def signature(self, case: Case, results: ResultFacts) -> Signature:
        """What the case asks for."""

    def system_text(self) -> str:
        """The system text of every prompt, before an arm adds its guidance."""

    def user_text(self, case: Case, signature: Any) -> str:
        """The user text: the task, and what must be defined."""

    def extract(self, text: str, signature: Any) -> Extraction:
        """The kernel of a reply."""

    def problem(self, sources: Mapping[str, str], signature: Any) -> str | None:
        """Why these sources do not meet the contract; None where they do."""
