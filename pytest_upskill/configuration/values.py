"""Parsers of option and ini values. Each raises ValueError with a message that names the accepted forms.

This module is imported whenever pytest starts, so it imports almost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pytest_upskill.records.gating import KnownFailure
    from pytest_upskill.skills.noise import Noise

T = TypeVar("T")

REPORT_SUFFIXES = (".json", ".md", ".csv", ".html")
REPORT_FORMS = {"skill-creator": "", "upskill": ".csv", "badge": ".json"}
"""The reports that ``FORM:PATH`` can request, with the suffix of the file; empty if the report is a folder."""
_EXAMPLES = {"skill-creator": "DIR", "upskill": "FILE.csv", "badge": "FILE.json"}


def names(text: str) -> tuple[str, ...]:
    """Return one or several names, separated by commas or line ends."""
    found = tuple(part for part in (piece.strip() for piece in re.split(r"[,\n]", text)) if part)
    if not found:
        raise ValueError("expected a name, or several separated by commas")
    return found


def arms(text: str) -> tuple[str, ...]:
    """Return the arms in the given order, without repeats and with different slugs. ``skill,skill`` is an A/A run."""
    from pytest_upskill.skills.arms import REPEAT, SKILL, slug

    given = names(text)
    found = tuple(dict.fromkeys(REPEAT if pair == (SKILL, SKILL) else pair[1] for pair in pairwise(("", *given))))
    named: dict[str, str] = {}
    for arm in found:
        if not (arm == REPEAT not in given or re.fullmatch(r"skill|baseline|placebo|previous:.+", arm)):
            raise ValueError(f"unknown arm {arm!r}; accepted: skill, baseline, placebo, previous:REVISION")
        if named.setdefault(slug(arm), arm) != arm:
            both = f"{named[slug(arm)]!r} and {arm!r}"
            raise ValueError(f"arms {both} would both be called {slug(arm)!r}; use only one of them")
    return found


def _matching(pattern: str, expected: str, convert: Callable[[str], T]) -> Callable[[str], T]:
    def parse(text: str) -> T:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is not {expected}")
        return convert(text)

    return parse


positive_int = _matching(r"0*[1-9][0-9]*", "a whole number of at least 1", int)
arch = _matching(r"sm_[0-9]{2,3}[af]?", "an architecture of GPUs such as sm_90", str)
"""A parser of an architecture in the form that nvcc's ``-arch`` accepts."""
usd = _matching(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", "an amount of USD such as 2.50", float)
_NUMBER = re.compile(r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?P<percent>%)?")


def _share(low: float, expected: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        found = _NUMBER.fullmatch(text.strip())
        number = float(found["number"]) / (100 if found["percent"] else 1) if found else 2.0
        if not low <= number <= 1:
            raise ValueError(f"{text!r} is not {expected}")
        return number

    return parse


rate = _share(0.0, "a rate from 0 to 1 such as 0.8 or 80%")
lift = _share(-1.0, "a difference of rates from -1 to 1 such as 0.1 or 10%")
url = _matching(r"https?://[^\s/]+(/\S*)?", "a URL such as http://127.0.0.1:8080/v1", str)


def seed(text: str) -> int:
    """Parse a whole number from 0 to 2**63-1."""
    if not re.fullmatch(r"[0-9]+", text) or int(text) >= 2**63:
        raise ValueError(f"{text!r} is not a whole number from 0 to 2**63-1")
    return int(text)


def noise(text: str) -> Noise:
    """Return the number of other skills, and the seed that chooses them, from ``20`` or ``20:7``."""
    from pytest_upskill.skills.noise import Noise, most

    if not (found := re.fullmatch(r"([0-9]{1,6})(?::([0-9]{1,18}))?", text)):
        raise ValueError(f"{text!r} is not a number of other skills such as 20, or 20:7 to draw others by a seed")
    if int(found[1]) > most():
        raise ValueError(f"{text!r} asks for more than the {most()} other skills that are known; give at most {most()}")
    return Noise(int(found[1]), int(found[2] or 0))


def seconds(text: str) -> float:
    """Parse a number of seconds above 0 and below a day."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 86400:
        raise ValueError(f"{text!r} is not a number of seconds above 0")
    return number


def _choice(what: str, *accepted: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in accepted:
            raise ValueError(f"unknown {what} {text!r}; accepted: {', '.join(accepted)}")
        return text

    return parse


device = _choice("device", "auto", "cuda", "cpu")
sandbox = _choice("sandbox level", "auto", "strict")
gate = _choice("way to gate", "estimate", "interval", "off")
replies = _choice("source of replies", "auto", "live", "record", "replay", "kept")


def reports(text: str) -> tuple[str, ...]:
    """Return paths of reports, separated by commas or line ends. The suffix, or ``FORM:`` before the path, gives the
    form.
    """
    return tuple(map(_report, names(text)))


def _report(text: str) -> str:
    form, colon, path = text.partition(":")
    suffix = REPORT_FORMS.get(form) if colon else None
    if suffix is not None and (not path or (suffix and Path(path).suffix.lower() != suffix)):
        raise ValueError(f"report {text!r} must have the form {form}:{_EXAMPLES[form]}")
    if suffix is None and Path(text).suffix.lower() not in REPORT_SUFFIXES:
        forms = f", or be {', '.join(f'{name}:{_EXAMPLES[name]}' for name in REPORT_FORMS)}" if colon else ""
        raise ValueError(f"report {text!r} must end in one of {', '.join(REPORT_SUFFIXES)}{forms}")
    return text


def known_failures(text: str) -> tuple[KnownFailure, ...]:
    """Parse lines of the form ``SKILL[/CASE] STUDENT: REASON``."""
    from pytest_upskill.records.gating import known_failures

    return known_failures(text)


def compared_run(text: str) -> str:
    """Parse the run to compare with: a number, ``last``, or a JSON report."""
    if not (text == "last" or text.isdecimal() or text.endswith((".json", ".jsonl"))):
        forms = "a number that `pytest-upskill runs` shows, 'last', or a JSON report (run.json)"
        raise ValueError(f"{text!r} is not a run; accepted: {forms}; a path goes before the option")
    return text


def text(text: str) -> str:
    """Return the text. It must not be empty."""
    if not text.strip():
        raise ValueError("the value is empty")
    return text
