"""Composes the text of a case file from what was imported. The imported texts are data: they are written such that none
can end its block or its key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from pytest_upskill.documents.hidden_characters import hidden_characters
from pytest_upskill.documents.markdown import FenceReader, lines_of

_HEADING = re.compile(r"^( {0,3})(##?)(?=[ \t]|$)")


class Sizes(str):
    """A range, a list or a name. It is written without quotes, so that YAML reads its value."""


def fenced(text: str, language: str) -> str:
    """A fenced block around any text."""
    ticks = max((len(one) for one in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}{language}\n{text.strip(chr(10))}\n{fence}"


def prose(text: str) -> str:
    """A foreign text as the text of a task. Its headings of level 1 and 2 become headings of level 3, because a heading
    of level 2 would begin a section of the case. A fence that is left open is closed.
    """
    lines, reader = [], FenceReader()
    for number, line in enumerate(lines_of(text.strip())):
        lines.append(line if reader.inside else _HEADING.sub(r"\1###", line))
        reader.feed(number, line)
    return "\n".join([*lines, *([reader.fence] if reader.inside else [])])


def refused_characters(text: str) -> str:
    """Why a text cannot be imported as it is (it contains invisible characters); empty if it can be imported."""
    found = next(hidden_characters(text.replace("\r\n", "\n").replace("\f", "\n")), None)
    return "" if found is None else f"line {found.line} has {found}: remove it"


def text_case(task: str, *, contains: Sequence[str] = (), rubric: Sequence[str] = (), notes: str = "") -> str:
    """A case that judges a text."""
    lines = ["---", "expect:"]
    for key, entries in (("contains", contains), ("rubric", rubric)):
        if entries:
            lines += [f"  {key}:", *(f"    - {quoted(one)}" for one in entries)]
    return "\n".join([*lines, "---", prose(task), *_notes(notes)]) + "\n"


def kernel_case(keys: Mapping[str, object], task: str, reference: str, *, inputs: str = "", notes: str = "") -> str:
    """A case that asks for a kernel. ``keys`` are the keys of its frontmatter, as plain data."""
    lines = ["---", *(line for key, value in keys.items() for line in _entry(key, value)), "---", prose(task)]
    lines += ["", "## Reference", "", fenced(reference, "python")]
    if inputs:
        lines += ["", "## Inputs", "", fenced(inputs, "python")]
    return "\n".join([*lines, *_notes(notes)]) + "\n"


def _entry(key: str, value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}:", *(f"  {name}: {flow(one)}" for name, one in value.items())] if value else []
    return [f"{key}: {flow(value)}"]


def _notes(text: str) -> list[str]:
    return ["", "## Notes", "", prose(text)] if text else []


def flow(value: object) -> str:
    """Plain data as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        if isinstance(value, Sizes):
            return value if re.fullmatch(r"[\w\s.,+*/%()\[\]-]+", value) else quoted(value)
        return (
            value
            if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_ .*/+()>,-]*", value) and not _FLOW.search(value)
            else quoted(value)
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


_FLOW = re.compile(r",|\A(?:true|false|null|yes|no|on|off)\Z|\A[\d.+-]+\Z|[*]\Z", re.IGNORECASE)
"""Matches texts that YAML would read as another value, or that would end a value."""


def quoted(text: str) -> str:
    """A YAML scalar in double quotes, for any text. It is JSON's form, in which YAML needs some further characters to
    be escaped.
    """
    return (
        json.dumps(text, ensure_ascii=False)
        .replace("\x7f", "\\x7f")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
