"""The options of ``pytest``. Each has an ini value of the same name with underscores. The command line overrides it.

Values are validated when they are parsed, and the message about a wrong value lists the accepted forms. ``read`` turns
the values into one frozen ``Settings``, so that lower layers do not see pytest's ``config``. This module is imported
whenever pytest starts.
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


class Option(NamedTuple):  # creating a dataclass would take 2 ms in every start of pytest with this plugin
    """One option. ``parse`` turns its text into a value. It raises ValueError with a message that lists the accepted
    forms.
    """

    name: str
    metavar: str
    help: str
    parse: Callable[[str], Any]
    repeatable: bool = False
    without_value: str | None = None
    """The value that the option has if it is given without a value; None if it needs one."""

    @property
    def flag(self) -> str:
        return f"--upskill-{self.name}"

    @property
    def dest(self) -> str:
        return f"upskill_{self.name.replace('-', '_')}"


OPTIONS = (
    Option("student", "NAME", "the student to test: a built-in name, a name from [tool.upskill.students], or "
           "files:DIR (repeatable, or comma-separated)", values.names, repeatable=True),
    Option("arms", "ARMS", "the arms (variants of the prompt) to compare, comma-separated: skill, baseline, placebo, "
           "previous:REVISION (default: skill,baseline); skill,skill compares the skill with itself (A/A run)",
           values.arms),
    Option("trials", "N", "replies to request for each prompt (default: 1)", values.positive_int),
    Option("turns", "N", "maximum attempts at each kernel: after a failure, the student sees what is wrong and tries "
           "again (default: 1)", values.positive_int),
    Option("noise", "N", "add the names and descriptions of N other skills to each prompt except the baseline's; "
           "N:SEED selects other ones (default: 0)", values.noise),
    Option("judge", "NAME", "the model that judges the rubrics of text cases; from a comma-separated list, the first "
           "one of a different model family than the student is used (default: none; rubrics are inconclusive)",
           values.names),
    Option("device", "DEVICE", "where kernels run: auto, cuda or cpu (default: auto)", values.device),
    Option("arch", "SM", "the GPU architecture to compile for, such as sm_90 (default: that of the GPU in use)",
           values.arch),
    Option("examples", "N", "examples per dtype (default: the case's 'examples', else 25)",
           values.positive_int),
    Option("seed", "N", "the seed of all examples (default: random; the header of a run shows it)", values.seed),
    Option("example", "EXAMPLE", "judge kernels on this example only, in the form that a failure prints: "
           "'rows=1 cols=33 dtype=float16 seed=7'", values.text),
    Option("timeout", "SECONDS", "time limit of one kernel call (default: 10); on the cpu device, CUDA kernels get "
           "this much processor time and three times as much wall-clock time", values.seconds),
    Option("item-timeout", "SECONDS", "time limit of all calls of one kernel together (default: 120)", values.seconds),
    Option("replies", "SOURCE", "where replies come from: auto (stored replies and cassettes, else the student), "
           "live (always the student), record (like auto; also writes cassettes), replay (cassettes only), "
           "kept (only stored replies and cassettes, even if their prompts have changed) (default: auto)",
           values.replies),
    Option("budget", "USD", "maximum cost of the run; asking stops once the next reply could exceed it", values.usd),
    Option("max-tokens", "N", "maximum tokens of the run; asking stops once the next reply could exceed them",
           values.positive_int),
    Option("concurrency", "N", "maximum concurrent requests per student (default: 'concurrency' in "
           "[tool.upskill.students.NAME], else the server's parallel slots, else 4)", values.positive_int),
    Option("base-url", "URL", "the URL of the llama.cpp server (default: http://127.0.0.1:8080/v1)", values.url),
    Option("sandbox", "LEVEL", "the isolation of kernels: auto uses the strongest level available, strict aborts "
           "unless full isolation by bubblewrap is available (default: auto)", values.sandbox),
    Option("report", "PATH", "write a report; the suffix selects the format: .json, .md, .csv or .html; "
           "other formats: skill-creator:DIR, upskill:FILE.csv, badge:FILE.json (repeatable)",
           values.reports, repeatable=True),
    Option("compare", "RUN", "after the run, compare it with the earlier run RUN: a number that `pytest-upskill runs` "
           "shows, or a JSON report (default: the latest run with at least half of the items)", values.compared_run,
           without_value="last"),
    Option("min-pass-rate", "R", "gate: fail the run unless the pass rate with the skill is at least R, such as 0.8 "
           "(with any gate, a wrong kernel fails no test and is shown as f)", values.rate),
    Option("min-lift", "R", "gate: fail the run unless the lift over the baseline is at least R, such as 0.1",
           values.lift),
    Option("max-cost", "USD", "gate: fail the run if the replies for a skill cost more", values.usd),
    Option("no-regression", "RUN", "gate: fail the run if a case passed more often in the earlier run RUN "
           "(values and default: as for --upskill-compare)",
           values.compared_run, without_value="last"),
    Option("gate", "HOW", "what gates compare with the threshold: estimate, or interval (may be inconclusive: exit "
           "status 7); off ignores all gates (default: estimate)", values.gate),
    Option("xfail", "KNOWN", "known failures, which do not fail the run: 'SKILL[/CASE] STUDENT: REASON', one per line; "
           "* matches any name (repeatable)", values.known_failures, repeatable=True),
    Option("export", "DIR", "write each case's first passing kernel to this folder, as a project for Hugging Face's "
           "kernel-builder", values.text),
    Option("prompts", "DIR", "write the prompts to this folder; query no model and run no kernel", values.text),
)  # fmt: skip

SWITCHES = {
    "upskill": "collect skills; without a student, check their cases",
    "upskill-serve": "if a llama.cpp student's server does not answer, start one: llama-server from the PATH, else "
    "the one of the extra [llama]",
    "upskill-until-decided": "stop asking a student about a skill once its gates are decided",
    "upskill-sanitizer": "on the cuda device, run kernels under compute-sanitizer's memcheck (many times slower)",
}
"""The options that take no value, with their help."""


def add_options(parser: pytest.Parser) -> None:
    """Add the group of options, and their ini values."""
    group = parser.getgroup("upskill", "pytest-upskill: measure whether agent skills help")
    first, *others = SWITCHES
    _add_switch(group, parser, first)
    for option in OPTIONS:
        optional = {} if option.without_value is None else {"nargs": "?", "const": option.without_value}
        group.addoption(
            option.flag, dest=option.dest, metavar=option.metavar, type=_argument_type(option), default=None,
            action="append" if option.repeatable else "store", help=option.help, **optional,
        )  # fmt: skip
        parser.addini(option.dest, f"default of {option.flag}", type="string", default="")
    for name in others:
        _add_switch(group, parser, name)


def _add_switch(group: pytest.OptionGroup, parser: pytest.Parser, name: str) -> None:
    group.addoption(f"--{name}", action="store_true", default=None, help=SWITCHES[name])
    parser.addini(name.replace("-", "_"), f"default of --{name}", type="bool", default=False)


def _argument_type(option: Option) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    parse.__name__ = option.metavar
    return parse


def _value(config: pytest.Config, option: Option) -> Any:
    if (given := config.getoption(option.dest)) is not None:
        return tuple(item for group in given for item in group) if option.repeatable else given
    return _ini_value(config, option)


def _ini_value(config: pytest.Config, option: Option) -> Any:
    if not (text := str(config.getini(option.dest) or "").strip()):
        return None
    try:
        return option.parse(text)
    except ValueError as error:
        raise UsageError(f"ini value {option.dest}: {error}") from None


def _origin(config: pytest.Config, dest: str) -> str:
    """Return where a value was given: the option's flag, or the configuration file relative to the current folder."""
    from os.path import relpath

    if config.getoption(dest) or config.inipath is None:
        return f"--{dest.replace('_', '-')}"
    return relpath(config.inipath, config.invocation_params.dir)


