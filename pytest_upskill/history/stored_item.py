"""The stored form of an item: a row without the long texts. The long texts are stored by digest, so each only once."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from pytest_upskill.records import ItemKind, Outcome, Verdict, VerdictKind

_TEXTS = ("prompt", "reply", "reasoning", "source")
"""The fields of an outcome that are stored separately."""
_BRIEF = ("id", "skill", "case", "student", "arm", "trial", "prompt_digest", "reply_digest", "skill_digest",
          "case_digest")  # fmt: skip
_FASTEST = 1


def packed(text: str) -> bytes:
    """Return a text, compressed. The text may contain a lone surrogate, which a server may send."""
    return zlib.compress(text.encode("utf-8", "surrogatepass"), _FASTEST)


def unpacked(data: bytes) -> str:
    """The inverse of ``packed``. Raises ValueError on damaged data."""
    try:
        return zlib.decompress(data).decode("utf-8", "surrogatepass")
    except (zlib.error, TypeError) as error:
        raise ValueError(f"it is damaged ({error})") from None


def split(outcome: Outcome) -> tuple[bytes, dict[str, str]]:
    """Return the row of an outcome, and its long texts by digest. The digest of ``prompt`` is ``prompt_digest``."""
    plain = outcome.to_plain()
    texts: dict[str, str] = {}
    for holder, name in _places(plain):
        if text := holder[name]:
            digest = outcome.prompt_digest if name == "prompt" else _digest(text)
            texts[digest] = text
            holder[name] = digest
    return packed(json.dumps(plain)), texts


def joined(row: bytes, texts: Mapping[str, str]) -> Outcome:
    """Return the outcome, as the inverse of ``split``. A text that is missing in ``texts`` is empty.

    Raises ValueError on damaged data.
    """
    plain = json.loads(unpacked(row))
    if not isinstance(plain, dict):
        raise ValueError("it is damaged (no object)")
    for holder, name in _places(plain):
        digest = plain.get("prompt_digest") if name == "prompt" else holder.get(name)
        # ``source`` is None, not empty, if there is no kernel.
        holder[name] = texts.get(digest or "", "") if digest or name != "source" else None
    return Outcome.from_plain(plain)


def brief(row: bytes) -> Outcome:
    """Return an outcome with only what comparing and counting need. This takes half the time of ``joined``.

    Raises ValueError on damaged data.
    """
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
    """Return the digests of the texts of a row."""
    plain = json.loads(unpacked(row))
    found = [holder.get(name) for holder, name in _places(plain)]
    return [digest for digest in (plain.get("prompt_digest"), *found) if digest]


def _places(plain: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return where the long texts are. Each place is an object and the name of one of its fields."""
    return [*((plain, name) for name in _TEXTS), *((turn, "reply") for turn in plain.get("turns", ()))]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
