"""Aligned columns of styled text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_upskill.reporting.text_style import TextStyle, measure, pad

GAP = "  "


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with its styles; or ``spans``, pieces with their own styles that together are ``text``."""

    text: str = ""
    styles: tuple[str, ...] = ()
    spans: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, *spans: tuple[str, tuple[str, ...]]) -> Cell:
        return cls("".join(text for text, _ in spans), (), spans)

    def painted(self, text_style: TextStyle, width: int, align: str) -> str:
        spans = self.spans or ((self.text, self.styles),)
        painted = "".join(text_style.paint(text, *styles) for text, styles in spans)
        return pad(self.text, width, align).replace(self.text, painted, 1) if self.text else " " * width


@dataclass(frozen=True, slots=True)
class Column:
    """A column by name. ``title`` is its heading; ``align`` is ``<`` or ``>``."""

    key: str
    title: str
    align: str = "<"


Row = Mapping[str, Cell]


class Table:
    """A table. Columns without any text are left out; each is as wide as its widest cell."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Row], indent: int = 1) -> None:
        self._columns = [column for column in columns if any(row.get(column.key, Cell()).text for row in rows)]
        self._indent = " " * indent
        self._widths = {
            column.key: max(measure(column.title), *(measure(row.get(column.key, Cell()).text) for row in rows))
            for column in self._columns
        }

    @property
    def width(self) -> int:
        """Columns of the terminal that a row takes."""
        return len(self._indent) + sum(self._widths.values()) + len(GAP) * (len(self._columns) - 1)

    def heading(self, text_style: TextStyle) -> str:
        titles = (pad(column.title, self._widths[column.key], column.align) for column in self._columns)
        return text_style.paint((self._indent + GAP.join(titles)).rstrip(), "dim")

    def line(self, row: Row, text_style: TextStyle) -> str:
        cells = (
            row.get(column.key, Cell()).painted(text_style, self._widths[column.key], column.align)
            for column in self._columns
        )
        return (self._indent + GAP.join(cells)).rstrip()


def flow(cells: Sequence[Cell], text_style: TextStyle, indent: int) -> Iterator[str]:
    """Equal cells in as many columns as fit, read downwards."""
    if not cells:
        return
    wide = max(measure(cell.text) for cell in cells)
    across = max(1, (text_style.width - indent + 3) // (wide + 3))
    down = -(-len(cells) // across)
    for row in range(down):
        found = [cell.painted(text_style, wide, "<") for cell in cells[row::down]]
        yield (" " * indent + "   ".join(found)).rstrip()
