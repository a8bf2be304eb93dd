"""Suggestions for misspelled words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is spelled most like ``word``, None if none is close."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` if a known word is similar to ``word``, else nothing."""
    match = nearest(word, known)
    return "" if match is None else f"; did you mean '{match}'?"


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown ``word``: a similar known word, else all known words."""
    choices = list(known)
    return did_you_mean(word, choices) or (f"; known: {', '.join(choices)}" if choices else "")