def _pytest_options(config: pytest.Config) -> tuple[str, ...]:
    import os

    given = config.option
    words = [word for name, value in (("-c", given.inifilename), ("--rootdir", given.rootdir)) if value
             for word in (name, str(value))]  # fmt: skip
    own = (value for value in given.override_ini or () if not value.startswith("strict"))  # comes from --strict-markers
    words += [word for value in own for word in ("-o", value)]
    if not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):  # if set, -p names plugins that load without it elsewhere
        fixed = config.getini("addopts")
        loaded = (name for name in given.plugins or () if not name.startswith("no:") and name not in fixed)
        words += [word for name in loaded for word in ("-p", name)]
    return tuple(words)


def requested(config: pytest.Config, given: argparse.Namespace | None = None) -> bool:
    """Return whether ``--upskill``, a student or prompts were requested, by options or ini values.

    ``given`` are the options that are known before conftest files are loaded.
    """
    asking = ("upskill", "upskill_student", "upskill_prompts")
    return any(getattr(given or config.option, name, None) or config.getini(name) for name in asking)


def _is_on(config: pytest.Config, switch: str) -> bool:
    return bool(config.getoption(switch) or config.getini(switch))


def typed(config: pytest.Config) -> frozenset[str]:
    """Return our flags on this command line. Flags in ``addopts`` and ``PYTEST_ADDOPTS`` are left out, because they are
    for every run.
    """
    arguments = map(str, config.invocation_params.args)
    return frozenset(text.partition("=")[0] for text in arguments if text.startswith("--upskill"))


