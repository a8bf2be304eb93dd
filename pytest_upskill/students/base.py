"""What a student is: a configuration, and something that answers questions. Knows no provider.

StudentConfig   who to ask, where, and under which limits: plain data
Server          what a student may ask of the server that is started for it
Student         what every provider implements
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pytest_upskill.cases.case import Case
from pytest_upskill.records import Question, Reply, Tokens

DEFAULT_MAX_TOKENS = 8192
DEFAULT_TIMEOUT = 600.0
TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. ``cached`` is what an input token costs that the server had in its cache, ``written``
    one that it put there (None: as any other).
    """

    input: float
    output: float
    cached: float
    written: float | None = None

    def cost(self, tokens: Tokens) -> float:
        """USD for these tokens; ``tokens.input`` includes those cached and those written."""
        fresh = max(tokens.input - tokens.cached - tokens.written, 0)
        written = self.input if self.written is None else self.written
        given = fresh * self.input + tokens.cached * self.cached + tokens.written * written
        return (given + tokens.output * self.output) / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True)
class StudentConfig:
    """One student, completely. Holds the name of the variable with the key, never the key.

    ``timeout`` (s) is the longest that one reply may take, and the longest that we go on trying for one.
    ``temperature`` None leaves it to the server. ``concurrency`` is how many questions may be open at once; None means
    the number of the server's slots. ``serve`` is the command that starts its server, or one of
    ``serving.plan.WORDS``. ``disclosure`` is how it gets to see a skill: one of ``skills.disclosure.MODES``. ``folder``
    holds the replies of a ``files`` student. ``options`` are the user's own: further fields of each request, which go
    to the provider as they are.
    """

    name: str
    provider: str
    model: str = ""
    base_url: str | None = None
    api_key_env: str | None = None
    temperature: float | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS
    timeout: float = DEFAULT_TIMEOUT
    concurrency: int | None = None
    price: Price | None = None
    serve: str | None = None
    disclosure: str = "body"
    folder: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


_AT_HAND = ("golden", "files")


def is_at_hand(config: StudentConfig) -> bool:
    """True for students whose replies lie on this machine: keeping them would only show old ones."""
    return config.provider in _AT_HAND


class Server(Protocol):
    """A server that is started for a student when it is first needed. Both may be called from several threads."""

    def address(self) -> str:
        """Its base URL; it answers there when this returns. Raises StudentError where it cannot be started."""
        ...

    def revive(self) -> None:
        """To be called when a question failed: starts the server again, once, if it ended. Raises StudentError."""
        ...


class Student(Protocol):
    """Answers questions. ``ask`` may be called from several threads at once."""

    config: StudentConfig

    @property
    def name(self) -> str:
        """What ids and reports call it."""
        return self.config.name

    @property
    def model(self) -> str:
        """The model that it is asked to be; a reply says which one answered."""
        return self.config.model

    def arms_for(self, skill: str, arms: Sequence[str], cases: Sequence[str]) -> tuple[str, ...]:
        """Which of ``arms`` can be asked for this skill and its cases, in the order given."""
        return tuple(arms)

    def can_answer(self, case: Case) -> bool:
        """False where asking would be pointless, so that no item is collected."""
        return True

    def slots(self) -> int | None:
        """How many questions its server answers at once, None where nobody knows. May ask the server, and wait.

        Called once before the first question, while no slot is taken: the place for what takes long at first.
        """
        return None

    def goes_on(self, question: Question) -> bool:
        """Whether a question of a later turn may be asked; False ends the conversation with what was judged."""
        return True

    def ask(self, question: Question, case: Case) -> Reply:
        """The answer. Raises StudentError, with one clear message, where there is none."""
        ...

    def close(self) -> None:
        """Ends what is open, and every wait. Questions that are still open fail with StudentError."""
        return
