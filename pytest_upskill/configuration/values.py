"""Parsers of option and ini texts. Each raises ValueError with a message that names the accepted forms.

Imported whenever pytest starts, so it imports almost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

REPORT_SUFFIXES = (".json", ".md", ".csv")


def names(text: str) -> tuple[str, ...]:
    """One name or several, separated by commas or line ends."""
    found = tuple(part for part in (piece.strip() for piece in re.split(r"[,\n]", text)) if part)
    if not found:
        raise ValueError("expected a name, or several separated by commas")
    return found


def arms(text: str) -> tuple[str, ...]:
    """Arms without repeats, in the order given; their slugs differ."""
    from pytest_upskill.skills.arms import slug

    found = tuple(dict.fromkeys(names(text)))
    named: dict[str, str] = {}
    for arm in found:
        if not re.fullmatch(r"skill|baseline|placebo|previous:.+", arm):
            raise ValueError(f"unknown arm {arm!r}; accepted: skill, baseline, placebo, previous:REVISION")
        if named.setdefault(slug(arm), arm) != arm:
            raise ValueError(
                f"arms {named[slug(arm)]!r} and {arm!r} would both be called {slug(arm)!r}; name one of them"
            )
    return found


def positive_int(text: str) -> int:
    """A whole number of at least 1."""
    if not re.fullmatch(r"[0-9]+", text) or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def seed(text: str) -> int:
    """A whole number from 0 to 2**63-1."""
    if not re.fullmatch(r"[0-9]+", text) or int(text) >= 2**63:
        raise ValueError(f"{text!r} is not a whole number from 0 to 2**63-1")
    return int(text)


def seconds(text: str) -> float:
    """Seconds above 0, below a day."""
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
replies = _choice("source of replies", "auto", "live", "record", "replay")


def arch(text: str) -> str:
    """An architecture as nvcc's ``-arch`` takes it, such as ``sm_90``."""
    if not re.fullmatch(r"sm_[0-9]{2,3}[af]?", text):
        raise ValueError(f"{text!r} is not an architecture of GPUs such as sm_90")
    return text


def usd(text: str) -> float:
    """An amount of USD."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text):
        raise ValueError(f"{text!r} is not an amount of USD such as 2.50")
    return float(text)


def url(text: str) -> str:
    """An http or https URL."""
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise ValueError(f"{text!r} is not a URL such as http://127.0.0.1:8080/v1")
    return text


def report(text: str) -> str:
    """The path of a report; its suffix chooses the form."""
    if Path(text).suffix not in REPORT_SUFFIXES:
        raise ValueError(f"report {text!r} must end in one of {', '.join(REPORT_SUFFIXES)}")
    return text


def reports(text: str) -> tuple[str, ...]:
    """Paths of reports, separated by commas or line ends."""
    return tuple(report(name) for name in names(text))


def text(text: str) -> str:
    """Any text but an empty one."""
    if not text.strip():
        raise ValueError("the value is empty")
    return text
