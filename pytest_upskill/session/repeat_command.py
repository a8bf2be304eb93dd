"""The command lines with which a user runs one item again, for reports."""

import functools
import shlex
from collections.abc import Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

from pytest_upskill.configuration.settings import DEFAULTS, Settings
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.files import replies_folder


@functools.lru_cache(maxsize=64)
def _relative(path: Path, folder: Path) -> str:
    """Items of a skill share two of these, and a skill may have thousands of items."""
    return relpath(path, folder)


def command(settings: Settings, skill_path: Path, item: str, options: Sequence[str]) -> str:
    """The command that runs an item from the folder where pytest was called."""
    return shlex.join(["pytest", f"{_relative(skill_path, settings.invocation_dir)}::{item}", *options])


def replay_options(settings: Settings, config: StudentConfig | None, arm: str | None, trial: int) -> list[str]:
    """Options that judge an item again on its stored reply, without querying a student.

    ``config`` and ``arm`` are None for an item that has no student.
    """
    return [_source(settings, config), *_question(settings, arm, trial), *_judging(settings)]


def answers_steps(settings: Settings, arguments: Sequence[str], from_file: bool) -> tuple[str, str]:
    """Where the answers to a run's prompts go, and the command that judges them there. ``arguments`` are those of the
    run; ``from_file``: its folder for prompts is an ini value.
    """
    assert settings.prompts is not None
    folder, beside = settings.prompts, settings.prompts.with_name(f"{settings.prompts.name}-answers")
    shown, answers = (relpath(path, settings.invocation_dir) for path in (folder, beside))
    given, kept = iter(arguments), []
    for word in given:
        if word in ("--upskill-prompts", "--upskill-student"):
            next(given, None)
        elif not word.startswith(("--upskill-prompts=", "--upskill-student=")):
            kept.append(word)
    further = ["-o", "upskill_prompts="] if from_file else []
    where = f"The prompts are in {shown}. Save each answer under the same path in {answers}, then judge the answers:"
    return where, shlex.join(["pytest", *kept, *further, f"--upskill-student=files:{answers}"])


def _source(settings: Settings, config: StudentConfig | None) -> str:
    if config is None or config.provider == "golden":
        return "--upskill"
    folder = config.folder or replies_folder(settings.rootdir, config.name)
    label = "" if config.name == "files" else f"{config.name}="
    return f"--upskill-student=files:{label}{_relative(folder, settings.invocation_dir)}"


def record_options(settings: Settings, student: str | None, arm: str | None, trial: int) -> list[str]:
    """Options that query the student, and record its reply beside the skill."""
    server = _options(base_url=settings.base_url, serve=settings.serve)
    # With more than one turn, later questions depend on how the replies before are judged.
    judging = _judging(settings) if settings.turns > 1 else []
    question = _question(settings, arm, trial)
    return [f"--upskill-student={student}", "--upskill-replies=record", *question, *server, *judging]


def _question(settings: Settings, arm: str | None, trial: int) -> list[str]:
    """Options without which this arm, trial and number of turns would not be collected."""
    collected = arm in DEFAULTS["arms"] and settings.arms == DEFAULTS["arms"]
    return _options(arms=None if collected else arm, trials=trial, turns=settings.turns)


def _judging(settings: Settings) -> list[str]:
    names = ("timeout", "item_timeout", "device", "arch", "sandbox", "sanitizer")
    return _options(**{name: getattr(settings, name) for name in names})


def _options(**values: Any) -> list[str]:
    """The options for values that differ from their defaults."""
    given = {name.replace("_", "-"): value for name, value in values.items() if value and value != DEFAULTS.get(name)}
    texts = {name: f"{value:g}" if isinstance(value, float) else value for name, value in given.items()}
    return [f"--upskill-{name}" if text is True else f"--upskill-{name}={text}" for name, text in texts.items()]
