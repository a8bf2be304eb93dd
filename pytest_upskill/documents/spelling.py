"""Suggestions for misspelled words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is spelled most like ``word``, None if none is close."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown ``word``: a similar known word, else all known words."""
    choices = list(known)
    if match := nearest(word, choices):
        return f"; did you mean '{match}'?"
    return "; known: " + ", ".join(choices) if choices else ""
