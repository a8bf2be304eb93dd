"""What the judge is asked: everything that a verdict depends on, besides the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """``call_seconds`` is the longest that one call of a kernel may take, ``item_seconds`` the longest that all of them
    may (None: any time). ``memory`` (bytes) is that of the kernel's process; None leaves it to the device.
    """

    call_seconds: float = 10.0
    item_seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """``case_text`` is the text of the case's file, ``case_name`` the file's name without its ending.

    ``sources`` maps paths to texts. ``device`` is ``cpu`` or ``cuda``, ``sandbox`` is ``auto`` or ``strict``.
    ``examples`` are drawn for each dtype (None: the case's own number, or the default); with ``example``, only that one
    is tried. ``more_examples`` are tried besides those that are drawn. ``largest`` is how many elements large examples
    may have (None: the device's own number). ``trusted``: the case's own Python may run in the judge's process.
    """

    case_text: str
    case_name: str
    sources: Mapping[str, str]
    contract: str = "launcher"
    language: str = "cuda"
    device: str = "cpu"
    architecture: str | None = None
    sanitizer: bool = False
    sandbox: str = "auto"
    seed: int = 0
    examples: int | None = None
    example: str | None = None
    more_examples: tuple[str, ...] = ()
    largest: int | None = None
    limits: Limits = field(default_factory=Limits)
    trusted: bool = True
