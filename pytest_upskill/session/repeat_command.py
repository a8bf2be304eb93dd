"""Makes the command lines with which a user runs one item again, for reports."""

import functools
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from os.path import relpath
from pathlib import Path
from typing import Any

from pytest_upskill.cases.case import PUBLISHED, Case
from pytest_upskill.configuration.settings import Settings
from pytest_upskill.replies.cassette import cassette_path
from pytest_upskill.skills.arms import AA_ARMS, BASELINE, REPEAT
from pytest_upskill.students.base import StudentConfig, is_at_hand
from pytest_upskill.students.files import replies_folder


@functools.lru_cache(maxsize=64)
def _relative(path: Path, folder: Path) -> str:
    """Return the relative path. The result is cached, because a skill may have thousands of items that share few
    paths.
    """
    return relpath(path, folder)


def command(settings: Settings, skill_path: Path, item: str, options: Sequence[str]) -> str:
    """Return the command that runs an item from the folder where pytest was called."""
    path = _relative(skill_path, settings.invocation_dir)
    # pytest takes an argument that begins like this for an option, or for a file of arguments.
    item_id = f"./{path}::{item}" if path.startswith(("-", "@")) else f"{path}::{item}"
    return " ".join(map(_quoted, ("pytest", *settings.pytest_options, item_id, *options)))


def _quoted(word: str) -> str:
    """Return a word quoted for a shell, without line ends and other characters that a terminal cannot show."""
    option, equals, value = word.partition("=") if re.match("--[^=]+=", word) else ("", "", word)
    if value.replace(" ", "").isprintable():
        return option + equals + shlex.quote(value)
    letters = (char if char.isprintable() and char not in "\\'" else _escaped(char) for char in value)
    return f"{option}{equals}$'{''.join(letters)}'"


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8 in a file's name
        return f"\\x{ord(char) - 0xDC00:02x}"
    return f"\\U{ord(char):08x}" if char not in "\\'" else f"\\{char}"


def on_ci() -> bool:
    """Return whether pytest runs on CI, by pytest's own rule. The output is then a log that is read on another
    machine.
    """
    return any(os.environ.get(name) for name in ("CI", "BUILD_NUMBER"))


def is_recorded(settings: Settings, config: StudentConfig | None, skill_path: Path) -> bool:
    """Return whether a replay takes the reply from the cassette.

    On CI it does if there is a cassette, because the machine where the log is read may lack the replies of this run.
    """
    if config is None or is_at_hand(config) or settings.replies == "live":
        return False
    if settings.replies == "replay":
        return True
    return on_ci() and (settings.replies == "record" or cassette_path(skill_path.parent, config.name).is_file())


def concerning(case: Case | None, settings: Settings) -> Settings:
    """Return the settings without those that cannot change the result of a case, such as a judge if there is no
    rubric.
    """
    has_rubric = case is not None and case.expect is not None and case.expect.rubric
    return settings if has_rubric or settings.judge is None else replace(settings, judge=None)


def replay_options(
    settings: Settings,
    config: StudentConfig | None,
    arm: str | None,
    trial: int,
    recorded: bool = False,
    seed: int | None = None,
) -> list[str]:
    """Return options that judge an item again on its stored reply, without querying a student.

    ``config`` and ``arm`` are None for an item that has no student. The later turns of a ``recorded`` conversation are
    found only if all examples are the same as in the run, so the options then include the run's ``seed``.
    """
    source = _recording(settings, config) if recorded and config else [_source(settings, config)]
    repeated = recorded and settings.turns > 1
    examples = _options(settings, examples=settings.examples, seed=seed) if repeated else []
    question = [] if source == ["--upskill"] else _question(settings, arm, trial)
    return [*source, *question, *examples, *_judging(settings)]


def answers_steps(settings: Settings, arguments: Sequence[str], from_file: bool) -> tuple[str, str]:
    """Return a sentence that says where to save the answers to a run's prompts, and the command that judges the
    answers.

    ``arguments`` are the run's arguments. ``from_file`` says whether the folder for prompts was given as an ini value.
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
    if config is None or (config.provider == "golden" and settings.self_check):
        return "--upskill"
    if config.provider == "golden":
        return f"--upskill-student={config.name}"
    if config.provider == PUBLISHED:
        return f"--upskill-student=hub:{config.name}={config.model}"
    folder = config.folder or replies_folder(settings.rootdir, config.name)
    label = "" if config.name == "files" else f"{config.name}="
    return f"--upskill-student=files:{label}{_relative(folder, settings.invocation_dir)}"


def _recording(settings: Settings, config: StudentConfig) -> list[str]:
    replies = _options(settings, base_url=settings.base_url)
    return [f"--upskill-student={config.name}", "--upskill-replies=replay", *replies]


def record_options(settings: Settings, student: str | None, arm: str | None, trial: int) -> list[str]:
    """Return options that query the student and record its reply beside the skill."""
    server = _options(settings, base_url=settings.base_url, serve=settings.serve)
    question = _question(settings, arm, trial)
    return [f"--upskill-student={student}", "--upskill-replies=record", *question, *server, *_judging(settings)]


def _question(settings: Settings, arm: str | None, trial: int) -> list[str]:
    """Return the options that are necessary for this arm, trial and number of turns to be collected."""
    collected = arm in settings.unset["arms"] and settings.arms == settings.unset["arms"]
    noise = None if arm == BASELINE else settings.noise
    if arm == REPEAT:  # the trials of this arm begin after those of the skill
        return _options(settings, arms=AA_ARMS, trials=settings.trials, turns=settings.turns, noise=noise)
    return _options(settings, arms=None if collected else arm, trials=trial, turns=settings.turns, noise=noise)


def _judging(settings: Settings) -> list[str]:
    names = ("example", "timeout", "item_timeout", "device", "arch", "sandbox", "sanitizer")
    given = {name: getattr(settings, name) for name in names}
    judge = ",".join(settings.judge) if settings.judge and settings.judge != settings.unset.get("judge") else None
    return _options(settings, **given, gate="off" if settings.gates.in_files else None, judge=judge)


def _options(settings: Settings, **values: Any) -> list[str]:
    """Return the options for those values that differ from the values without an option."""
    given = {name.replace("_", "-"): value for name, value in values.items()
             if value is not None and value is not False and value != settings.unset.get(name)}  # fmt: skip
    texts = {name: f"{value:g}" if isinstance(value, float) else value for name, value in given.items()}
    return [f"--upskill-{name}" if text is True else f"--upskill-{name}={text}" for name, text in texts.items()]