def check_ini(config: pytest.Config) -> None:
    """Raise UsageError for an ini value whose name has our prefix but is unknown."""
    known = [*(option.dest for option in OPTIONS), *(name.replace("-", "_") for name in SWITCHES)]
    unknown = next((key for key in config._get_unknown_ini_keys() if key.startswith("upskill")), None)
    if unknown is not None:
        from pytest_upskill.documents.spelling import suggest

        raise UsageError(f"{config.inipath}: unknown ini value '{unknown}'{suggest(unknown, known)}")


def _checks_cases(config: pytest.Config) -> bool:
    """Return whether the user asks for the self-check: ``--upskill`` is an option, and no student is given as an
    option.
    """
    asking = (config.getoption(f"upskill_{name}") for name in ("student", "prompts"))
    return bool(config.getoption("upskill")) and not any(asking)


def read(config: pytest.Config) -> Settings:
    """Return the settings: options override ini values, and ini values override defaults. Raises UsageError on a wrong
    value.
    """
    from pathlib import Path

    from pytest_upskill.configuration.gates import GATE_NAMES, read_gates
    from pytest_upskill.configuration.settings import (
        DEFAULTS,
        PROMPTS_STUDENT,
        ReportTarget,
        Settings,
        students_tables,
    )

    found = {option.dest.removeprefix("upskill_"): _value(config, option) for option in OPTIONS}
    unset = {option.dest.removeprefix("upskill_"): _ini_value(config, option) for option in OPTIONS}
    for values_ in (found, unset):
        values_ |= {name: value for name, value in DEFAULTS.items() if values_[name] is None}
    student, report, prompts, how = (found.pop(name) for name in ("student", "report", "prompts", "gate"))
    export = found.pop("export")
    unused = ""
    if _checks_cases(config) and (student or prompts):
        name, value = ("student", ",".join(student)) if student else ("prompts", prompts)
        unused, student, prompts = f"upskill_{name} = {value}", None, None
    serve, invocation_dir = _is_on(config, "upskill_serve"), config.invocation_params.dir
    given = {"base_url": found["base_url"], "serve": serve}
    pyproject = config.rootpath / "pyproject.toml"
    return Settings(
        **{name: value for name, value in found.items() if name not in GATE_NAMES},
        gates=read_gates(found, how, pyproject, typed(config), _is_on(config, "upskill_until_decided")),
        students=tuple(dict.fromkeys(student or ())) or ((PROMPTS_STUDENT,) if prompts else ()),
        serve=serve,
        sanitizer=_is_on(config, "upskill_sanitizer"),
        reports=tuple(dict.fromkeys(ReportTarget.of(name, invocation_dir) for name in report or ())),
        prompts=invocation_dir / prompts if prompts else None,
        export=invocation_dir / Path(export).expanduser() if export else None,
        origins={name: _origin(config, f"upskill_{name}") for name, value in given.items() if value},
        students_tables=students_tables(pyproject),
        rootdir=config.rootpath,
        invocation_dir=invocation_dir,
        unset={**unset, "sanitizer": config.getini("upskill_sanitizer"), "serve": config.getini("upskill_serve")},
        pytest_options=_pytest_options(config),
        typed=typed(config),
        arms_named=bool(config.getoption("upskill_arms") or config.getini("upskill_arms")),
        unused=unused,
    )
