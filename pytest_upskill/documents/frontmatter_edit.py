"""Changes one key in the frontmatter of a text: adds an item to a list, or replaces a text. All other text stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pytest_upskill.documents.frontmatter import DELIMITER


class _Place(NamedTuple):
    """Where an item is inserted: after this line and column of the YAML (0-based), and with which text around it."""

    line: int
    column: int | None
    before: str


def with_item(text: str, key: str, item: str) -> str:
    """The text with ``item``, in single quotes, appended to the list ``key`` of the frontmatter.

    If there is no such list, a new list is added at the end. ``item`` must have no quotes and no line ends.
    The caller must check the result, because frontmatter in unusual forms may not be valid afterwards. Raises
    ValueError for a text without frontmatter.
    """
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    lines = text.split("\n")
    end = _end(lines)
    place = _place("\n".join(line.rstrip("\r") for line in lines[1:end]), key)
    if place is None:
        margin = lines[1][: len(lines[1]) - len(lines[1].lstrip())] if end > 1 else ""
        new = f"{margin}{key}:{end_of_line}{margin}  - '{item}'{end_of_line}"
        return "\n".join([*lines[:end], new + lines[end], *lines[end + 1 :]])
    number = place.line + 1
    if place.column is None:
        new = f"{place.before}- '{item}'{end_of_line}"
        return "\n".join([*lines[: number + 1], new + lines[number + 1], *lines[number + 2 :]])
    line = lines[number]
    lines[number] = f"{line[: place.column]}{place.before}'{item}'{line[place.column :]}"
    return "\n".join(lines)


def with_text(text: str, key: str, value: str) -> str:
    """The text with ``value``, a single line, as the new value of ``key`` in the frontmatter.

    Comments beside the old value are removed, too. The caller must check the result, as with ``with_item``. Raises
    ValueError if the frontmatter has no such key.
    """
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    lines = text.split("\n")
    end = _end(lines)
    keys = _keys("\n".join(line.rstrip("\r") for line in lines[1:end]))
    place = next((number for number, (name, _) in enumerate(keys) if name == key), None)
    if place is None:
        raise ValueError(f"the frontmatter has no '{key}'")
    first = keys[place][1] + 1
    after = keys[place + 1][1] + 1 if place + 1 < len(keys) else end
    while after > first + 1 and lines[after - 1].lstrip()[:1] in ("", "#"):  # comments before the next key stay
        after -= 1
    margin = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    new = f"{margin}{key}: {_scalar(value)}{end_of_line}"
    return "\n".join([*lines[:first], new + "\n".join(lines[after:])])


def _scalar(value: str) -> str:
    """A text as YAML. It is written in double quotes, as in JSON, unless it has the same meaning without quotes."""
    plain = re.fullmatch(r"[A-Za-z][^\n]*[^\s:]", value) and not re.search(r":\s|\s#", value)
    return value if plain and value.isprintable() else json.dumps(value, ensure_ascii=False)


def _end(lines: Sequence[str]) -> int:
    """The line (0-based) that ends the frontmatter. Raises ValueError for a text without one."""
    bare = [line.rstrip() for line in lines]
    if bare[0].lstrip("\ufeff") != DELIMITER or DELIMITER not in bare[1:]:
        raise ValueError("the text has no frontmatter")
    return bare.index(DELIMITER, 1)


def _keys(source: str) -> list[tuple[str, int]]:
    """The keys of the outermost mapping, each with its line (0-based)."""
    depth, is_key, found = 0, True, list[tuple[str, int]]()
    for event in _events(source):
        kind = type(event).__name__
        depth += (kind in ("MappingStartEvent", "SequenceStartEvent")) - (
            kind in ("MappingEndEvent", "SequenceEndEvent")
        )
        if depth == 1 and kind in ("ScalarEvent", "MappingEndEvent", "SequenceEndEvent"):
            if is_key and kind == "ScalarEvent":
                found.append((event.value, event.start_mark.line))
            is_key = not is_key
    return found


def _place(source: str, key: str) -> _Place | None:
    """Where an item of the list ``key`` is inserted. None if there is no such list."""
    events = _events(source)
    depth, is_key, found = 0, True, False
    for event in events:
        kind = type(event).__name__
        if found and kind == "SequenceStartEvent":
            return _after_last(events, event, source.split("\n"))
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            depth += 1
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            depth -= 1
        if depth == 1 and kind in ("ScalarEvent", "MappingEndEvent", "SequenceEndEvent"):
            found = is_key and kind == "ScalarEvent" and event.value == key
            is_key = not is_key
    return None


def _after_last(events: Iterator[Any], start: Any, lines: list[str]) -> _Place:
    last = None
    for event in events:
        if type(event).__name__ == "SequenceEndEvent":
            break
        last = event
    if start.flow_style:
        if last is None:
            return _Place(start.end_mark.line, start.end_mark.column, "")
        return _Place(last.end_mark.line, last.end_mark.column, ", ")
    if last is None:
        return _Place(start.end_mark.line, None, "")
    head = lines[last.start_mark.line][: last.start_mark.column]
    return _Place(last.end_mark.line, None, head[: head.rfind("-")])


def _events(source: str) -> Iterator[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    parser = YAML(typ="safe").Parser(source)
    try:
        while type(event := parser.get_event()).__name__ != "StreamEndEvent":
            yield event
    except YAMLError as problem:
        raise ValueError(f"the frontmatter is not YAML: {problem}") from None
