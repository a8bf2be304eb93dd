"""Options and ini values, read once into one frozen ``Settings``. Nothing below this room sees pytest's ``config``.

Every option has an ini value of the same name with underscores; the command line wins. Values are validated when they
are parsed, and a wrong one prints the accepted forms.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_upskill.errors import UsageError

if TYPE_CHECKING:
    import pytest

REPORT_SUFFIXES = (".json", ".md", ".csv")
DEFAULT_ARMS = ("skill", "baseline")
DEFAULT_TIMEOUT = 10.0
PROMPTS_STUDENT = "prompts"
"""The student of a run that only writes prompts and names no other."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run was asked for. Paths are absolute; ``seed`` is None until the controller draws one."""

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
    rootdir: Path
    invocation_dir: Path

    @property
    def self_check(self) -> bool:
        """No student was named: the cases themselves are checked."""
        return not self.students


# --------------------------------------------------------------------------------------------- parsing of values


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part for part in (piece.strip() for piece in re.split(r"[,\n]", text)) if part)
    if not names:
        raise ValueError("expected a name, or several separated by commas")
    return names


def _arms(text: str) -> tuple[str, ...]:
    arms = tuple(dict.fromkeys(_names(text)))
    for arm in arms:
        kind, colon, revision = arm.partition(":")
        if kind == "previous" and colon and revision:
            continue
        if arm not in ("skill", "baseline", "placebo"):
            raise ValueError(f"unknown arm {arm!r}; accepted: skill, baseline, placebo, previous:REVISION")
    return _with_names_of_their_own(arms)


def _with_names_of_their_own(arms: tuple[str, ...]) -> tuple[str, ...]:
    from pytest_upskill.skills.arms import slug

    named: dict[str, str] = {}
    for arm in arms:
        if named.setdefault(slug(arm), arm) != arm:
            raise ValueError(
                f"arms {named[slug(arm)]!r} and {arm!r} would both be called {slug(arm)!r}; name one of them"
            )
    return arms


