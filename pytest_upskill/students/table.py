"""Reads the configuration of a student from a table of ``pyproject.toml``: names, types and limits of its fields."""

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
"""The values of ``provider`` in a table, besides those of plugins."""
DISCLOSURES = ("body", "full", "tools")
"""How a student is shown a skill: see ``skills.arms``."""


def valid_name(name: str) -> bool:
    """True for letters, digits, dots, dashes and underscores: names are part of ids, and names of folders."""
    return re.fullmatch(r"\w[\w.\-]*", name) is not None


def config_from_table(name: str, table: Mapping[str, Any], builtin: Mapping[str, Any] | None = None) -> StudentConfig:
    """The student ``name``: the table's fields override those of the built-in one. Raises UsageError."""
    where = f"[tool.upskill.students.{name}]"
    if not valid_name(name):
        raise UsageError(f"{where}: a student's name is made of letters, digits, '.', '-' and '_', not {name!r}")
    for field in table:
        if field not in _READERS:
            hint = f"{did_you_mean(field, _READERS)} (fields: {', '.join(_READERS)})"
            raise UsageError(f"{where}: unknown field '{field}'{hint}")
    fields = {key: _READERS[key](f"{where}: {key}", value) for key, value in {**(builtin or {}), **table}.items()}
    config = StudentConfig(name=name, **{"provider": "", **fields})
    if not config.provider:
        raise UsageError(f"{where}: 'provider' is missing; give one of {', '.join(PROVIDERS)}")
    if not config.model and config.provider in PROVIDERS:
        raise UsageError(f"{where}: 'model' is missing; give the name by which the endpoint knows the model")
    return config


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` if a known word is similar to ``word``, else nothing."""
    match = nearest(word, known)
    return "" if match is None else f"; did you mean '{match}'?"


def endpoint_url(what: str, value: Any) -> str:
    """The URL of an endpoint, without a slash at its end. ``what`` is its field or option. Raises UsageError."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port, half an IPv6 address
        usable = False
    if not usable or re.search(r"\s", value):
        raise _wrong(what, value, "a URL such as http://127.0.0.1:8080/v1")
    return str(value).rstrip("/")


def _wrong(what: str, value: Any, expected: str) -> UsageError:
    return UsageError(f"{what} = {value!r}: expected {expected}")


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(what, value, "a text that is not empty")
    return value.strip()


def _provider(what: str, value: Any) -> str:
    # A plugin may add it, so an unknown one is an error only when the student is made.
    if not isinstance(value, str) or not valid_name(value) or value == "files":
        raise _wrong(what, value, f"one of {', '.join(PROVIDERS)}, or that of a plugin")
    return value


def _variable(what: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        # The value is not shown, since people paste the key itself here.
        expected = "the name of an environment variable that holds the key, such as EXAMPLE_API_KEY"
        raise UsageError(f"{what}: expected {expected}, never the key itself")
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
    example = "{in = 0.6, out = 2.5, cached = 0.15} ('cached' and 'written' may be left out)"
    expected = f"USD per million tokens, such as {example}"
    if not isinstance(value, Mapping) or not {"in", "out"} <= value.keys() <= {"in", "out", "cached", "written"}:
        raise _wrong(what, value, expected)
    rate = _number(0, 1e6, f"a number from 0 to 1000000: {expected}")
    rates = {key: rate(f"{what}.{key}", amount) for key, amount in value.items()}
    return Price(rates["in"], rates["out"], rates.get("cached", rates["in"]), rates.get("written"))


def _options(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(what, value, "a table of further fields of each request")
    return dict(value)


def _disclosure(what: str, value: Any) -> str:
    if value not in DISCLOSURES:
        raise _wrong(what, value, f"one of {', '.join(DISCLOSURES)}")
    return str(value)


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
    "disclosure": _disclosure,
    "options": _options,
}
"""The fields of a table, and the function that checks each."""
