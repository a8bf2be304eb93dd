"""Estimates whether a text is written in a language: by its script and, for languages in Latin letters, by frequent
words.

Code does not count: fenced blocks, code spans, formulas and links are left out. If there is no list of frequent words
here for a language in Latin letters, only its script is checked.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

from pytest_upskill.documents.markdown import fences, lines_of

LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\Z")
NAMES: Mapping[str, str] = {
    "ar": "Arabic", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fr": "French", "he": "Hebrew",
    "hi": "Hindi", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish",
    "pt": "Portuguese", "ru": "Russian", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip
_SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "ja": ("HIRAGANA", "KATAKANA", "CJK"), "zh": ("CJK", "BOPOMOFO"), "ko": ("HANGUL",), "ru": ("CYRILLIC",),
    "uk": ("CYRILLIC",), "bg": ("CYRILLIC",), "el": ("GREEK",), "ar": ("ARABIC",), "fa": ("ARABIC",),
    "ur": ("ARABIC",), "he": ("HEBREW",), "hi": ("DEVANAGARI",), "th": ("THAI",),
}  # fmt: skip
"""By language: the first words of its letters' Unicode names. Languages that are not listed use Latin letters."""
_KANA = ("HIRAGANA", "KATAKANA")
LEAST_SHARE = 0.3
"""The least share of the letters outside code that must be in the language's script. It is low because terms and names
stay in Latin letters.
"""
LEAST_KANA = 0.1
"""The least share of kana among the letters of a Japanese text in its scripts. A Chinese text has a smaller share."""
_WORDS: Mapping[str, frozenset[str]] = {
    "en": frozenset(
        ["the", "and", "of", "to", "is", "a", "in", "that", "for", "with", "are", "not", "it", "be", "this"]
    ),
    "de": frozenset(
        ["der", "die", "und", "das", "ist", "nicht", "ein", "eine", "mit", "zu", "den", "für", "von", "wird", "auf"]
    ),
    "fr": frozenset(
        ["le", "la", "les", "et", "des", "est", "une", "un", "pour", "dans", "que", "pas", "sur", "du", "ne"]
    ),
    "es": frozenset(["el", "la", "los", "y", "de", "que", "en", "es", "una", "un", "por", "con", "para", "las", "no"]),
    "it": frozenset(["il", "la", "di", "e", "che", "è", "un", "una", "per", "non", "con", "del", "sono", "in", "le"]),
    "pt": frozenset(["o", "a", "de", "e", "que", "é", "um", "uma", "para", "não", "com", "do", "da", "em", "os"]),
    "nl": frozenset(
        ["de", "het", "een", "en", "van", "is", "niet", "met", "voor", "dat", "op", "te", "zijn", "in", "wordt"]
    ),
}
_FEW_WORDS = 40
"""Frequent words are not counted in a text with fewer words than this."""
_SPANS = re.compile(r"`+[^`\n]*`+|\$[^$\n]*\$|\]\([^)\n]*\)|https?://\S+")


def problem(text: str, language: str) -> str | None:
    """Why a text is not in ``language`` (BCP 47), with the rule that it breaks; None if it may be in this language."""
    code = language.partition("-")[0].lower()
    prose = _SPANS.sub(" ", _without_blocks(text))
    found = Counter(_script(char) for char in prose if char.isalpha())
    letters = found.total()
    if not letters:
        return None
    called = f"{NAMES.get(code, code)} (--language {language})"
    wanted = _SCRIPTS.get(code, ("LATIN",))
    own = sum(found[script] for script in wanted)
    if own < LEAST_SHARE * letters:
        share = (
            f"{own / letters:.0%} of its letters outside code are in that script, at least {LEAST_SHARE:.0%} must be"
        )
        return f"the text is not in {called}: {share}"
    kana = sum(found[script] for script in _KANA)
    if code == "ja" and kana < LEAST_KANA * own:
        return f"the text is not in {called}: it has hardly any kana"
    if code == "zh" and kana >= LEAST_KANA * own:
        return f"the text is not in {called}: it has kana, as Japanese has"
    if code in _WORDS and (other := _other_language(prose, code)):
        return f"the text is not in {called}: its most frequent words are {other}"
    return None


def _without_blocks(text: str) -> str:
    lines = lines_of(text)
    for block in fences(lines):
        end = block.opening + block.source.count("\n") + block.closed
        lines[block.opening - 1 : end] = [""] * (end - block.opening + 1)
    return "\n".join(lines)


def _script(char: str) -> str:
    return "LATIN" if char.isascii() else unicodedata.name(char, "?").split(" ")[0].split("-")[0]


def _other_language(prose: str, code: str) -> str:
    """The language whose frequent words occur most often in the text. Empty unless they occur at least twice as often
    as the frequent words of the language ``code``.
    """
    words = re.findall(r"[^\W\d_]+", prose.lower())
    if len(words) < _FEW_WORDS:
        return ""
    counts = {name: sum(word in known for word in words) for name, known in _WORDS.items()}
    best = max(counts, key=lambda name: counts[name])
    is_other = counts[best] > 2 * counts[code] and counts[best] * 10 >= len(words)
    return NAMES[best] if best != code and is_other else ""
