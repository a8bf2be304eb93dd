"""Gates on the results of a run, and known failures, as plain data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class GateKind(StrEnum):
    """What a gate compares. The value is the option's name without ``--upskill-``."""

    MIN_PASS_RATE = "min-pass-rate"
    MIN_LIFT = "min-lift"
    MAX_COST = "max-cost"
    NO_REGRESSION = "no-regression"

    @property
    def key(self) -> str:
        """The key in the table ``[tool.upskill.gates.<skill>]`` for gates of this kind."""
        return self.value.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate with its threshold, which is a rate, a lift or an amount in US dollars.

    ``run`` names the earlier run with which ``no-regression`` compares.
    """

    kind: GateKind
    threshold: float = 0.0
    run: str = ""

    def __str__(self) -> str:
        """The gate as the user writes it, ``min-pass-rate=0.8``."""
        value = self.run if self.kind is GateKind.NO_REGRESSION else f"{self.threshold:g}"
        return f"{self.kind}={value}"


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates of a run. It is false if there is no gate.

    ``common`` gates apply to all skills. ``own`` has the gates of single skills, which replace the common gates of the
    same kind. If ``interval``, rates and lifts are compared by their 95% intervals. If ``until_decided``, no further
    replies are requested once all gates are decided.
    """

    common: tuple[Gate, ...] = ()
    own: Mapping[str, tuple[Gate, ...]] = field(default_factory=dict)
    interval: bool = False
    until_decided: bool = False
    in_files: bool = False
    """Whether some gates are given in ini values or pyproject.toml, so that later runs have these gates, too."""

    def __bool__(self) -> bool:
        return bool(self.common or any(self.own.values()))

    def of(self, skill: str, item_id: str) -> tuple[Gate, ...]:
        """The gates on a skill. ``skill`` is its name in reports, ``item_id`` the id of one of its items."""
        found = {gate.kind: gate for gate in self.common}
        for name, gates in self.own.items():
            if is_called(name, skill, item_id):
                found |= {gate.kind: gate for gate in gates}
        return tuple(found.values())

    @property
    def every(self) -> tuple[Gate, ...]:
        """The common gates and the gates of all skills."""
        return (*self.common, *(gate for gates in self.own.values() for gate in gates))

    @property
    def runs(self) -> tuple[str, ...]:
        """The earlier runs that gates name."""
        return tuple(dict.fromkeys(gate.run for gate in self.every if gate.kind is GateKind.NO_REGRESSION))


def is_called(name: str, skill: str, item_id: str) -> bool:
    """Whether a user can mean a skill by ``name``: the name of its folder, its path, or its name in reports.

    ``skill`` is the skill's name in reports, ``item_id`` the id of one of its items.
    """
    folder = item_id.partition("::")[0].rpartition("/")[0]
    return name == skill or f"/{folder}".endswith(f"/{name}")


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A failure that is expected. ``cases`` (``skill`` or ``skill/case``) and ``student`` may contain ``*``."""

    cases: str
    student: str
    reason: str

    def matches(self, skill: str, case: str, student: str) -> bool:
        named = (skill, f"{skill}/{case}")
        return any(fnmatchcase(one, self.cases) for one in named) and fnmatchcase(student, self.student)


KNOWN_FAILURE_FORM = "SKILL[/CASE] STUDENT: REASON, one a line, such as 'cuda-kernels/softmax glm-4.7: loses a warp'"
_LINE = re.compile(r"(?P<cases>\S+)\s+(?P<student>\S+):\s+(?P<reason>\S.*)")


def known_failures(text: str) -> tuple[KnownFailure, ...]:
    """The known failures in a text. Raises ValueError, whose message names the accepted form."""
    return tuple(_known_failures(text.splitlines()))


def _known_failures(lines: Iterable[str]) -> Iterator[KnownFailure]:
    for line in filter(None, map(str.strip, lines)):
        if (found := _LINE.fullmatch(line)) is None:
            raise ValueError(f"{line!r} is not a known failure; accepted: {KNOWN_FAILURE_FORM}")
        yield KnownFailure(**found.groupdict())
