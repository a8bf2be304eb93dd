"""Finds the definitions in a Python source. Reads tokens, which raise no SyntaxWarning, unlike ``ast`` (it is an error
if the user's pytest turns warnings into errors).
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, islice
from typing import Literal

_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")
_ASIDE = (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT)

Token = tokenize.TokenInfo


@dataclass(frozen=True, slots=True)
class Parameter:
    """``kind`` is empty for a positional parameter."""

    name: str
    kind: Literal["", "keyword", "*", "**"]
    default: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """A statement that defines a name; ``line`` is 1-based."""

    kind: Literal["def", "async def", "class", "="]
    line: int
    top_level: bool
    parameters: Sequence[Parameter] = ()


def definitions(source: str, name: str) -> list[Definition]:
    """The definitions of a name, in order, in a source that Python can compile."""
    found = []
    for statement in _statements(source):
        words = [token.string for token in statement]
        line, top_level = statement[0].start[0], statement[0].start[1] == 0
        if words[:2] == ["def", name]:
            found.append(Definition("def", line, top_level, _parameters(words)))
        elif words[:3] == ["async", "def", name]:
            found.append(Definition("async def", line, top_level))
        elif words[:2] == ["class", name]:
            found.append(Definition("class", line, top_level))
        elif words[:1] == [name] and words[1:2] in (["="], [":"]):
            found.append(Definition("=", line, top_level))
    return found


def _statements(source: str) -> Iterator[list[Token]]:
    """The tokens of each logical line, including those after a ``;``."""
    line: list[Token] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NEWLINE:
                if line:
                    yield line
                line = []
            elif token.type not in _ASIDE and token.type != tokenize.ENDMARKER:
                line.append(token)
    except (tokenize.TokenError, SyntaxError):
        return


def _parameters(words: Sequence[str]) -> list[Parameter]:
    """The parameters in the first pair of parentheses: ``(x: Tensor, /, *, eps=1.0)``."""
    found: list[Parameter] = []
    keyword = False
    for part in _parts(words):
        if part[0] in ("*", "**"):
            keyword = True
            if len(part) > 1:
                found.append(Parameter(part[1], "**" if part[0] == "**" else "*", True))
        elif part[0] != "/":
            found.append(Parameter(part[0], "keyword" if keyword else "", "=" in part))
    return found


def _parts(words: Sequence[str]) -> Iterator[list[str]]:
    """The words between the commas of the first pair of parentheses, without those in further brackets."""
    depth, in_lambda = 1, False
    part: list[str] = []
    for word in islice(dropwhile(lambda word: word != "(", words), 1, None):
        depth += (word in _OPENING) - (word in _CLOSING)
        if depth == 1:  # commas between a lambda's own parameters do not count
            in_lambda = word == "lambda" or (in_lambda and word != ":")
        if depth == 0 or (depth == 1 and word == "," and not in_lambda):
            if part:
                yield part
            part = []
        elif depth == 1:
            part.append(word)
        if depth == 0:
            return
