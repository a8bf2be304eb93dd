"""Helpers for scanning C++ as text: blank out comments and literals, match brackets, split lists. Knows no CUDA."""

from __future__ import annotations

import re
from collections.abc import Iterable

OPENERS = {")": "(", "]": "[", "}": "{"}
CLOSERS = {"(": ")", "[": "]", "{": "}"}

# Comments and literals. A quote after a digit separates digits. A literal without an end goes to the end of its line:
# each alternative matches wherever it begins, so that nothing is read twice.
OPAQUE = re.compile(
    r"""
      //(?:[^\n\\]|\\[\s\S])*                       # a comment, with its continuation lines
    | /\*[\s\S]*?(?:\*/|\Z)
    | \b(?:u8|[uUL])?R"(?P<fence>[^()\\\s]{0,16})\([\s\S]*?(?:\)(?P=fence)"|\Z)
    | "(?:[^"\\\n]|\\[\s\S])*(?:"|\\?)
    | (?<![0-9A-Fa-f])'(?:[^'\\\n]|\\[\s\S])*(?:'|\\?)
    """,
    re.VERBOSE,
)

_BRACKET = re.compile(r"[()\[\]{}]")


def blank_out(text: str, *, literals: bool = True) -> str:
    """The text with comments and, if ``literals`` is True, literals replaced by spaces. Positions and lines stay the
    same.
    """

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0]) if literals or match[0].startswith("/") else match[0]

    return OPAQUE.sub(blank, text)


def edited(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """The text with pieces replaced, in one pass. Copying it for each of a thousand launches would take minutes."""
    pieces, position = [], 0
    for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
        pieces += [text[position:start], new]
        position = end
    return "".join([*pieces, text[position:]])


def line_breaks(text: str) -> str:
    """The line breaks in a text, together with the backslashes that continue a macro over them."""
    return "".join(re.findall(r"\\?\n", text))


def bracket_pairs(blank: str) -> dict[int, int]:
    """The position of the closing bracket for each opening bracket that is closed. All are found in one pass."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for match in _BRACKET.finditer(blank):
        if match[0] in CLOSERS:
            opened.append(match.start())
        elif opened and blank[opened[-1]] == OPENERS[match[0]]:
            pairs[opened.pop()] = match.start()
        else:
            opened.clear()
    return pairs


def closing_bracket(blank: str, start: int) -> int:
    """The position of the bracket that closes the one at ``start``, or -1."""
    expected: list[str] = []
    for match in _BRACKET.finditer(blank, start):
        if match[0] in CLOSERS:
            expected.append(CLOSERS[match[0]])
        elif not expected or expected.pop() != match[0]:
            return -1
        elif not expected:
            return match.start()
    return -1


def split_outside(text: str, mark: str, brackets: str = "()[]{}") -> list[str]:
    """The pieces of a text between marks. Marks in brackets, comments or literals do not count."""
    depth, begin, pieces = 0, 0, []
    for match in re.finditer(f"[{re.escape(brackets + mark)}]", blank_out(text)):
        if match[0] != mark:
            depth += -1 if brackets.index(match[0]) % 2 else 1
        elif depth == 0:
            pieces.append(text[begin : match.start()])
            begin = match.end()
    return [*pieces, text[begin:]]
