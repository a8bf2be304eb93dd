"""The protocol of students, and their configuration and prices. Independent of any provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pytest_upskill.cases.case import PUBLISHED, Case
from pytest_upskill.errors import StudentError
from pytest_upskill.records import Question, Reply, Tokens

DEFAULT_MAX_TOKENS = 8192
DEFAULT_TIMEOUT = 600.0
TOKENS_PER_PRICE = 1_000_000
ROLES = ("system", "user")
"""The roles that can get the system text. ``system`` is a message of its own, ``user`` the beginning of the
question.
"""


@dataclass(frozen=True, slots=True)
class Price:
    """Prices in USD per million tokens. ``cached`` is for input tokens read from the server's cache.

    ``written`` is for input tokens written to the cache. If it is None, they cost as much as any other input token.
    """

    input: float
    output: float
    cached: float
    written: float | None = None

    def cost(self, tokens: Tokens) -> float:
        """Return the cost in USD of these tokens. ``tokens.input`` includes the tokens read from and written to the
        cache.
        """
        fresh = max(tokens.input - tokens.cached - tokens.written, 0)
        written = self.input if self.written is None else self.written
        given = fresh * self.input + tokens.cached * self.cached + tokens.written * written
        return (given + tokens.output * self.output) / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True)
class StudentConfig:
    """The configuration of a student. It holds the name of the variable with the key, never the key.

    ``timeout`` (s) limits one reply, including all attempts to get it. If ``temperature`` is None, the server decides.
    ``concurrency`` limits the number of concurrent requests; None means the server's number of slots. ``serve`` is the
    command that starts the student's server, or one of ``serving.plan.WORDS``. ``disclosure`` is how the student is
    shown a skill: one of ``skills.arms.MODES``. ``folder`` holds the replies of a ``files`` student. ``options`` add
    fields to each request, or change our fields (see ``fields``). ``system`` is the role that gets the system text: one
    of ``ROLES``.
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
    system: str = "system"


def is_at_hand(config: StudentConfig) -> bool:
    """Return whether the student's replies come from this machine.

    Such replies are not stored, because a stored reply may be older than its source.
    """
    return config.provider in ("golden", "files", PUBLISHED)


class Server(Protocol):
    """A server that is started for a student on first use. Both methods may be called from several threads."""

    def address(self) -> str:
        """Return the base URL of the running server. Raises StudentError if the server cannot be started."""

    def revive(self) -> None:
        """Restart the server if it has ended, but only once. Called after a question failed. Raises StudentError."""


class Student(Protocol):
    """Answers questions. ``ask`` may be called from several threads at once."""

    config: StudentConfig

    @property
    def name(self) -> str:
        """The name in ids and reports."""
        return self.config.name

    @property
    def model(self) -> str:
        """The requested model. A reply says which model answered."""
        return self.config.model

    def arms_for(self, skill: str, arms: Sequence[str], cases: Sequence[str]) -> tuple[str, ...]:
        """Return the ``arms`` in which the student can be asked about this skill and its cases, in the given order."""
        return tuple(arms)

    def can_answer(self, case: Case) -> bool:
        """Return False if asking would be pointless. No item is then collected."""
        return True

    def slots(self) -> int | None:
        """Return how many questions the student's server answers at once; None if unknown. May query the server, and
        wait.

        Called once before the first question, without taking a slot, so a student can do here what takes long at the
        start.
        """
        return None

    def goes_on(self, question: Question) -> bool:
        """Return whether a question of a later turn may be asked. False ends the conversation with the last
        judgement.
        """
        return True

    def ask(self, question: Question, case: Case) -> Reply:
        """Return the reply. Raises StudentError, with one clear message, if there is none."""

    def close(self) -> None:
        """End open connections and waits. Open questions then fail with StudentError."""
        return


class Placeholder(Student):
    """A student that is collected and never queried. If it is queried nevertheless, the error message ends with
    ``why``.
    """

    def __init__(self, config: StudentConfig, why: str) -> None:
        self.config = config
        self._why = why

    def ask(self, question: Question, case: Case) -> Reply:
        """Raise StudentError."""
        raise StudentError(f"student {self.name!r} {self._why}")
