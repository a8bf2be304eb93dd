"""Finds characters that make code look different from what runs.

These are control characters, invisible characters, and characters that change the order in which text is shown
(Boucher and Anderson, *Trojan Source*, 2021).
"""

from __future__ import annotations

import io
import re
import tokenize
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as nothing."""
_VARIANTS = frozenset(map(chr, (*range(0x180B, 0x180E), *range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))))
"""Variation selectors, in which a text can be hidden. The two that choose between text and emoji are not included."""

_UNUSUAL = re.compile(r"[^\t\n -~]")
"""Matches all characters except printable ASCII, tabs and line ends. Only the matched characters can be hidden."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A hidden character, and its line in a text (1-based)."""

    line: int
    char: str

    @property
    def effect(self) -> str:
        """What the character does to the text that is shown."""
        if self.char in _REORDERING:
            return "changes the order in which the line is shown, not that in which it runs"
        if self.char not in _BLANK and unicodedata.category(self.char) == "Cc":
            return "controls the terminal"
        return "is not visible"

    def __str__(self) -> str:
        name = unicodedata.name(self.char, "a control character")
        return f"U+{ord(self.char):04X}, {name}, {self.effect}"


def is_hidden(char: str) -> bool:
    """Whether a character is invisible, or changes how other text is shown. False for tabs and line ends."""
    if char.isascii():
        return not (char.isprintable() or char in "\t\n")
    return (
        char in _BLANK or char in _VARIANTS or unicodedata.category(char) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
    )


def hidden_characters(text: str) -> Iterator[Hidden]:
    """The hidden characters of a text, in order."""
    for number, line in enumerate(text.split("\n"), 1):
        yield from (Hidden(number, char) for char in line if is_hidden(char))


@dataclass(frozen=True, slots=True)
class Disguised:
    """A name in Python code, and its line (1-based).

    The name has letters beyond ASCII, so it may look like another name.
    """

    line: int
    name: str

    def __str__(self) -> str:
        letters = ", ".join(f"U+{ord(char):04X}" for char in dict.fromkeys(self.name) if not char.isascii())
        read = unicodedata.normalize("NFKC", self.name)
        same = f", and is read as '{read}'" if read != self.name else ""
        return f"the name '{self.name}' has {letters}, which may look like other letters{same}"


def disguised_names(source: str) -> Iterator[Disguised]:
    """The names in Python code that have letters beyond ASCII, in order, up to the first syntax error."""
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME and not token.string.isascii():
                yield Disguised(token.start[0], token.string)


def visible(text: str) -> str:
    """The text with each hidden character replaced by its code, such as ``<U+202E>``."""
    return _UNUSUAL.sub(lambda found: f"<U+{ord(found[0]):04X}>" if is_hidden(found[0]) else found[0], text)
