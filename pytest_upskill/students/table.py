"""Reads one student from a table of ``pyproject.toml``. Knows names, types and limits; knows no provider's code."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pytest_upskill.documents.spelling import nearest
from pytest_upskill.errors import UsageError
from pytest_upskill.students.base import Price, StudentConfig

PROVIDERS = ("openai", "llama.cpp", "anthropic")
"""What ``provider`` in a table may be, besides those that plugins bring."""

DISCLOSURES = ("body", "full", "tools")
"""How a student gets to see a skill: see the room ``disclosure``."""

_NAME = re.compile(r"\w[\w.\-]*")


def valid_name(name: str) -> bool:
    """Names stand in ids and are names of folders: letters, digits, dots, dashes, underscores."""
    return _NAME.fullmatch(name) is not None


def config_from_table(name: str, table: Mapping[str, Any], builtin: Mapping[str, Any] | None = None) -> StudentConfig:
    """The student ``name``: the table's fields over those of the built-in one of that name. Raises UsageError."""
    where = f"[tool.upskill.students.{name}]"
    if not valid_name(name):
        raise UsageError(f"{where}: a student's name is made of letters, digits, '.', '-' and '_', not {name!r}")
    _check_fields(where, table)
    fields = {key: _READERS[key](f"{where}: {key}", value) for key, value in {**(builtin or {}), **table}.items()}
    return _checked(where, StudentConfig(name=name, **{"provider": "", **fields}))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` where something known is spelled like ``word``, else nothing."""
    match = nearest(word, known)
    return "" if match is None else f"; did you mean '{match}'?"


def endpoint_url(what: str, value: Any) -> str:
    """The URL of an endpoint, without a slash at its end. ``what`` is the field or option that gives it."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        usable = (
            parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not re.search(r"\s", value)
        )
    except ValueError:  # a port that is none, half an IPv6 address
        usable = False
    if not usable:
        raise _wrong(what, value, "a URL such as http://127.0.0.1:8080/v1")
    return str(value).rstrip("/")


def _check_fields(where: str, table: Mapping[str, Any]) -> None:
    for field in table:
        if field not in _READERS:
            raise UsageError(
                f"{where}: unknown field '{field}'{did_you_mean(field, _READERS)} (fields: {', '.join(_READERS)})"
            )


def _checked(where: str, config: StudentConfig) -> StudentConfig:
    if not config.provider:
        raise UsageError(f"{where}: 'provider' is missing; give one of {', '.join(PROVIDERS)}")
    if not config.model and config.provider in PROVIDERS:
        raise UsageError(f"{where}: 'model' is missing; give the name by which the endpoint knows the model")
    return config


# --------------------------------------------------------------------------------------------- values


def _wrong(what: str, value: Any, expected: str) -> UsageError:
    return UsageError(f"{what} = {value!r}: expected {expected}")


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(what, value, "a text that is not empty")
    return value.strip()


def _provider(what: str, value: Any) -> str:
    # Plugins bring providers of their own, so an unknown one is only refused when nobody makes the student.
    if not isinstance(value, str) or not valid_name(value) or value == "files":
        raise _wrong(what, value, f"one of {', '.join(PROVIDERS)}, or that of a plugin")
    return value


def _variable(what: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        # The value is not shown: people paste the key itself here.
        raise UsageError(
            f"{what}: expected the name of an environment variable that holds the key, such as EXAMPLE_API_KEY, "
            f"never the key itself"
        )
    return value


def _number(low: float, high: float, expected: str) -> Callable[[str, Any], float]:
    def read(what: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not (low <= value <= high):
            raise _wrong(what, value, expected)
        return float(value)

    return read


def _count(high: int) -> Callable[[str, Any], int]:
    def read(what: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not (1 <= value <= high):
            raise _wrong(what, value, f"a whole number from 1 to {high}")
        return value

    return read


def _price(what: str, value: Any) -> Price:
    expected = (
        "USD per million tokens, such as {in = 0.6, out = 2.5, cached = 0.15} ('cached' and 'written' may be left out)"
    )
    if not isinstance(value, Mapping) or not {"in", "out"} <= value.keys() <= {"in", "out", "cached", "written"}:
        raise _wrong(what, value, expected)
    rate = _number(0, 1e6, f"a number from 0 to 1000000: {expected}")
    rates = {key: rate(f"{what}.{key}", amount) for key, amount in value.items()}
    return Price(
        input=rates["in"], output=rates["out"], cached=rates.get("cached", rates["in"]), written=rates.get("written")
    )


def _options(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(what, value, "a table of what each request shall hold besides")
    return dict(value)


def _one_of(*words: str) -> Callable[[str, Any], str]:
    def read(what: str, value: Any) -> str:
        if value not in words:
            raise _wrong(what, value, f"one of {', '.join(words)}")
        return str(value)

    return read


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "provider": _provider,
    "model": _text,
    "base_url": endpoint_url,
    "api_key_env": _variable,
    "temperature": _number(0, 2, "a number from 0 to 2"),
    "max_tokens": _count(10_000_000),
    "timeout": _number(math.nextafter(0, 1), 86_400, "a number of seconds above 0, at most 86400"),
    "concurrency": _count(1024),
    "price": _price,
    "serve": _text,
    "disclosure": _one_of(*DISCLOSURES),
    "options": _options,
}
"""The fields of a table, and how each is read."""
