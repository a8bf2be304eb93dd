"""The fields of a request. A student's ``options`` can leave our fields out, rename them, and add others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

EXTRA = "extra_body"
"""The option whose fields are added to the request unchanged."""
_LIMITS = ("max_completion_tokens", "max_tokens")
"""The names of the limit on a reply's length. If an option has one of these names, it replaces our field."""
_LEFT_OUT = (*_LIMITS, "model", "seed", "temperature", "stream", "stream_options", "tools", "tool_choice")
"""Our fields that an option can leave out by the value ``false``."""
_RENAMED = (*_LIMITS, "seed", "temperature", "stream", "stream_options", "tools", "cache_prompt")
"""Our fields whose values are not text. If an option gives a text, it is another name for the field."""
_FLAGS = ("stream", "cache_prompt")


def with_options(ours: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields to send. ``options`` override ours."""
    body = {sent_name(name, options): value for name, value in ours.items()}
    added = {name: value for name, value in options.items() if name != EXTRA and not _is_renamed(name, value)}
    if any(name in added for name in _LIMITS):
        body = {name: value for name, value in body.items() if name not in _LIMITS}
    sent = {name: value for name, value in {**body, **added}.items() if value is not False or name not in _LEFT_OUT}
    return {**sent, **options.get(EXTRA, {})}


def sent_name(field: str, options: Mapping[str, Any]) -> str:
    """Return the name under which one of our fields is sent."""
    return str(options[field]) if _is_renamed(field, options.get(field)) else field


def _is_renamed(field: str, value: object) -> bool:
    return field in _RENAMED and isinstance(value, str)


def longest_reply(options: Mapping[str, Any], max_tokens: int) -> int:
    """Return the number of tokens after which the server ends a reply."""
    given = [options.get(EXTRA, {}).get(name, options.get(name)) for name in _LIMITS]
    return next((one for one in given if isinstance(one, int) and not isinstance(one, bool)), max_tokens)


def problem(options: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first option with a value of the wrong kind, and what was expected; None if there is no such
    option.
    """
    for name, value in options.items():
        if name == EXTRA and not isinstance(value, Mapping):
            return name, "a table of fields that are added to each request"
        if name in _RENAMED and (
            (value is True and name not in _FLAGS)
            or (isinstance(value, str) and not re.fullmatch(r"[A-Za-z_]\w*", value))
        ):
            return (
                name,
                "its value, false to leave the field out, or another name for it, such as 'max_completion_tokens'",
            )
    return None
