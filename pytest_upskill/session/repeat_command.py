"""The command lines with which a user runs one item again, for reports."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Sequence
from os.path import relpath
from pathlib import Path

from pytest_upskill.configuration.settings import DEFAULT_ARMS, DEFAULT_TIMEOUT, Settings
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.reply_files import replies_folder


@functools.lru_cache(maxsize=64)
def _relative(path: Path, folder: Path) -> str:
    """Items of a skill share two of these, and a skill may have thousands of items."""
    return relpath(path, folder)


def command(settings: Settings, skill_path: Path, item: str, options: Sequence[str]) -> str:
    """The command that runs an item from the folder where pytest was called."""
    target = f"{_relative(skill_path, settings.invocation_dir)}::{item}"
    return shlex.join(["pytest", target, *options])


def replay_options(settings: Settings, config: StudentConfig | None, arm: str | None, trial: int) -> list[str]:
    """Options that judge an item again on the reply that was kept, without querying a student.

    ``config`` and ``arm`` are None for an item that has no student.
    """
    options = [_source(settings, config), *_question(settings, arm, trial)]
    options += [f"--upskill-timeout={settings.timeout:g}"] if settings.timeout != DEFAULT_TIMEOUT else []
    options += [f"--upskill-device={settings.device}"] if settings.device != "auto" else []
    options += [f"--upskill-arch={settings.arch}"] if settings.arch else []
    options += [f"--upskill-sandbox={settings.sandbox}"] if settings.sandbox != "auto" else []
    options += ["--upskill-sanitizer"] if settings.sanitizer else []
    return options


def _source(settings: Settings, config: StudentConfig | None) -> str:
    if config is None or config.provider == "golden":
        return "--upskill"
    folder = config.folder or replies_folder(settings.rootdir, config.name)
    label = "" if config.name == "files" else f"{config.name}="
    return f"--upskill-student=files:{label}{_relative(folder, settings.invocation_dir)}"


def record_options(settings: Settings, student: str | None, arm: str | None, trial: int) -> list[str]:
    """Options that query the student, and record its reply beside the skill."""
    options = [f"--upskill-student={student}", "--upskill-replies=record", *_question(settings, arm, trial)]
    options += [f"--upskill-base-url={settings.base_url}"] if settings.base_url else []
    options += ["--upskill-serve"] if settings.serve else []
    return options


def _question(settings: Settings, arm: str | None, trial: int) -> list[str]:
    """Options without which this arm, trial and number of turns would not be collected."""
    options = [f"--upskill-arms={arm}"] if arm and arm not in DEFAULT_ARMS else []
    options += [f"--upskill-trials={trial}"] if trial > 1 else []
    return options + ([f"--upskill-turns={settings.turns}"] if settings.turns > 1 else [])
