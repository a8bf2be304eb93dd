"""Suggestions for misspelled words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word whose spelling is most similar to ``word``. None if no known word is similar."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The text ``; did you mean 'x'?`` if a known word is similar to ``word``, otherwise an empty text."""
    match = nearest(word, known)
    return "" if match is None else f"; did you mean '{match}'?"


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown ``word``. It names a similar known word or, if none is, all known words."""
    choices = list(known)
    return did_you_mean(word, choices) or (f"; known: {', '.join(choices)}" if choices else "")
