"""What a process requests from the ledger, and the ledger's answers. Amounts are in USD and tokens."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_upskill.replies.stored_reply import Recording


@dataclass(frozen=True, slots=True)
class Limits:
    """The budget of a session; None for no limit."""

    usd: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to claim. ``usd`` and ``tokens`` are its worst case; ``fresh`` ignores replies of other sessions."""

    key: str
    student: str
    skill: str
    usd: float = 0.0
    tokens: int = 0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """The ledger holds the reply. ``ours``: it came in this session."""

    recording: Recording
    ours: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no reply: the question failed in this session, or must not be asked."""

    message: str
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """The reply could exceed the remaining budget of the session."""

    reason: str


@dataclass(frozen=True, slots=True)
class Granted:
    """The claim is entered: ask the question, then call ``settle``, ``fail`` or ``release``."""


Known = Kept | Failed
Answer = Known | Stopped | Granted


@dataclass(frozen=True, slots=True)
class Totals:
    """A session so far. ``usd`` sums replies with a known price; ``unpriced`` counts the tokens of the others."""

    asked: int = 0
    open: int = 0
    failed: int = 0
    builds: int = 0
    usd: float = 0.0
    tokens: int = 0
    unpriced: int = 0
    stopped: str = ""
    estimate: str = ""
