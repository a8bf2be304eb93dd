"""``Settings``, which has everything that a user can set for a run; and checks of the files that the settings name."""

import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_upskill.configuration.values import REPORT_FORMS
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import UsageError
from pytest_upskill.records.gating import Gates, KnownFailure
from pytest_upskill.reporting import FOLDER_MARKER, SKILL_CREATOR
from pytest_upskill.skills.noise import NO_NOISE, Noise

DEFAULTS: Mapping[str, Any] = {
    "arms": ("skill", "baseline"), "trials": 1, "turns": 1, "device": "auto", "sandbox": "auto", "timeout": 10.0,
    "item_timeout": 120.0, "replies": "auto", "gate": "estimate", "noise": NO_NOISE,
}  # fmt: skip
"""The values of settings that the user did not give. Settings that are not listed here are None, False or empty."""
PROMPTS_STUDENT = "prompts"
"""The student of a run that only writes prompts and names no student."""
KNOWN_TABLES = ("students", "gates")
"""The tables that ``[tool.upskill]`` may contain."""

REPORT = "--upskill-report"
_PROBE = b"\0" * 65536
"""These bytes are written and removed as a test, because a disk without that much space cannot hold a report."""


@dataclass(frozen=True, slots=True)
class ReportTarget:
    """A report to write. ``form`` is a suffix, or one of ``REPORT_FORMS``."""

    form: str
    path: Path

    @classmethod
    def of(cls, text: str, folder: Path) -> "ReportTarget":
        """Return the target that ``--upskill-report=text`` names if the option is given in ``folder``."""
        form, colon, path = text.partition(":")
        if not colon or form not in REPORT_FORMS:
            form, path = Path(text).suffix.lower(), text
        return cls(form, folder / Path(path).expanduser())

    def check(self, option: str = REPORT) -> None:
        """Raise UsageError if the report cannot be written to this target. Called before anything runs."""
        if self.form == SKILL_CREATOR:
            _check_report_folder(self.path, option)
        else:
            check_writable(self.path, option)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a run. Paths are absolute; ``seed`` is None until the controller draws one.

    ``origins`` says where ``base_url`` and ``serve`` were given: in an option, or in a configuration file. A setting
    with its default value has no origin. ``typed`` are the flags of this command line, without the flags of
    ``addopts``; in a worker it is empty. ``arms_named`` is true if the arms are not the default ones. ``unused`` is an
    ini value that ``--upskill`` overrides.
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
    item_timeout: float
    replies: str
    budget: float | None
    max_tokens: int | None
    concurrency: int | None
    base_url: str | None
    reports: tuple[ReportTarget, ...]
    prompts: Path | None
    compare: str | None
    xfail: tuple[KnownFailure, ...] | None
    judge: tuple[str, ...] | None
    noise: Noise
    gates: Gates
    students_tables: Mapping[str, Mapping[str, Any]]
    origins: Mapping[str, str]
    rootdir: Path
    invocation_dir: Path
    unset: Mapping[str, Any] = field(default_factory=lambda: DEFAULTS)
    """The value of each setting if its option is left out: the ini value, or the default if there is no ini value."""
    pytest_options: tuple[str, ...] = ()
    """Options of pytest's own that the user gave, and that a command must repeat to find the same files and values."""
    typed: frozenset[str] = frozenset()
    arms_named: bool = False
    export: Path | None = None
    """The folder to which the passing kernels are written as projects."""
    unused: str = ""

    @property
    def self_check(self) -> bool:
        """Return whether the cases themselves are checked, because no student was named."""
        return not self.students


def students_tables(pyproject: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the tables ``[tool.upskill.students.<name>]`` by name; empty if there is no such file. Raises
    UsageError.
    """
    return tables(pyproject, "students", "student")


def tables(pyproject: Path, name: str, each: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the tables ``[tool.upskill.<name>.*]``; empty if there is no such file. Raises UsageError.

    ``each`` is the word for one table in messages.
    """
    try:
        data = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{pyproject} cannot be read: {error}") from None
    ours = data.get("tool", {}).get("upskill", {})
    for key in ours:
        if key not in KNOWN_TABLES:
            raise UsageError(f"{pyproject}: [tool.upskill] has no '{key}'{suggest(key, KNOWN_TABLES)}")
    found = ours.get(name, {})
    if not isinstance(found, dict) or not all(isinstance(table, dict) for table in found.values()):
        raise UsageError(f"{pyproject}: [tool.upskill.{name}] must hold one table for each {each}")
    return found


def check_writable(path: Path, option: str = REPORT) -> None:
    """Create the folder of a file. Raise UsageError if the file cannot be written."""
    if path.is_dir():
        raise UsageError(f"{option}: {path} is a folder; name a file in it, such as {path / 'report.json'}")
    if path.is_fifo():
        raise UsageError(f"{option}: {path} is a pipe; name a file")
    try:
        existed = path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
        if not existed:
            path.unlink()
        if not existed or path.is_file():
            _probe(path.resolve().parent)
    except OSError as error:
        raise _refused(option, path, error, "name a file where you may write") from None


def _check_report_folder(path: Path, option: str) -> None:
    if path.exists() and not path.is_dir():
        raise UsageError(f"{option}: {path} is a file; {SKILL_CREATOR} writes a folder")
    check_folder(path, option)
    if any(path.iterdir()) and not (path / FOLDER_MARKER).exists():
        problem = f"{path} holds other files; name a new folder, or one that holds an earlier report"
        raise UsageError(f"{option}: {problem}")


def check_folder(path: Path, option: str) -> None:
    """Create a folder. Raise UsageError if no files can be written to it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        _probe(path)
    except OSError as error:
        raise _refused(option, path, error, "name a folder where you may write") from None


def _probe(folder: Path) -> None:
    probe = folder / f".writing-{secrets.token_hex(8)}"
    try:
        probe.write_bytes(_PROBE)
    except PermissionError:
        return  # an existing file may be writable even if its folder is not
    finally:
        probe.unlink(missing_ok=True)


def _refused(option: str, path: Path, error: OSError, remedy: str) -> UsageError:
    return UsageError(f"{option}: {path} cannot be written ({error.strerror}); {remedy}")
