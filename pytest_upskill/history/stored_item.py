"""The stored form of an item: its row without long texts, and these texts by digest, so that each is stored once."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from pytest_upskill.records import ItemKind, Outcome, Verdict, VerdictKind

_TEXTS = ("prompt", "reply", "reasoning", "source")
"""Fields of an outcome that are stored apart."""
_BRIEF = ("id", "skill", "case", "student", "arm", "trial", "prompt_digest", "reply_digest", "skill_digest",
          "case_digest")  # fmt: skip
_FASTEST = 1


def packed(text: str) -> bytes:
    """A text, compressed; it may hold half of a surrogate pair, which a server may send."""
    return zlib.compress(text.encode("utf-8", "surrogatepass"), _FASTEST)


def unpacked(data: bytes) -> str:
    """The inverse of ``packed``. Raises ValueError on damaged data."""
    try:
        return zlib.decompress(data).decode("utf-8", "surrogatepass")
    except (zlib.error, TypeError) as error:
        raise ValueError(f"it is damaged ({error})") from None


def split(outcome: Outcome) -> tuple[bytes, dict[str, str]]:
    """The row of an outcome, and its long texts by digest. The prompt's digest is that of the whole prompt."""
    plain = outcome.to_plain()
    texts: dict[str, str] = {}
    for holder, name in _places(plain):
        if text := holder[name]:
            digest = outcome.prompt_digest if name == "prompt" else _digest(text)
            texts[digest] = text
            holder[name] = digest
    return packed(json.dumps(plain)), texts


def joined(row: bytes, texts: Mapping[str, str]) -> Outcome:
    """The inverse of ``split``; a text that is missing in ``texts`` is empty. Raises ValueError on damaged data."""
    plain = json.loads(unpacked(row))
    if not isinstance(plain, dict):
        raise ValueError("it is damaged (no object)")
    for holder, name in _places(plain):
        digest = plain.get("prompt_digest") if name == "prompt" else holder.get(name)
        # ``source`` is None, not empty, where there is no kernel.
        holder[name] = texts.get(digest or "", "") if digest or name != "source" else None
    return Outcome.from_plain(plain)


def brief(row: bytes) -> Outcome:
    """What comparing and counting need of an outcome, in half the time of ``joined``. Raises ValueError."""
    plain = json.loads(unpacked(row))
    try:
        return Outcome(
            kind=ItemKind(plain["kind"]),
            verdict=Verdict(VerdictKind(plain["verdict"]["kind"])),
            **{name: plain[name] for name in _BRIEF},
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"it is damaged ({error!r})") from None


def digests_of(row: bytes) -> list[str]:
    """The digests of the texts of a row."""
    plain = json.loads(unpacked(row))
    found = [holder.get(name) for holder, name in _places(plain)]
    return [digest for digest in (plain.get("prompt_digest"), *found) if digest]


def _places(plain: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Where the long texts are: each as an object and the name of one of its fields."""
    return [*((plain, name) for name in _TEXTS), *((turn, "reply") for turn in plain.get("turns", ()))]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