def _positive_int(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text) or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _seed(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text) or int(text) >= 2**63:
        raise ValueError(f"{text!r} is not a whole number from 0 to 2**63-1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 86400:
        raise ValueError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _device(text: str) -> str:
    if text not in ("auto", "cuda", "cpu"):
        raise ValueError(f"unknown device {text!r}; accepted: auto, cuda, cpu")
    return text


def _arch(text: str) -> str:
    if not re.fullmatch(r"sm_[0-9]{2,3}[af]?", text):
        raise ValueError(f"{text!r} is not an architecture of GPUs such as sm_90")
    return text


def _sandbox(text: str) -> str:
    if text not in ("auto", "strict"):
        raise ValueError(f"unknown way to confine kernels {text!r}; accepted: auto, strict")
    return text


def _replies(text: str) -> str:
    if text not in ("auto", "live", "record", "replay"):
        raise ValueError(f"unknown source of replies {text!r}; accepted: auto, live, record, replay")
    return text


def _usd(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text):
        raise ValueError(f"{text!r} is not an amount of USD such as 2.50")
    return float(text)


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise ValueError(f"{text!r} is not a URL such as http://127.0.0.1:8080/v1")
    return text


def _report(text: str) -> str:
    if Path(text).suffix not in REPORT_SUFFIXES:
        raise ValueError(f"report {text!r} must end in one of {', '.join(REPORT_SUFFIXES)}")
    return text


def _reports(text: str) -> tuple[str, ...]:
    return tuple(_report(name) for name in _names(text))


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("the value is empty")
    return text


# --------------------------------------------------------------------------------------------- the options


@dataclass(frozen=True, slots=True)
class Option:
    """One option: ``parse`` turns its text into a value and raises ValueError naming the accepted forms."""

    name: str
    metavar: str
    help: str
    parse: Callable[[str], Any]
    repeatable: bool = False

    @property
    def flag(self) -> str:
        return f"--upskill-{self.name}"

    @property
    def dest(self) -> str:
        return f"upskill_{self.name.replace('-', '_')}"


OPTIONS = (
    Option("student", "NAME", "ask this student (repeatable, or comma-separated): a built-in name, a name from "
           "[tool.upskill.students], or files:DIR", _names, repeatable=True),
    Option("arms", "ARMS", "what students are given, comma-separated: skill, baseline, placebo, previous:REVISION "
           "(default: skill,baseline)", _arms),
    Option("trials", "N", "ask for each kernel N times (default: 1)", _positive_int),
    Option("turns", "N", "after a failure, tell the student what is wrong and let it try again, up to N tries in all "
           "(default: 1)", _positive_int),
    Option("device", "DEVICE", "where kernels run: auto, cuda or cpu (default: auto)", _device),
    Option("arch", "SM", "compile for this architecture of GPUs, such as sm_90 (default: that of the GPU in use)",
           _arch),
    Option("examples", "N", "examples that are drawn for each dtype (default: 25, or the case's own)", _positive_int),
    Option("seed", "N", "repeat a run exactly: the seed that its header printed", _seed),
    Option("example", "EXAMPLE", "judge on this example alone, as a failure printed it: "
           "'rows=1 cols=33 dtype=float16 seed=7'", _text),
    Option("timeout", "SECONDS", "the longest that one call of a kernel may take (default: 10)", _seconds),
    Option("replies", "SOURCE", "where replies come from: auto (those that are kept, else the student), live (always "
           "the student), record (as auto, and written beside the skill), replay (recorded ones alone) (default: auto)",
           _replies),
    Option("budget", "USD", "ask nobody once the next reply might cost more than is left of this", _usd),
    Option("max-tokens", "N", "ask nobody once the next reply might take more tokens than are left of this",
           _positive_int),
    Option("concurrency", "N", "questions to a student that may be open at once (default: its table's, else its "
           "server's slots, else 4)", _positive_int),
    Option("base-url", "URL", "where the llama.cpp server answers (default: http://127.0.0.1:8080/v1)", _url),
    Option("cell", "LEVEL", "how kernels are confined: auto takes the strongest level there is, strict refuses to run "
           "with less than bubblewrap and all it needs (default: auto)", _sandbox),
    Option("report", "PATH", "write a report; the ending chooses the form: .json, .md or .csv (repeatable)",
           _reports, repeatable=True),
    Option("prompts", "DIR", "write the prompts to this folder, and run nothing", _text),
)  # fmt: skip


def add_options(parser: pytest.Parser) -> None:
    """Adds the group of options, and their ini values."""
    group = parser.getgroup("upskill", "skills, judged by the kernels that students write")
    group.addoption(
        "--upskill", action="store_true", default=None,
        help="collect skills; without a student, check their cases",
    )  # fmt: skip
    parser.addini("upskill", "collect skills, as --upskill does", type="bool", default=False)
    for option in OPTIONS:
        group.addoption(
            option.flag,
            dest=option.dest,
            metavar=option.metavar,
            action="append" if option.repeatable else "store",
            type=_argument_type(option),
            default=None,
            help=option.help,
        )
        parser.addini(option.dest, f"default of {option.flag}", type="string", default="")
    group.addoption(
        "--upskill-serve", action="store_true", default=None,
        help="start the server of a llama.cpp student where none answers: llama-server, or the extra [llama]",
    )  # fmt: skip
    parser.addini("upskill_serve", "default of --upskill-serve", type="bool", default=False)
    group.addoption(
        "--upskill-sanitizer", action="store_true", default=None,
        help="on the cuda device, run kernels under compute-sanitizer's memcheck, many times slower",
    )  # fmt: skip
    parser.addini("upskill_sanitizer", "default of --upskill-sanitizer", type="bool", default=False)


def _argument_type(option: Option) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    parse.__name__ = option.metavar
    return parse


def _value(config: pytest.Config, option: Option) -> Any:
    given = config.getoption(option.dest)
    if given is not None:
        return tuple(item for group in given for item in group) if option.repeatable else given
    text = str(config.getini(option.dest) or "").strip()
    if not text:
        return None
    try:
        return option.parse(text)
    except ValueError as error:
        raise UsageError(f"ini value {option.dest}: {error}") from None


def requested(config: pytest.Config) -> bool:
    """True if the user asked for skills: ``--upskill``, a student, prompts, or the ini values of these."""
    if config.getoption("upskill") or config.getini("upskill"):
        return True
    asking = (option for option in OPTIONS if option.name in ("student", "prompts"))
    return any(config.getoption(option.dest) or config.getini(option.dest) for option in asking)


def read(config: pytest.Config) -> Settings:
    """Options over ini values over defaults. Raises UsageError on a value that cannot be meant so."""
    values = {option.name: _value(config, option) for option in OPTIONS}
    invocation_dir = config.invocation_params.dir
    students = tuple(dict.fromkeys(values["student"] or ()))
    if values["prompts"] and not students:
        students = (PROMPTS_STUDENT,)
    return Settings(
        students=students,
        arms=values["arms"] or DEFAULT_ARMS,
        trials=values["trials"] or 1,
        turns=values["turns"] or 1,
        serve=bool(config.getoption("upskill_serve") or config.getini("upskill_serve")),
        device=values["device"] or "auto",
        arch=values["arch"],
        sandbox=values["cell"] or "auto",
        sanitizer=bool(config.getoption("upskill_sanitizer") or config.getini("upskill_sanitizer")),
        examples=values["examples"],
        seed=values["seed"],
        example=values["example"],
        timeout=values["timeout"] or DEFAULT_TIMEOUT,
        replies=values["replies"] or "auto",
        budget=values["budget"],
        max_tokens=values["max-tokens"],
        concurrency=values["concurrency"],
        base_url=values["base-url"],
        reports=tuple(invocation_dir / name for name in values["report"] or ()),
        prompts=invocation_dir / values["prompts"] if values["prompts"] else None,
        students_tables=_students_tables(config.rootpath / "pyproject.toml"),
        rootdir=config.rootpath,
        invocation_dir=invocation_dir,
    )


def check_writable(path: Path) -> None:
    """Raises UsageError before anything is run: a report that cannot be written must not cost a run."""
    if path.is_dir():
        raise UsageError(f"--upskill-report: {path} is a folder; name a file in it, such as {path / 'report.json'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        existed = path.exists()
        path.open("a").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise UsageError(
            f"--upskill-report: {path} cannot be written ({error.strerror}); name a file where you may write"
        ) from None


def _students_tables(pyproject: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        data = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{pyproject} cannot be read: {error}") from None
    tables = data.get("tool", {}).get("upskill", {}).get("students", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise UsageError(f"{pyproject}: [tool.upskill.students] must hold one table for each student")
    return tables
