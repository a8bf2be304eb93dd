"""The tokens of a reply, in whatever shape a server counts them.

Servers agree on neither the names nor on what a count includes. Ours are inclusive: the input with all that was read
from, or written to, a cache; the output with all reasoning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_upskill.records import Tokens

LARGEST_COUNT = 2**53
"""Larger numbers from a server are not taken for counts."""

_INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_token_count", "prompt_eval_count")
_OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount", "candidates_token_count", "eval_count")
_TOTAL = ("total_tokens", "totalTokenCount", "total_token_count")
_CACHED = re.compile(r"cached|cache_?(?:hit|read)", re.IGNORECASE)
_WRITTEN = re.compile(r"cache_?(?:creation|write|written)", re.IGNORECASE)
_REASONING = re.compile(r"reasoning|thinking|thoughts?", re.IGNORECASE)


def tokens_of(usage: Mapping[str, Any]) -> Tokens:
    """The tokens of a ``usage`` object; counts that it lacks are 0."""
    given, out, total = (_first(usage, names) for names in (_INPUT, _OUTPUT, _TOTAL))
    cached, written, reasoning = (_largest(usage, pattern) for pattern in (_CACHED, _WRITTEN, _REASONING))
    apart = "prompt_tokens" not in usage and "cache_read_input_tokens" in usage and total != given + out
    if apart:  # as Anthropic counts: the input is only what is neither read from the cache nor written to it
        given += cached + written
    elif cached + written > given:
        given += cached + written if given else max(cached + written, total - out)
    elif not given and total > out:
        given = total - out
    if total > given + out:  # reasoning that only the total includes
        out = total - given
    if reasoning > out:  # reasoning that no other count includes
        out += reasoning
    return Tokens(given, out, cached, written)


def tokens_of_timings(timings: Mapping[str, float]) -> Tokens:
    """The tokens in the ``timings`` of a llama.cpp server, which it also sends without ``usage``."""
    new, cached, out = (positive(timings.get(name)) or 0 for name in ("prompt_n", "cache_n", "predicted_n"))
    return Tokens(new + cached, out, cached)


def positive(value: object) -> int | None:
    """A count that a server sent; None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= LARGEST_COUNT:
        return None
    return int(value) if value == int(value) else None


def _first(usage: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return next((count for name in names if (count := positive(usage.get(name)))), 0)


def _largest(usage: Mapping[str, Any], pattern: re.Pattern[str]) -> int:
    """The largest of the counts of tokens with such a name: some servers send one under two names."""
    counts = (
        positive(value) or 0 for name, value in _fields(usage) if "token" in name.lower() and pattern.search(name)
    )
    return max(counts, default=0)


def _fields(usage: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """All fields, and those of the details in it."""
    for name, value in usage.items():
        if isinstance(value, Mapping):
            yield from ((str(inner), one) for inner, one in value.items())
        else:
            yield str(name), value
