"""One item on its way through the pipeline, as plain data that says what is to be done."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.records import ItemKind
from pytest_upskill.skills.noise import NO_NOISE, Noise


@dataclass(frozen=True, slots=True)
class Task:
    """One item, as plain data. ``replay`` is the command that runs the item again; ``example``, if given, is the only
    example.

    ``turns`` is how often the student may try. ``disclosure`` is how the student gets to see the skill
    (``skills.arms.MODES``). If ``replay_example`` is true, the example that failed is added to ``replay``. ``record``
    is the command that records the reply in a file for git. ``skill`` is the skill's name in reports, and ``place`` its
    folder relative to pytest's rootdir. With ``text``, the student sees this SKILL.md instead of the one on disk; with
    ``noise``, the student sees other skills beside it.
    """

    id: str
    kind: ItemKind
    skill: str
    skill_path: Path
    case: Case | None
    student: str | None
    arm: str | None
    trial: int
    seed: int
    examples: int | None
    example: str | None
    replay: str
    turns: int = 1
    disclosure: str = "body"
    record: str = ""
    place: str = ""
    replay_example: bool = True
    text: str | None = None
    noise: Noise = NO_NOISE


def item_seed(session_seed: int, item_id: str) -> int:
    """Return an item's own seed (63 bits), which depends only on the session's seed and the item's id."""
    return int.from_bytes(hashlib.sha256(f"{session_seed}:{item_id}".encode()).digest()[:8], "big") >> 1


def place_of(folder: Path, root: Path) -> str:
    """Return a skill's folder relative to pytest's rootdir, such as ``skills/tiny``. It ends in the folder's name."""
    seen = Path(os.path.relpath(folder, root))
    return seen.as_posix() if seen.name == folder.name else f"{seen.as_posix()}/{folder.name}"
