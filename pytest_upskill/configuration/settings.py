"""``Settings``: everything that a user can set for a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULTS: Mapping[str, Any] = {
    "arms": ("skill", "baseline"), "trials": 1, "turns": 1, "device": "auto", "sandbox": "auto", "timeout": 10.0,
    "replies": "auto",
}  # fmt: skip
"""Values of settings that were not given. Those that are not listed are None, False or empty."""
PROMPTS_STUDENT = "prompts"
"""The student of a run that only writes prompts and names no student."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a run. Paths are absolute; ``seed`` is None until the controller draws one.

    ``origins`` says where ``base_url`` and ``serve`` were given: an option, or a configuration file. A setting with its
    default value has no origin.
    """

    students: tuple[str, ...]
    arms: tuple[str, ...]
    trials: int
    turns: int
    serve: bool
    device: str
    arch: str | None
    sandbox: str
    sanitizer: bool
    examples: int | None
    seed: int | None
    example: str | None
    timeout: float
    replies: str
    budget: float | None
    max_tokens: int | None
    concurrency: int | None
    base_url: str | None
    reports: tuple[Path, ...]
    prompts: Path | None
    students_tables: Mapping[str, Mapping[str, Any]]
    origins: Mapping[str, str]
    rootdir: Path
    invocation_dir: Path

    @property
    def self_check(self) -> bool:
        """No student was named: the cases themselves are checked."""
        return not self.students
