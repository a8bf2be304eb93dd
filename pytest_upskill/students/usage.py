"""The tokens of a reply, in whatever form a server counts them.

Servers use different names, and do not agree on what a count includes. Our input includes all tokens read from or
written to a cache. Our output includes all reasoning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_upskill.records import Tokens

LARGEST_COUNT = 2**53
"""The largest number from a server that is accepted as a count."""

_INPUT = (
    "prompt_tokens", "input_tokens", "prompt_token_count", "input_token_count", "prompt_eval_count",
    "native_tokens_prompt", "tokens_prompt",
)  # fmt: skip
_OUTPUT = (
    "completion_tokens", "output_tokens", "candidates_token_count", "output_token_count", "generated_token_count",
    "generated_tokens", "total_output_tokens", "eval_count", "native_tokens_completion", "tokens_completion",
)  # fmt: skip
_TOTAL = ("total_tokens", "total_token_count")
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CACHED = re.compile(r"cached|cache_(?:hit|read)")
_WRITTEN = re.compile(r"cache_(?:creation|write|written)")
_REASONING = re.compile(r"reasoning|thinking|thoughts?")


def tokens_of(usage: Mapping[str, Any]) -> Tokens:
    """Return the tokens of a ``usage`` object. Counts that are missing in it are 0."""
    usage = _in_snake_case(usage)
    if isinstance(inner := usage.get("tokens"), Mapping):  # Cohere's, beside those that it charges
        usage |= _in_snake_case(inner)
    given, out, total = (_first(usage, names) for names in (_INPUT, _OUTPUT, _TOTAL))
    cached, written, reasoning = (_largest(usage, pattern) for pattern in (_CACHED, _WRITTEN, _REASONING))
    apart = "prompt_tokens" not in usage and "cache_read_input_tokens" in usage and total != given + out
    if apart:  # Anthropic's way: the input excludes tokens that are read from the cache or written to it
        given += cached + written
    elif cached + written > given:
        given += cached + written if given else max(cached + written, total - out)
    elif not given and total > out:
        given = total - out
    if total > given + out:  # only the total includes the reasoning
        out = total - given
    if reasoning > out:  # no other count includes the reasoning
        out += reasoning
    return Tokens(given, out, cached, written)


def tokens_of_timings(timings: Mapping[str, float]) -> Tokens:
    """Return the tokens in the ``timings`` of a llama.cpp server, which sends them even if it sends no ``usage``."""
    new, cached, out = (positive(timings.get(name)) or 0 for name in ("prompt_n", "cache_n", "predicted_n"))
    return Tokens(new + cached, out, cached)


def positive(value: object) -> int | None:
    """Return a count that a server sent, None for any other value."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= LARGEST_COUNT:
        return None
    return int(value) if value == int(value) else None


def _in_snake_case(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the fields with names in snake case, so that ``promptTokens`` and ``prompt_tokens`` are the same."""
    return {_WORD.sub("_", str(name)).lower(): value for name, value in fields.items()}


def _first(usage: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return next((count for name in names if (count := positive(usage.get(name)))), 0)


def _largest(usage: Mapping[str, Any], pattern: re.Pattern[str]) -> int:
    """Return the largest count whose name matches, because some servers send the same count under two names."""
    counts = (positive(value) or 0 for name, value in _fields(usage) if "token" in name and pattern.search(name))
    return max(counts, default=0)


def _fields(usage: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield all fields of an object, and the fields of the objects in it."""
    for name, value in usage.items():
        if isinstance(value, Mapping):
            yield from _in_snake_case(value).items()
        else:
            yield name, value
