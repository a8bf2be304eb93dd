"""Teachers: models, or people, that answer the generator's questions. Each is asked once, and its answer stored."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from pytest_upskill.records import Prompt, Reply


@dataclass(frozen=True, slots=True)
class Step:
    """One question to a teacher. ``name`` says what the question is for, and is part of file names: ``plan``,
    ``skill``, ``case-rms_norm``.

    ``prompt.earlier`` contains the earlier answers to the same step, each with what was wrong with it.
    """

    name: str
    prompt: Prompt

    @property
    def attempt(self) -> int:
        """The number of this attempt; 1 for the first question of a step."""
        return len(self.prompt.earlier) + 1


class Teacher(Protocol):
    """Answers questions. ``ask`` may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The teacher's name in messages, and in the record of authors."""

    @property
    def model(self) -> str:
        """The requested model; empty for a person. The model that answered can differ; each reply names it."""

    def ask(self, step: Step) -> Future[Reply]:
        """Ask a question, and return a future of the answer. If this question was answered before, the future is done
        and has the stored answer, at no cost.

        The future raises StudentError if there is no answer, and BudgetStopped if the budget does not allow the
        question.
        """

    def close(self) -> None:
        """End open questions; they raise StudentError."""
