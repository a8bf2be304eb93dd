"""A reply of a chat endpoint, put together from what the endpoint sent: the parts of a stream, or the whole reply.

Servers use different fields. Values of unexpected types are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_upskill.records import Tokens
from pytest_upskill.students.reading import Call
from pytest_upskill.students.usage import LARGEST_COUNT, tokens_of, tokens_of_timings

_REASONING_FIELDS = (
    "reasoning_content", "reasoning", "reasoning_text", "thinking", "thought", "reasoning_details", "thinking_blocks",
)  # fmt: skip
"""The fields in which servers send reasoning. The first field with a text is used."""
_FIELDS = {"choices", "usage", "timings", "x_groq"}
"""The fields of a chat's events. Each event has at least one of them."""
_WRAPPERS = ("data", "result", "response")
"""The fields in which some gateways put a whole reply."""
_REASONING_PARTS = ("thinking", "think", "reasoning", "thought", "summary")


@dataclass(slots=True)
class Transcript:
    """What has arrived so far. ``unknown`` is the last value that is neither text nor reasoning."""

    chunks: int = 0
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    unknown: Any = None
    finish: str = ""
    error: Any = None
    tokens: Tokens = field(default_factory=Tokens)
    model: str = ""
    timings: Mapping[str, float] = field(default_factory=dict)
    calls: dict[int, list[str]] = field(default_factory=dict)
    """By index of a call: its id, name and arguments, which arrive in pieces."""

    def add(self, event: Mapping[str, Any]) -> bool:
        """Read one event, or a whole reply. Return False if it is neither."""
        if not event.keys() & _FIELDS:
            wrapped = (event.get(name) for name in _WRAPPERS)
            inner = next((one for one in wrapped if isinstance(one, Mapping) and "choices" in one), None)
            return self.add(inner) if inner is not None else event.get("type") == "ping"
        self.chunks += 1
        for choice in filter(_is_first, _items(event.get("choices"))):
            self._add_choice(choice)
        self.model = _text(event, "model") or self.model
        for usage in _usages(event):
            if (tokens := tokens_of(usage)) != Tokens():
                self.tokens = tokens
        if isinstance(timings := event.get("timings"), Mapping):
            self.timings = {str(name): value for name, value in timings.items() if _is_finite(value)}
            if self.tokens == Tokens():
                self.tokens = tokens_of_timings(self.timings)
        return True

    def made_calls(self) -> tuple[Call, ...]:
        calls = sorted(self.calls.items())
        return tuple(Call(call_id or f"call{index}", name, arguments) for index, (call_id, name, arguments) in calls)

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        message = next(
            (one for name in ("delta", "message") if isinstance(one := choice.get(name), Mapping) and one), {}
        )
        content = message.get("content")
        is_repeated = message is choice.get("message") and self.text and content == "".join(self.text)
        self._add_content(None if is_repeated else content)
        self._add_content(choice.get("text"))
        reasoning = (list(_texts(message.get(name))) for name in _REASONING_FIELDS)
        self.reasoning += next(filter(None, reasoning), [])
        self.refusal.append(_text(message, "refusal"))
        made = _items(message.get("tool_calls")) or [
            {"function": one} for one in _items([message.get("function_call")])
        ]
        for position, piece in enumerate(made):
            function = piece.get("function")
            function = function if isinstance(function, Mapping) else {}
            arguments = function.get("arguments")
            arguments = json.dumps(arguments) if isinstance(arguments, Mapping) else _text(function, "arguments")
            index = piece.get("index")
            index = index if isinstance(index, int) else position
            before = self.calls.get(index, ["", "", ""])
            parts = (_text(piece, "id"), _text(function, "name"), arguments)
            self.calls[index] = [old + new for old, new in zip(before, parts, strict=True)]
        self.finish = _text(choice, "finish_reason") or self.finish
        self.error = choice.get("error") or self.error

    def _add_content(self, content: Any) -> None:
        """Add a text, one part, or a list of parts."""
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, str):
                self.text.append(part)
            elif isinstance(part, Mapping):
                self._add_part(part)
            elif isinstance(part, list):
                self._add_content(part)
            elif part is not None:
                self.unknown = part

    def _add_part(self, part: Mapping[str, Any]) -> None:
        kind = str(part.get("type") or "text")
        if any(word in kind for word in _REASONING_PARTS):
            self.reasoning += _texts(part)
        elif kind == "refusal":
            self.refusal += _texts(part)
        elif text := list(_texts(part)):
            self.text += text
        elif not any(part.get(name) == "" for name in ("text", "content")):
            self.unknown = part


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of a part. Some servers nest further parts in a part."""
    if isinstance(value, str):
        yield from [value] * bool(value)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, Mapping):
        names = ("text", "content", "value", *_REASONING_PARTS, "refusal")
        yield from next(filter(None, (list(_texts(value.get(name))) for name in names)), [])


def _usages(event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the usage objects of an event. Moonshot sends them in a choice, Groq in a separate field."""
    places = [event, *_items([event.get("x_groq")]), *_items(event.get("choices"))]
    yield from (usage for place in places if isinstance(usage := place.get("usage"), Mapping))


def _is_first(choice: Mapping[str, Any]) -> bool:
    """Return whether a choice is of the first sample. There are further samples if ``options`` contain ``n = 2``."""
    index = choice.get("index")
    return not isinstance(index, int) or index <= 0


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_COUNT
