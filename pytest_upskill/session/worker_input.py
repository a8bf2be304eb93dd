"""What pytest-xdist's controller hands to its workers. Plain data: xdist carries nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

_PREFIX = "upskill_"


@dataclass(frozen=True, slots=True)
class WorkerInput:
    """The controller's seed, session and device, and the address of its server broker (empty where there is none)."""

    seed: int
    session: str
    device: str
    broker: str

    def write(self, worker_input: dict[str, Any]) -> None:
        """Adds our values to xdist's own."""
        worker_input.update({_PREFIX + name: value for name, value in asdict(self).items()})


def read(worker_input: dict[str, Any]) -> WorkerInput:
    """What ``WorkerInput.write`` put there."""
    return WorkerInput(*(worker_input[_PREFIX + name] for name in ("seed", "session", "device", "broker")))
