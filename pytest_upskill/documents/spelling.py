"""Suggests what somebody may have meant. Knows words only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is spelled most like ``word``, or None where none comes close."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown ``word``: a near spelling, else what there is to choose from."""
    choices = list(known)
    match = nearest(word, choices)
    if match is not None:
        return f"; did you mean '{match}'?"
    if not choices:
        return ""
    return "; known: " + ", ".join(choices)
