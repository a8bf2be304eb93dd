"""Whether a skill gives the solutions or tasks of its cases away: shared runs of tokens (n-grams).

A skill teaches by code, so that its solutions share pieces with it. Copied solutions are told apart by long runs: the
share of all runs of ``SOLUTION_TOKENS`` tokens of a solution that the skill's text holds, too. Comments, includes and
blanks do not count. A copy with other names is found by longer runs in which names do not count.
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

SOLUTION_TOKENS, RENAMED_TOKENS, TASK_WORDS = 24, 40, 8
SHORTEST = {SOLUTION_TOKENS: 12, RENAMED_TOKENS: RENAMED_TOKENS, TASK_WORDS: 4}
"""A text shorter than a run is one run itself, unless it is below this length, at which chance would repeat it."""
LIMIT, RENAMED_LIMIT = 0.5, 0.75
"""The largest shares of shared runs. Solutions of hand-written skills that teach by patterns reach 0.4 and 0.5."""
REFERENCES = "references"
_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|[^\s\w]|\w")
_LINES = re.compile(r"//[^\n]*|^[ \t]*#[^\n]*", re.MULTILINE)
_COMMENTS = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|^[ \t]*#[^\n]*", re.DOTALL | re.MULTILINE)
_DECORATION = re.compile(r"^(?:[ \t]*(?:>|[-*+] |\d+ *[:.)|]|//+))+|`|\\$", re.MULTILINE)
"""What makes lines of code a quotation, a list, numbered lines, comments or a macro."""

Run = tuple[str, ...]


def skill_text(folder: Path) -> str:
    """SKILL.md and the references of a skill, which a student may read."""
    own = next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)
    paths = ([own] if own else []) + sorted((folder / REFERENCES).rglob("*.md"))
    return "\n\n".join(path.read_bytes().decode("utf-8", "replace") for path in paths)


class Leakage:
    """Compares cases with one skill's text."""

    def __init__(self, text: str) -> None:
        # What looks like a comment in prose may enclose code.
        plain = _DECORATION.sub(" ", html.unescape(text))
        forms = (text, _LINES.sub(" ", text), _COMMENTS.sub(" ", text), _LINES.sub(" ", plain))
        tokens = [_TOKEN.findall(form) for form in forms]
        self._code = _Known(tokens, SOLUTION_TOKENS)
        self._renamed = _Known([_nameless(one) for one in tokens], RENAMED_TOKENS)
        self._words = _Known([_words(text)], TASK_WORDS)

    def problem(self, case: Case) -> str | None:
        """What the skill gives away of a case, with the limit; None if it is no more than the limit."""
        solution = case.solution.source if case.solution is not None and case.op is not None else ""
        tokens, renamed = _tokens(solution), f"{RENAMED_TOKENS} tokens, whatever the names,"
        shares = (
            ("solution", self._code.share(tokens), LIMIT, f"{SOLUTION_TOKENS} tokens"),
            ("solution", self._renamed.share(_nameless(tokens)), RENAMED_LIMIT, renamed),
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
        """The share of the runs of another text that are known."""
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


def _nameless(tokens: Sequence[str]) -> list[str]:
    """The tokens with one word in place of all names that a program may choose."""
    return ["name" if _is_free(one) else one for one in tokens]


def _is_free(token: str) -> bool:
    fixed = token in CPP_KEYWORDS or token in CUDA_AND_C or "__" in token
    return not fixed and (token[0].isalpha() or token[0] == "_")


def _words(text: str) -> list[str]:
    """Words in lower case; of scripts without blanks, characters."""
    return list(_split(re.findall(r"\w+", unicodedata.normalize("NFKC", text).lower())))


def _split(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        yield from [word] if word.isascii() or not any(_is_wide(char) for char in word) else word


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"
