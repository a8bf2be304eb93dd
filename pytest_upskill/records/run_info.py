"""What is known of a run as a whole: reports show it, and the history keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from pytest_upskill.records.gating import Gates
from pytest_upskill.records.plain import to_plain

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as a whole.

    ``started`` is ISO 8601 text, ``seconds`` the run's length, ``sandbox`` the confinement in force, ``replies`` the
    folder that keeps the replies, as the user would type it; ``source`` says where they came from, if not from
    the usual place, and ``spent`` what this run spent on new ones.
    """

    machine: Mapping[str, Any]
    device: str
    seed: int
    started: str
    seconds: float
    self_check: bool = False
    sandbox: str = ""
    notes: tuple[str, ...] = ()
    replies: str | None = None
    source: str = ""
    spent: str = ""
    answers: tuple[str, str] | None = None
    """Of a run that only wrote prompts: where they are and where the answers go, and the command that judges those."""
    interrupted: bool = False
    unreached: tuple[str, ...] = ()
    """The ids of collected items without an outcome."""
    session: str = ""
    """A text that no other run has."""
    command: str = ""
    """The arguments of pytest."""
    version: str = ""
    """That of pytest-upskill."""
    students: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By name: what decides how a student's replies are sampled, such as its model."""
    revision: str = ""
    """The git commit that was checked out; empty if unknown."""
    dirty: bool | None = None
    """Whether files differed from that commit; None if unknown."""
    gates: Gates = field(default_factory=Gates)
    """What the user asked of the run."""
    noise: str = ""
    """How many other skills were shown, in the form of the option; empty if unknown."""

    def to_plain(self) -> dict[str, Any]:
        """Plain data, for storing."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> RunInfo:
        """The inverse of ``to_plain``, also after JSON. Raises ValueError on data of another shape."""
        return _infos().validate_python(data)


@cache
def _infos() -> TypeAdapter[RunInfo]:
    from pydantic import TypeAdapter

    return TypeAdapter(RunInfo)
