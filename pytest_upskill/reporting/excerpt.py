"""The lines of a source around one of them."""

from __future__ import annotations


def window(source: str, line: int, rows: int) -> list[tuple[int, str]]:
    """At most ``rows`` numbered lines around ``line`` (1-based), without the indentation that all of them share."""
    lines = [text.expandtabs(4) for text in source.splitlines()]
    first = max(0, min(line - 1 - (rows - 1) // 2, len(lines) - rows))
    shown = lines[first : first + rows]
    indent = min((len(text) - len(text.lstrip()) for text in shown if text.strip()), default=0)
    return [(first + offset + 1, text[indent:]) for offset, text in enumerate(shown)]
