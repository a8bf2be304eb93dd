"""Stores what an interrupted refinement needs to continue: the text that it began with. The file is below ``.upskill``.

Replies and answers are stored by their questions. A refinement that begins again with the same text asks the same
questions, finds the stored answers, and goes on from there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.paths import component, home, write_atomically

_FOLDER = "refining"


@dataclass(frozen=True, slots=True)
class Begun:
    """A refinement of the skill that began with the text ``start``. Its state is stored at ``path``; ``key`` is a
    digest of its settings and cases.
    """

    path: Path
    key: str
    start: str

    def note_kept(self, text: str) -> None:
        """Note that the skill's file will contain ``text``. Call this before the file is replaced."""
        write_atomically(self.path, json.dumps({"key": self.key, "start": self.start, "current": text}))

    def end(self) -> None:
        """Remove the stored state, because the refinement has ended. The next refinement begins anew."""
        self.path.unlink(missing_ok=True)


def begin(root: Path, place: str, settings: object, text: str) -> tuple[Begun, bool]:
    """The refinement of the skill at ``place`` whose file holds ``text``, and whether it continues an interrupted
    refinement.

    A refinement begins anew if ``settings`` differ, or if the file was changed by someone else. Raises OSError.
    """
    key = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
    path = home(root) / _FOLDER / f"{component(place)}.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["key"] == key and text in (known["current"], known["start"]):
            return Begun(path, key, str(known["start"])), True
    except (OSError, ValueError, KeyError, TypeError):
        pass
    begun = Begun(path, key, text)
    begun.note_kept(text)
    return begun, False
