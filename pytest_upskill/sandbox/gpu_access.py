"""What a sandboxed process needs in order to use a GPU. Knows no GPU: devices fill it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class GpuAccess:
    """What a sandbox has access to: device files, folders to read, and variables for its environment.

    ``prefix`` is a program with options that starts the sandboxed process and watches it, if any.
    """

    devices: tuple[Path, ...]
    readable: tuple[Path, ...]
    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()
