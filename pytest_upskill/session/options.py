"""The options of ``pytest``, each with an ini value of the same name with underscores; the command line wins.

Values are validated when they are parsed, and a wrong one prints the accepted forms. ``read`` turns them into one
frozen ``Settings``: nothing below this package sees pytest's ``config``. Imported whenever pytest starts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_upskill.configuration import values
from pytest_upskill.errors import UsageError

if TYPE_CHECKING:
    import pytest

    from pytest_upskill.configuration.settings import Settings


class Option(NamedTuple):  # no dataclass: every pytest that has us installed would pay 2 ms for making it
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
           "[tool.upskill.students], or files:DIR", values.names, repeatable=True),
    Option("arms", "ARMS", "what students are given, comma-separated: skill, baseline, placebo, previous:REVISION "
           "(default: skill,baseline)", values.arms),
    Option("trials", "N", "ask for each kernel N times (default: 1)", values.positive_int),
    Option("turns", "N", "after a failure, tell the student what is wrong and let it try again, up to N tries in all "
           "(default: 1)", values.positive_int),
    Option("device", "DEVICE", "where kernels run: auto, cuda or cpu (default: auto)", values.device),
    Option("arch", "SM", "compile for this architecture of GPUs, such as sm_90 (default: that of the GPU in use)",
           values.arch),
    Option("examples", "N", "examples that are drawn for each dtype (default: 25, or the case's own)",
           values.positive_int),
    Option("seed", "N", "repeat a run exactly: the seed that its header printed", values.seed),
    Option("example", "EXAMPLE", "judge on this example alone, as a failure printed it: "
           "'rows=1 cols=33 dtype=float16 seed=7'", values.text),
    Option("timeout", "SECONDS", "the longest that one call of a kernel may take (default: 10)", values.seconds),
    Option("replies", "SOURCE", "where replies come from: auto (those that are kept, else the student), live (always "
           "the student), record (as auto, and written beside the skill), replay (recorded ones alone) (default: auto)",
           values.replies),
    Option("budget", "USD", "stop asking once the next reply could exceed the remaining budget", values.usd),
    Option("max-tokens", "N", "stop asking once the next reply could take more tokens than remain of this",
           values.positive_int),
    Option("concurrency", "N", "maximum concurrent requests per student (default: its table's, else its server's "
           "slots, else 4)", values.positive_int),
    Option("base-url", "URL", "where the llama.cpp server answers (default: http://127.0.0.1:8080/v1)", values.url),
    Option("sandbox", "LEVEL", "how kernels are confined: auto uses the strongest level available, strict aborts "
           "unless full isolation by bubblewrap is available (default: auto)", values.sandbox),
    Option("report", "PATH", "write a report; the ending chooses the form: .json, .md or .csv (repeatable)",
           values.reports, repeatable=True),
    Option("prompts", "DIR", "write the prompts to this folder, and run nothing", values.text),
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
    """Options over ini values over defaults. Raises UsageError on a wrong value."""
    from pytest_upskill.configuration.pyproject import students_tables
    from pytest_upskill.configuration.settings import DEFAULT_ARMS, DEFAULT_TIMEOUT, PROMPTS_STUDENT, Settings

    given = {option.name: _value(config, option) for option in OPTIONS}
    invocation_dir = config.invocation_params.dir
    students = tuple(dict.fromkeys(given["student"] or ()))
    if given["prompts"] and not students:
        students = (PROMPTS_STUDENT,)
    return Settings(
        students=students,
        arms=given["arms"] or DEFAULT_ARMS,
        trials=given["trials"] or 1,
        turns=given["turns"] or 1,
        serve=bool(config.getoption("upskill_serve") or config.getini("upskill_serve")),
        device=given["device"] or "auto",
        arch=given["arch"],
        sandbox=given["sandbox"] or "auto",
        sanitizer=bool(config.getoption("upskill_sanitizer") or config.getini("upskill_sanitizer")),
        examples=given["examples"],
        seed=given["seed"],
        example=given["example"],
        timeout=given["timeout"] or DEFAULT_TIMEOUT,
        replies=given["replies"] or "auto",
        budget=given["budget"],
        max_tokens=given["max-tokens"],
        concurrency=given["concurrency"],
        base_url=given["base-url"],
        reports=tuple(invocation_dir / name for name in given["report"] or ()),
        prompts=invocation_dir / given["prompts"] if given["prompts"] else None,
        students_tables=students_tables(config.rootpath / "pyproject.toml"),
        rootdir=config.rootpath,
        invocation_dir=invocation_dir,
    )
