"""Text on a terminal: colours, signs, widths, tables and short forms of numbers.

Every text from outside passes ``clean``, so that a model's text cannot control the terminal. rich could do most of
this, but importing its console and tables takes four times as long as making the whole summary.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_upskill.statistics.intervals import Interval

_STYLES: Mapping[str, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
TAB = 4
GAP = "  "
"""The space between the columns of a table."""

_SIGNS: Mapping[str, tuple[str, str]] = {
    "tick": ("✓", "+"),
    "cross": ("✗", "x"),
    "up": ("▲", "^"),
    "down": ("▼", "v"),
    "level": ("·", "="),
    "more": ("…", "..."),
    "wall": ("│", "|"),
    "here": ("▶", ">"),
    "times": ("\u00d7", "x"),
    "minus": ("\u2212", "-"),
    "arrow": ("→", "->"),
    "track": ("─", "-"),
    "span": ("━", "="),
    "from": ("○", "o"),
    "to": ("●", "*"),
    "dot": ("·", "-"),
}
"""Each sign in Unicode and in ASCII."""


@dataclass(frozen=True, slots=True)
class TextStyle:
    """What the terminal can show. ``width`` is in columns."""

    width: int
    color: bool
    unicode: bool

    def sign(self, name: str) -> str:
        """Return a sign by its name, in the form that the terminal can show."""
        return _SIGNS[name][0 if self.unicode else 1]

    def paint(self, text: str, *styles: str) -> str:
        """Return the text in the given styles (``bold``, ``dim`` or a colour), or unchanged on a plain terminal."""
        codes = [_STYLES[style] for style in styles if style]
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self.color and codes and text else text

    def clean(self, text: str) -> str:
        """Return the text as one line without control sequences, in ASCII if the terminal can show nothing else."""
        if text.isascii() and text.isprintable():
            return text  # holds for nearly all texts
        plain = "".join(_shown(char) for char in _ESCAPES.sub("", text.expandtabs(TAB)))
        return plain if self.unicode else plain.encode("ascii", "replace").decode("ascii")

    def wrap(self, text: str, width: int, most: int | None = None, hang: int = 0) -> list[str]:
        """Return the text in lines of at most ``width`` columns, broken at spaces if possible. Its own line ends stay.

        Lines after the first are indented by ``hang``. If there are more than ``most`` lines, the rest is cut, and a
        sign marks the cut.
        """
        wrapped = [row for part in text.splitlines() for row in _fold(self.clean(part), max(width, 8), hang)]
        if most is not None and len(wrapped) > most:
            more = f" {self.sign('more')}"
            wrapped[most - 1 :] = [_take(wrapped[most - 1], max(width, 8) - len(more)).rstrip() + more]
        return wrapped

    def lines(self, text: str, indent: int, *styles: str, hang: int = 0) -> Iterator[str]:
        """Yield the text in indented lines of the given styles, as wide as the terminal."""
        for line in self.wrap(text, self.width - indent, hang=hang):
            yield " " * indent + self.paint(line, *styles)


def printable(text: str) -> str:
    """Return a text without control sequences, which pytest can print."""
    return "\n".join(map(TextStyle(0, color=False, unicode=True).clean, text.splitlines()))


def can_show(encoding: str | None) -> bool:
    """Return whether a terminal of this encoding can show every sign that we use."""
    try:
        "".join(sign for sign, _ in _SIGNS.values()).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def measure(text: str) -> int:
    """Return how many columns a text without styles takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def pad(text: str, width: int, align: str = "<") -> str:
    """Return the text filled with spaces to ``width`` columns. ``align`` is ``<`` or ``>``."""
    space = " " * max(width - measure(text), 0)
    return space + text if align == ">" else text + space


def _columns(char: str) -> int:
    return 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _shown(char: str) -> str:
    # Control, format (also right-to-left override), surrogate and private characters are replaced by a space or '?'.
    return char if char == " " or unicodedata.category(char)[0] not in "CZ" else " " if char.isspace() else "?"


def _take(text: str, width: int) -> str:
    taken, used = "", 0
    for char in text:
        used += _columns(char)
        if used > width:
            break
        taken += char
    return taken


