"""Teachers: models, or people, that answer the generator's questions. Each is asked once, and its answer stored."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from pytest_upskill.records import Prompt, Reply


@dataclass(frozen=True, slots=True)
class Step:
    """One question to a teacher. ``name`` says what for, and names files: ``plan``, ``skill``, ``case-rms_norm``.

    ``prompt.earlier`` holds the earlier answers to the same step, each with what was wrong with it.
    """

    name: str
    prompt: Prompt

    @property
    def attempt(self) -> int:
        """1 for the first question of a step."""
        return len(self.prompt.earlier) + 1


class Teacher(Protocol):
    """Answers questions. ``ask`` may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The name in messages and in the record of who wrote what."""

    @property
    def model(self) -> str:
        """The requested model; empty for a person. A reply says which one answered."""

    def ask(self, step: Step) -> Future[Reply]:
        """The answer, as soon as it is there; a stored one if this question was answered before, at no cost.

        The future raises StudentError if there is no answer, BudgetStopped if the budget does not allow the question.
        """

    def close(self) -> None:
        """End open questions, which fail with StudentError."""
