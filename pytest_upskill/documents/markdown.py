"""Reads fenced blocks and level-2 headings of Markdown.

Fences follow CommonMark 0.31, section 4.5. A fence is three or more backticks or tildes, indented by at most three
columns (counted from the content of a list item). A line with at least as many of the same character, and nothing else,
closes the block. There is one exception, because models indent carelessly: a line that is indented less than a list
item does not end a block that was opened in the item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_LIST_ITEM = re.compile(r"([-+*]|[0-9]{1,9}[.)])( {1,4})(?=\S)")
_HEADING = re.compile(r" {0,3}##(?=[ \t]|\Z)")
_ANY_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|\Z)")
_MAX_NESTED = 20
_MARKERS = frozenset("`~-+*0123456789")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block. ``opening`` is the line (1-based) of its fence, and ``line`` is its first line of source."""

    info: str
    source: str
    opening: int
    closed: bool

    @property
    def line(self) -> int:
        return self.opening + 1

    @property
    def language(self) -> str:
        """The first word of the info string, in lower case."""
        return self.info.split(maxsplit=1)[0].lower() if self.info else ""


@dataclass(frozen=True, slots=True)
class Section:
    """The text under a ``## `` heading. ``line`` is the line of the heading.

    The text above the first heading is a section whose title is None.
    """

    title: str | None
    line: int
    text: str
    fences: tuple[Fence, ...]


def lines_of(text: str) -> list[str]:
    """Split a text at ``\\n``, ``\\r\\n`` and ``\\r``. ``str.splitlines`` would also split at other characters.

    There is always at least one line.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n")


class FenceReader:
    """Reads a document line by line, and returns each fenced block when it ends.

    ``inside`` is true while a block is open, and ``fence`` is the fence that closes the open block.
    """

    def __init__(self) -> None:
        self.inside = False
        self.fence = ""
        self._items: list[int] = []
        self._source: list[str] = []

    def feed(self, number: int, line: str) -> Fence | None:
        """Read line ``number``. Return the block that the line closes, or None."""
        if not self.inside:
            if (stripped := line.lstrip(" \t")) and (stripped[0] in _MARKERS or self._items):
                self._open(number, line, stripped)
            return None
        if self.fence in line and self._closes(line):
            return self._finish(closed=True)
        margin = len(line) - len(line.lstrip(" ")) if self._indent else 0
        self._source.append(line[min(margin, self._indent) :])
        return None

    def end(self) -> Fence | None:
        """Return the block that is open at the end of the document, marked as not closed. None if none is open."""
        return self._finish(closed=False) if self.inside else None

    def _open(self, number: int, line: str, stripped: str) -> None:
        indent = _columns(line, stripped)
        while self._items and indent < self._items[-1]:
            self._items.pop()
        while len(self._items) < _MAX_NESTED and indent - self._content <= 3 and (item := _LIST_ITEM.match(stripped)):
            indent += item.end()
            self._items.append(indent)
            stripped = stripped[item.end() :]
        character = stripped[:1]
        if character not in ("`", "~") or indent - self._content > 3:
            return
        info = stripped.lstrip(character)
        length = len(stripped) - len(info)
        if length < 3 or (character == "`" and "`" in info):
            return
        self.inside, self._info, self._opening = True, info.strip(), number
        self.fence, self._indent = character * length, indent

    @property
    def _content(self) -> int:
        return self._items[-1] if self._items else 0

    def _closes(self, line: str) -> bool:
        stripped = line.strip(" \t")
        only_fence = stripped.startswith(self.fence) and not stripped.strip(self.fence[0])
        return only_fence and _columns(line, line.lstrip(" \t")) <= self._content + 3

    def _finish(self, closed: bool) -> Fence:
        source = "\n".join(self._source) + "\n" if self._source else ""
        self.inside, self._source = False, []
        return Fence(self._info, source, self._opening, closed)


def fences(lines: Sequence[str], first: int = 1) -> Iterator[Fence]:
    """The fenced blocks of a document whose first line has number ``first``, in order."""
    reader = FenceReader()
    for number, line in enumerate(lines, first):
        if (fence := reader.feed(number, line)) is not None:
            yield fence
    if (last := reader.end()) is not None:
        yield last


def sections(lines: Sequence[str], first: int = 1) -> list[Section]:
    """Cut a document at ``## `` headings outside fences. The text above the first is a section without a title."""
    reader = FenceReader()
    found: list[Section] = []
    title: str | None = None
    start, begin = first, 0
    blocks: list[Fence] = []
    for index, line in enumerate(lines):
        heading = None if reader.inside or "##" not in line else _HEADING.match(line)
        if heading:
            found.append(Section(title, start, "\n".join(lines[begin:index]), tuple(blocks)))
            title, start, begin, blocks = _title(line[heading.end() :]), first + index, index + 1, []
            continue
        if (fence := reader.feed(first + index, line)) is not None:
            blocks.append(fence)
    last = reader.end()
    found.append(Section(title, start, "\n".join(lines[begin:]), (*blocks, last) if last else tuple(blocks)))
    return found


def headings(lines: Sequence[str]) -> list[tuple[int, int, str]]:
    """The headings that begin with ``#`` and are outside fences.

    Each heading is its index in ``lines``, its level and its title.
    """
    reader, found = FenceReader(), []
    for index, line in enumerate(lines):
        heading = None if reader.inside or "#" not in line else _ANY_HEADING.match(line)
        if heading:
            found.append((index, len(heading[1]), _title(line[heading.end() :])))
        else:
            reader.feed(index, line)
    return found


def _title(text: str) -> str:
    """The title of a heading, without ``#`` at its end."""
    title = text.strip(" \t")
    bare = title.rstrip("#")
    return bare.rstrip(" \t") if bare.endswith((" ", "\t")) else title


def _columns(line: str, stripped: str) -> int:
    return len(line[: len(line) - len(stripped)].expandtabs(4))
