"""Facts about a run as a whole, which reports show and the history stores."""

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
    """Facts about a run as a whole.

    ``started`` is a time in ISO 8601. ``seconds`` is the run's duration. ``sandbox`` is the confinement that was used.
    ``replies`` is the folder in which replies are stored, as the user would type it. ``source`` says where the replies
    came from, if they did not come from the usual place. ``spent`` is what this run spent on new replies.
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
    """Set only for a run that wrote prompts and asked no student: a text that says where the prompts are and where the
    answers must go, and the command that judges the answers."""
    interrupted: bool = False
    unreached: tuple[str, ...] = ()
    """The ids of collected items without an outcome."""
    session: str = ""
    """A text that identifies the run. No other run has the same text."""
    command: str = ""
    """The arguments with which pytest was started."""
    version: str = ""
    """The version of pytest-upskill."""
    students: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """For each student by name, the settings that affect how its replies are sampled, such as the model."""
    revision: str = ""
    """The git commit that was checked out. Empty if it is unknown."""
    dirty: bool | None = None
    """Whether files differed from the commit ``revision``. None if this is unknown."""
    gates: Gates = field(default_factory=Gates)
    """The gates that the user set for the run."""
    noise: str = ""
    """How many other skills were shown, in the form that the option takes. Empty if unknown."""

    def to_plain(self) -> dict[str, Any]:
        """The facts as plain data, which can be stored."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> RunInfo:
        """The facts from the data that ``to_plain`` returned, also if the data was JSON in between.

        Raises ValueError for data of another form.
        """
        return _infos().validate_python(data)


@cache
def _infos() -> TypeAdapter[RunInfo]:
    from pydantic import TypeAdapter

    return TypeAdapter(RunInfo)
