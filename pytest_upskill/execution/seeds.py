"""The seed of a run, and the seeds of its items."""

from __future__ import annotations

import hashlib
import secrets


def draw_seed() -> int:
    """A seed from the operating system, short enough to be typed."""
    return secrets.randbelow(2**32)


def item_seed(session_seed: int, item_id: str) -> int:
    """An item's own seed (63 bits): it depends on the session's seed and the item's id only."""
    digest = hashlib.sha256(f"{session_seed}:{item_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
