"""The protocol of students, their configuration and prices, independent of any provider."""

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
"""Of the system text: a message of its own, or the beginning of the question."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. ``cached``: an input token read from the server's cache. ``written``: one put into it,
    None for the price of any other.
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
    """The configuration of a student. It holds the name of the variable with the key, never the key.

    ``timeout`` (s) limits one reply, and all attempts to get it. ``temperature`` None leaves it to the server.
    ``concurrency`` limits the number of concurrent requests; None means the server's number of slots. ``serve`` is the
    command that starts its server, or one of ``serving.plan.WORDS``. ``disclosure`` is how it is shown a skill: one of
    ``skills.arms.MODES``. ``folder`` holds the replies of a ``files`` student. ``options`` are further fields of
    each request, and changes of ours (``fields``). ``system`` is the role that gets the system text: one of ``ROLES``.
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
    """True for students whose replies come from this machine: they are not kept, since a kept one may be outdated."""
    return config.provider in ("golden", "files", PUBLISHED)


class Server(Protocol):
    """A server that is started for a student on first use. Both methods may be called from several threads."""

    def address(self) -> str:
        """The base URL of the running server. Raises StudentError if it cannot be started."""

    def revive(self) -> None:
        """Restart the server, once, if it ended. Called after a failed question. Raises StudentError."""


class Student(Protocol):
    """Answers questions. ``ask`` may be called from several threads at once."""

    config: StudentConfig

    @property
    def name(self) -> str:
        """The name in ids and reports."""
        return self.config.name

    @property
    def model(self) -> str:
        """The requested model; a reply says which one answered."""
        return self.config.model

    def arms_for(self, skill: str, arms: Sequence[str], cases: Sequence[str]) -> tuple[str, ...]:
        """The subset of ``arms`` that can be asked for this skill and its cases, in the order given."""
        return tuple(arms)

    def can_answer(self, case: Case) -> bool:
        """False if asking would be pointless, so that no item is collected."""
        return True

    def slots(self) -> int | None:
        """How many questions its server answers at once, None if unknown. May query the server, and wait.

        Called once before the first question, without taking a slot: the place for a slow start.
        """
        return None

    def goes_on(self, question: Question) -> bool:
        """Whether a question of a later turn may be asked; False ends the conversation with the last judgement."""
        return True

    def ask(self, question: Question, case: Case) -> Reply:
        """The reply. Raises StudentError, with one clear message, if there is none."""

    def close(self) -> None:
        """End open connections and waits. Open questions fail with StudentError."""
        return


class Placeholder(Student):
    """A student that is collected and never queried. ``why`` ends the message for a caller that does so."""

    def __init__(self, config: StudentConfig, why: str) -> None:
        self.config = config
        self._why = why

    def ask(self, question: Question, case: Case) -> Reply:
        """Raises StudentError."""
        raise StudentError(f"student {self.name!r} {self._why}")
