"""How other plugins affect skill items: notes for the header, and outcomes of items whose worker crashed."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.cases.triggers import PREFIX as TRIGGER
from pytest_upskill.records import ItemKind, Outcome, Verdict, VerdictKind
from pytest_upskill.skills.skill import FILE_NAMES

_FINAL = "since a reply has one verdict; --upskill-trials=N asks for each kernel N times"


def notes(config: pytest.Config) -> Iterator[tuple[str, str]]:
    """Yield, by plugin, a note on each option in use that affects skill items in another way than other tests."""
    if _value(config, "count", 1) != 1:
        yield "pytest-repeat", "--count has no effect on skill items; --upskill-trials=N asks for each kernel N times"
    if _value(config, "reruns"):
        yield "pytest-rerunfailures", f"repeats infrastructure errors only, {_FINAL}"
    if _value(config, "retries"):
        yield "pytest-retry", f"has no effect on skill items, {_FINAL}"
    if _value(config, "timeout") and str(_value(config, "timeout_method")) == "thread":
        ends = "the method 'thread' ends the whole process at the first slow item, without a summary and reports"
        yield "pytest-timeout", f"{ends}; use --timeout-method=signal"


def _value(config: pytest.Config, name: str, default: object = None) -> Any:
    """Return an option of a plugin, else the ini value, else ``default``. The plugin may be absent."""
    given = getattr(config.option, name, None)
    if given is not None:
        return given
    try:
        return config.getini(name) or default
    except (KeyError, ValueError):
        return default


def crashed_outcome(report: pytest.TestReport, students: Collection[str], arms: Collection[str]) -> Outcome | None:
    """Return the outcome of an item of ours whose worker crashed, made from the item's id; None for other reports.

    ``arms`` are the slugs of the arms.
    """
    path, _, name = report.nodeid.partition("::")
    if str(report.when) != "???" or Path(path).name not in FILE_NAMES:
        return None
    case, _, rest = name.removesuffix("]").partition("[")
    ending = "|".join(map(re.escape, sorted(arms, key=len, reverse=True)))
    asked = re.fullmatch(rf"(?P<student>.+)-(?P<arm>{ending})(-(?P<trial>\d+))?", rest)
    asked = asked if asked and asked["student"] in students else None
    kind = {"": ItemKind.SPEC, "mutants": ItemKind.MUTANTS}.get(rest, ItemKind.KERNEL)
    if case.startswith(TRIGGER):
        names = "|".join(map(re.escape, sorted(students, key=len, reverse=True)))
        kind, asked = ItemKind.TRIGGER, re.fullmatch(rf"(?P<student>{names})(?P<arm>)(-(?P<trial>\d+))?", rest)
    said = str(report.longrepr).partition("\n")[0]
    return Outcome(
        id=report.nodeid,
        kind=kind,
        skill=Path(path).parent.name,
        case=None if kind is ItemKind.SPEC else case,
        verdict=Verdict(VerdictKind.INFRASTRUCTURE_ERROR, f"{said}; -n 0 shows what ends the process"),
        student=asked["student"] if asked else "golden" if rest == "golden" else None,
        arm=asked["arm"] or None if asked else "skill" if rest == "golden" else None,
        trial=int(asked["trial"] or 1) if asked else None,
    )


@contextlib.contextmanager
def time_limit_over() -> Iterator[None]:
    """Prevent a time limit that another plugin sets by SIGALRM from interrupting the work after an item."""
    limit = signal.getsignal(signal.SIGALRM) if hasattr(signal, "SIGALRM") else None
    if not callable(limit) or threading.current_thread() is not threading.main_thread():
        yield
        return
    # A signal mask is not enough: another thread would get the signal, and the handler would run in this one.
    signal.signal(signal.SIGALRM, lambda *arguments: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, limit)
