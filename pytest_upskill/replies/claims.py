"""What the ledger is asked, and what it answers. Amounts are in USD and tokens."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_upskill.replies.stored_reply import Recording


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may use up; None for no limit."""

    usd: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that may have to be asked. ``usd`` and ``tokens`` are the most that its reply can take.

    ``fresh``: only a reply of this session will do.
    """

    key: str
    student: str
    skill: str
    usd: float = 0.0
    tokens: int = 0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A reply is there. ``ours``: it came in this session."""

    recording: Recording
    ours: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """The question was asked in this session, or will not be, and there is no reply."""

    message: str
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """The reply could exceed what is left of the session's budget."""

    reason: str


@dataclass(frozen=True, slots=True)
class Granted:
    """The claim is entered: ask, then ``settle``, ``fail`` or ``release``."""


Known = Kept | Failed
Answer = Known | Stopped | Granted


@dataclass(frozen=True, slots=True)
class Totals:
    """A session so far. ``usd`` is of replies whose price is known, ``unpriced`` counts the tokens of the others."""

    asked: int = 0
    open: int = 0
    failed: int = 0
    builds: int = 0
    usd: float = 0.0
    tokens: int = 0
    unpriced: int = 0
    stopped: str = ""
    estimate: str = ""