def _fold(text: str, width: int, hang: int) -> Iterator[str]:
    rest = text.rstrip()
    indent = " " * min(len(rest) - len(rest.lstrip()) + hang, width // 2)
    while measure(rest) > width:
        head = _take(rest, width)
        cut = len(head) if rest[len(head)] == " " else head.rfind(" ")
        word = rest[cut + 1 :].partition(" ")[0]
        if not head[: max(cut, 0)].strip() or measure(word) > width - len(indent):  # a word wider than a line is cut
            cut = len(head)
        yield rest[:cut].rstrip()
        rest = indent + rest[cut:].lstrip()
    yield rest


def percent(rate: float) -> str:
    """Return a rate as ``88%``. 100% and 0% are shown only for a rate of exactly 1 or 0."""
    shown = round(100 * rate)
    if rate < 1:
        shown = min(shown, 99)
    if rate > 0:
        shown = max(shown, 1)
    return f"{shown}%"


def points(difference: float, text_style: TextStyle) -> str:
    """Return a difference of rates in percentage points, with its sign, such as ``+56``, ``-6`` or ``0``."""
    shown = round(100 * difference)
    return f"+{shown}" if shown > 0 else f"{text_style.sign('minus')}{-shown}" if shown < 0 else "0"


class Cell:
    """Pieces of text, each followed by its styles, as ``TextStyle.paint`` takes them."""

    def __init__(self, *pieces: tuple[str, ...]) -> None:
        self.pieces = pieces
        self.text = "".join(text for text, *_ in pieces)

    def painted(self, text_style: TextStyle, width: int, align: str = "<") -> str:
        painted = "".join(text_style.paint(*piece) for piece in self.pieces)
        return pad(self.text, width, align).replace(self.text, painted, 1) if self.text else " " * width


class Column(NamedTuple):
    """A column of a table, with its name. ``title`` is its heading; ``align`` is ``<`` or ``>``."""

    key: str
    title: str
    align: str = "<"


class Table:
    """A table. Columns without any text are left out. Each column is as wide as its widest cell."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Mapping[str, Cell]]) -> None:
        texts = {column: [row[column.key].text for row in rows if column.key in row] for column in columns}
        self._widths = {
            column: max(map(measure, (column.title, *cells))) for column, cells in texts.items() if any(cells)
        }

    @property
    def width(self) -> int:
        """Return how many columns of the terminal a row takes."""
        return 1 + sum(self._widths.values()) + len(GAP) * (len(self._widths) - 1)

    def heading(self, text_style: TextStyle) -> str:
        titles = (pad(column.title, width, column.align) for column, width in self._widths.items())
        return text_style.paint(f" {GAP.join(titles)}".rstrip(), "dim")

    def line(self, row: Mapping[str, Cell], text_style: TextStyle) -> str:
        widths = self._widths.items()
        cells = (row.get(column.key, Cell()).painted(text_style, width, column.align) for column, width in widths)
        return f" {GAP.join(cells)}".rstrip()


def flow(cells: Sequence[Cell], text_style: TextStyle, indent: int) -> Iterator[str]:
    """Yield cells in as many equally wide columns as fit, to be read downwards.

    Each cell that is wider than half of the line follows in a line of its own.
    """
    half = (text_style.width - indent) // 2
    if equal := [cell for cell in cells if measure(cell.text) <= half]:
        wide = max(measure(cell.text) for cell in equal)
        down = -(-len(equal) // max(1, (text_style.width - indent + 3) // (wide + 3)))
        for row in range(down):
            found = [cell.painted(text_style, wide) for cell in equal[row::down]]
            yield (" " * indent + "   ".join(found)).rstrip()
    for cell in cells:
        if half < measure(cell.text) <= text_style.width - indent:
            yield " " * indent + cell.painted(text_style, 0)
        elif measure(cell.text) > half:
            yield from text_style.lines(cell.text, indent, *cell.pieces[-1][1:], hang=2)


def arm_label(arm: str) -> str:
    """Return ``with skill`` for the skill's arm, and the own name of any other arm."""
    return "with skill" if arm == "skill" else arm


def percents(interval: Interval | None) -> str:
    """Return an interval of rates, such as ``53% to 98%``; empty if there is none."""
    return "" if interval is None else f"{percent(interval[0])} to {percent(interval[1])}"


def spread(interval: Interval | None, text_style: TextStyle) -> str:
    """Return the interval of a difference in percentage points, such as `` [+25, +88]``; empty if there is none."""
    return "" if interval is None else f" [{points(interval[0], text_style)}, {points(interval[1], text_style)}]"


def count(number: int) -> str:
    """Return a number in a short form, such as ``950``, ``1.2k``, ``48k`` or ``1.3M``."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size * 0.9995:
            scaled = number / size
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return str(number)


def duration(seconds: float) -> str:
    """Return a duration such as ``0.4s``, ``12s``, ``3m12s`` or ``1h04m``."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02d}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def money(usd: float) -> str:
    """Return an amount such as ``$1.20``. Amounts below a cent have two significant digits."""
    if usd == 0 or usd >= 0.01:
        return f"${usd:.2f}"
    return f"${usd:.2g}" if usd >= 0.0001 else "<$0.0001"


def plural(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 case`` or ``2 cases``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
