"""Source text of C++ as a scanner sees it: comments and strings blanked, brackets matched. Knows no CUDA."""

from __future__ import annotations

import re

OPENERS = {")": "(", "]": "[", "}": "{"}
CLOSERS = {"(": ")", "[": "]", "{": "}"}

# One alternative for each thing in which brackets and keywords mean nothing. A quote after a digit is a separator.
OPAQUE = re.compile(
    r"""
      //(?:[^\n\\]|\\[\s\S])*                       # a comment, with its continuation lines
    | /\*[\s\S]*?(?:\*/|\Z)
    | \b(?:u8|[uUL])?R"(?P<fence>[^()\\\s]{0,16})\([\s\S]*?(?:\)(?P=fence)"|\Z)
    | "(?:[^"\\\n]|\\[\s\S])*"
    | (?<![0-9A-Fa-f])'(?:[^'\\\n]|\\[\s\S])*'
    """,
    re.VERBOSE,
)

_BRACKET = re.compile(r"[()\[\]{}]")


def blank_out(text: str) -> str:
    """The text with comments, strings and characters blanked out, of the same length and with the same lines."""
    return OPAQUE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def line_breaks(text: str) -> str:
    """The line breaks in a text, with the backslashes that continue a macro over them."""
    return "".join(re.findall(r"\\?\n", text))


def bracket_pairs(blank: str) -> dict[int, int]:
    """For each bracket the position of the one that closes it, found in one pass; those that nothing closes are absent.

    As ``closing_bracket`` finds them, one by one.
    """
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
    stack: list[str] = []
    for position in range(start, len(blank)):
        character = blank[position]
        if character in CLOSERS:
            stack.append(CLOSERS[character])
        elif character in OPENERS:
            if not stack or stack.pop() != character:
                return -1
            if not stack:
                return position
    return -1
