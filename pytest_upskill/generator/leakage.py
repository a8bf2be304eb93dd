"""Checks whether a skill gives away the solutions or tasks of its cases, by comparing runs of tokens (n-grams).

A skill teaches by code, so its solutions share short pieces with it. A copied solution shares long runs, so the share
of a solution's runs of ``SOLUTION_TOKENS`` tokens that also occur in the skill's text is measured. Comments, includes
and blanks do not count. A copy with other names, types (``float`` to ``__half``, with its conversions) or sizes is
found by longer runs of folded tokens; ``_folded`` says what folding leaves out.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.documents.identifiers import CPP_KEYWORDS, CUDA_AND_C
from pytest_upskill.skills.skill import FILE_NAMES

SOLUTION_TOKENS, FOLDED_TOKENS, TASK_WORDS = 24, 30, 8
SHORTEST = {SOLUTION_TOKENS: 12, FOLDED_TOKENS: FOLDED_TOKENS, TASK_WORDS: 4}
"""A text that is shorter than a run counts as one run, unless it has fewer tokens than this, because so short a text
can be repeated by chance.
"""
LIMIT, FOLDED_LIMIT = 0.5, 0.6
"""The largest allowed shares of common runs. Solutions of hand-written skills that teach by patterns reach 0.4 and 0.5;
copies with other names and types share more than 0.7.
"""
REFERENCES = "references"
_TOKEN = re.compile(r"[A-Za-z_]\w*|\.?\d[\w.]*|[^\s\w]|\w")
_LINES = re.compile(r"//[^\n]*|^[ \t]*#[^\n]*", re.MULTILINE)
_COMMENTS = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|^[ \t]*#[^\n]*", re.DOTALL | re.MULTILINE)
_DECORATION = re.compile(r"^(?:[ \t]*(?:>|[-*+] |\d+ *[:.)|]|//+))+|`|\\$", re.MULTILINE)
"""Matches what turns lines of code into a quotation, a list, numbered lines, comments or a macro."""

_TYPES = frozenset(
    """
    auto bool char double float int long short signed unsigned void half half2 nv_bfloat16 size_t ssize_t ptrdiff_t
    intptr_t uintptr_t ushort uint ulong int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t
    """.split()  # noqa: SIM905 - a table
)
_HALF = re.compile(r"__(?:half2?|nv_bfloat16\w*|h[a-z]\w*)")
"""Matches 16-bit types, and functions for them such as ``__hadd``."""
_CONVERSION = re.compile(r"__\w+2\w+")
_NO_MATTER = frozenset(
    """
    const constexpr static inline volatile restrict __restrict__ __forceinline__ static_cast reinterpret_cast const_cast
    std ( ) { } :
    """.split()  # noqa: SIM905 - a table
)
_NAME, _NUMBER = "name", "1"

Run = tuple[str, ...]


def skill_text(folder: Path) -> str:
    """SKILL.md and the references of a skill, which a student may read."""
    own = next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)
    paths = ([own] if own else []) + sorted((folder / REFERENCES).rglob("*.md"))
    return "\n\n".join(path.read_bytes().decode("utf-8", "replace") for path in paths)


class Leakage:
    """Compares cases with one skill's text."""

    def __init__(self, text: str) -> None:
        # A mark of a comment in prose may stand before code, so it is removed, and the code is compared, too.
        plain = _DECORATION.sub(" ", html.unescape(text))
        forms = (text, _LINES.sub(" ", text), _COMMENTS.sub(" ", text), _LINES.sub(" ", plain))
        tokens = [_TOKEN.findall(form) for form in forms]
        self._code = _Known(tokens, SOLUTION_TOKENS)
        self._folded = _Known([_folded(one) for one in tokens], FOLDED_TOKENS)
        self._words = _Known([_words(text)], TASK_WORDS)

    def problem(self, case: Case) -> str | None:
        """What the skill gives away of a case, with the limit that is exceeded; None if no limit is exceeded."""
        solution = case.solution.source if case.solution is not None and case.op is not None else ""
        tokens, folded = _tokens(solution), f"{FOLDED_TOKENS} tokens, whatever the names, types and numbers,"
        shares = (
            ("solution", self._code.share(tokens), LIMIT, f"{SOLUTION_TOKENS} tokens"),
            ("solution", self._folded.share(_folded(tokens)), FOLDED_LIMIT, folded),
            ("task", self._words.share(_words(case.task)), LIMIT, f"{TASK_WORDS} words"),
        )
        for what, share, limit, runs in shares:
            if share > limit:
                rule = f"at most {limit:.0%} may be: change the {what}, or take it out of the skill"
                return f"the skill gives the {what} away: {share:.0%} of its runs of {runs} are in the skill, {rule}"
        return None


class _Known:
    """The runs of ``length`` tokens of some texts."""

    def __init__(self, texts: Sequence[Sequence[str]], length: int) -> None:
        self._texts, self._length = texts, length
        self._runs = self._of(length)

    def share(self, tokens: Sequence[str]) -> float:
        """The share of another text's runs that are among these runs."""
        length = min(self._length, len(tokens))
        if length < SHORTEST[self._length]:
            return 0.0
        own, known = _runs(tokens, length), self._runs if length == self._length else self._of(length)
        return len(own & known) / len(own)

    def _of(self, length: int) -> frozenset[Run]:
        return frozenset[Run]().union(*(_runs(one, length) for one in self._texts))


def _runs(tokens: Sequence[str], length: int) -> frozenset[Run]:
    return frozenset(tuple(tokens[at : at + length]) for at in range(len(tokens) - length + 1))


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(_COMMENTS.sub(" ", text))


def _folded(tokens: Sequence[str]) -> list[str]:
    """The tokens without what changes in a rewritten copy. All names and types become one word, and all numbers
    another. Qualifiers, brackets, casts and conversions are left out. The type and the name of a declaration become one
    word together.
    """
    folded: list[str] = []
    for token in tokens:
        if token in _NO_MATTER or _CONVERSION.fullmatch(token):
            continue
        word, is_operand = _as_operand(token)
        if word == ">" and folded[-2:] == ["<", _NAME]:  # the type of a cast or a template
            del folded[-2:]
        elif is_operand and folded and folded[-1] == _NAME:
            folded[-1] = word
        else:
            folded.append(word)
    return folded


def _as_operand(token: str) -> tuple[str, bool]:
    """The folded token, and whether it is a name, a type or a number."""
    if token[0].isdigit() or (token[0] == "." and len(token) > 1):
        return _NUMBER, True
    if token in _TYPES or _HALF.fullmatch(token):
        return _NAME, True
    if not (token[0].isalpha() or token[0] == "_"):
        return token, False
    if token in CUDA_AND_C:
        return token, True
    return (token, False) if token in CPP_KEYWORDS or "__" in token else (_NAME, True)


def _words(text: str) -> list[str]:
    """Words in lower case. In scripts without blanks, each character is a word."""
    return list(_split(re.findall(r"\w+", unicodedata.normalize("NFKC", text).lower())))


def _split(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        yield from [word] if word.isascii() or not any(_is_wide(char) for char in word) else word


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"
