"""Reads the JSON objects in the body of a chat endpoint's response, whether or not the body is a stream of events.

Events follow the HTML standard, section 9.2.6, except where servers deviate from it: fields other than ``data``,
comments and any line end are accepted, the last event needs no empty line after it, and an event may be split over
lines or hold one object per line. A body that is not a stream is one JSON value, or one JSON value per line.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"
_IGNORED = (b"", b"id", b"retry")


class EventReader:
    """Takes the body in pieces. ``done`` is true once the server said that the stream is complete.

    ``broken`` is an event that begins like JSON and cannot be parsed, so text may be lost. ``other`` is an event that
    is not JSON at all, or the whole body if it holds neither events nor JSON.
    """

    def __init__(self) -> None:
        self.done = self.streamed = False
        self.broken = self.other = ""
        self._name = b""
        self._begun = False
        self._rest = b""
        self._data: list[bytes] = []
        self._lines: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[Any]:
        """Yield the values of the events that this piece completes."""
        text = self._rest + piece
        held = b"\r" if text.endswith(b"\r") else b""  # a line feed may follow in the next piece
        *lines, rest = _LINE_END.split(text.removesuffix(held))
        self._rest = rest + held
        for line in lines:
            yield from self._line(line)

    def end(self) -> Iterator[Any]:
        """Yield the values of the last event, or of a body that is not a stream."""
        yield from self._line(self._rest.removesuffix(b"\r"))
        yield from self._event()
        text = b"\n".join(self._lines).decode("utf-8", "replace").strip()
        if self.streamed or not text:
            return
        with contextlib.suppress(ValueError, RecursionError):
            values = _values(text)
            self.done = True
            yield from values
            return
        self.other = text

    def _line(self, line: bytes) -> Iterator[Any]:
        if not self._begun:
            self._begun, line = True, line.removeprefix(_BOM)
        if not line:
            yield from self._event()
            return
        name, colon, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.strip()
        elif name == b"error" and colon:  # an older llama.cpp sends errors in this field
            self._data.append(b'{"error": ' + value + b"}")
        elif name not in _IGNORED or not (colon or name):
            self._lines.append(line)

    def _event(self) -> Iterator[Any]:
        text = b"\n".join(self._data).decode("utf-8", "replace").strip()
        failed = self._name == b"error"
        self._data.clear()
        self._name = b""
        if not text:
            return
        self.streamed = True
        lines = text.split("\n")
        events = [line for line in lines if line.strip().upper() != "[DONE]"]
        self.done = self.done or len(events) < len(lines)
        try:
            values = _values("\n".join(events)) if events else []
        except (ValueError, RecursionError):
            if text.startswith(("{", "[")):
                self.broken = self.broken or text
            else:
                self.other = self.other or text
            return
        yield from ({"error": one} if failed and not _has_error(one) else one for one in values)


def _values(text: str) -> list[Any]:
    """Return the JSON values in a text, which is one value, a list of values, or one value per line. Raises
    ValueError.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    return value if isinstance(value, list) else [value]


def _has_error(value: Any) -> bool:
    return isinstance(value, dict) and "error" in value
