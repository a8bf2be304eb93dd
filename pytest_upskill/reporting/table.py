"""Aligned columns of styled text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pytest_upskill.reporting.text_style import TextStyle, measure, pad

GAP = "  "


class Cell:
    """Pieces of text, each followed by its styles: the arguments of ``TextStyle.paint``."""

    def __init__(self, *pieces: tuple[str, ...]) -> None:
        self.pieces = pieces
        self.text = "".join(text for text, *_ in pieces)

    def painted(self, text_style: TextStyle, width: int, align: str = "<") -> str:
        painted = "".join(text_style.paint(*piece) for piece in self.pieces)
        return pad(self.text, width, align).replace(self.text, painted, 1) if self.text else " " * width


class Column(NamedTuple):
    """A column by name. ``title`` is its heading; ``align`` is ``<`` or ``>``."""

    key: str
    title: str
    align: str = "<"


class Table:
    """A table. Columns without any text are left out; each is as wide as its widest cell."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Mapping[str, Cell]]) -> None:
        texts = {column: [row[column.key].text for row in rows if column.key in row] for column in columns}
        self._widths = {
            column: max(map(measure, (column.title, *cells))) for column, cells in texts.items() if any(cells)
        }

    @property
    def width(self) -> int:
        """Columns of the terminal that a row takes."""
        return 1 + sum(self._widths.values()) + len(GAP) * (len(self._widths) - 1)

    def heading(self, text_style: TextStyle) -> str:
        titles = (pad(column.title, width, column.align) for column, width in self._widths.items())
        return text_style.paint(f" {GAP.join(titles)}".rstrip(), "dim")

    def line(self, row: Mapping[str, Cell], text_style: TextStyle) -> str:
        widths = self._widths.items()
        cells = (row.get(column.key, Cell()).painted(text_style, width, column.align) for column, width in widths)
        return f" {GAP.join(cells)}".rstrip()


def flow(cells: Sequence[Cell], text_style: TextStyle, indent: int) -> Iterator[str]:
    """Equal cells in as many columns as fit, read downwards."""
    if not cells:
        return
    wide = max(measure(cell.text) for cell in cells)
    across = max(1, (text_style.width - indent + 3) // (wide + 3))
    down = -(-len(cells) // across)
    for row in range(down):
        found = [cell.painted(text_style, wide) for cell in cells[row::down]]
        yield (" " * indent + "   ".join(found)).rstrip()
