"""The answers of the demo student to the collected cases: the solution with the skill, a mistake in it without.

Every process of a run collects the same cases and so makes the same model; its file is named by its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_upskill.cases.case import Case
from pytest_upskill.skills.skill import load_skill, skill_file
from pytest_upskill.students.demo.mistakes import slip
from pytest_upskill.students.golden import fenced
from pytest_upskill.students.serving.broker import model_path

if TYPE_CHECKING:
    from pytest_upskill.students.demo.model import Script

CONTEXT = 1 << 18
PIECE = 128
FREQUENT = 16
"""Characters of a line of a skill that becomes one token."""
DONT_KNOW = "I only know the cases that this run collected."


class Scripts:
    """The answers to the cases so far; ``root`` is pytest's rootdir."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[str, str]] = {}
        self._informing: dict[str, None] = {_first_line_of_feedback(): None}
        self._frequent: dict[str, None] = {}

    def learn(self, case: Case) -> bool:
        """Add a case. False if it has no solution, or none in which a mistake can be made."""
        wrong = slip(case)
        marker = case.task.strip()
        if wrong is None or case.solution is None or not marker:
            return False
        right = fenced(case.solution.source, case.language)
        answers = (f"Here is the kernel.\n\n{fenced(wrong, case.language)}", right)
        # A text that the prompt contains if, and only if, it shows the skill: the longest line of its body.
        skill = load_skill(skill_file(case.path.parent.parent))
        lines = [line.strip() for line in skill.body.splitlines()]
        with self._lock:
            self._informing[max(lines, key=len)] = None
            self._frequent.update(dict.fromkeys(line for line in lines if len(line) >= FREQUENT))
            return self._answers.setdefault(marker, answers) == answers

    def digest(self) -> str:
        """A hash (hex) of all that makes the model."""
        with self._lock:
            lines = json.dumps([sorted(self._answers.items()), sorted(self._informing), sorted(self._frequent)])
        return hashlib.sha256(lines.encode()).hexdigest()[:32]

    def model(self) -> Path:
        """The path of the model with these answers, which is written unless it exists."""
        path = model_path(self._root, self.digest())
        with self._lock:
            if not path.exists():
                _write(path, self._script())
        return path

    def _script(self) -> Script:
        from pytest_upskill.students.demo.model import Script, Topic

        topics = [Topic(marker, *answers) for marker, answers in sorted(self._answers.items())]
        default = Topic("", DONT_KNOW, f"{DONT_KNOW} The skill does not help.")
        return Script((default, *topics), tuple(self._informing), tuple(self._frequent), PIECE)


def _write(path: Path, script: Script) -> None:
    """Write atomically, since other processes may write the same model, and remove models of earlier runs."""
    from pytest_upskill.students.demo.model import write_model

    path.parent.mkdir(parents=True, exist_ok=True)
    earlier = list(path.parent.glob("*.gguf"))
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    write_model(Path(name), script, CONTEXT)
    Path(name).replace(path)
    for old in earlier:
        old.unlink(missing_ok=True)


def _first_line_of_feedback() -> str:
    """Feedback is informing, too: after it, the student answers with the solution."""
    text = (resources.files("pytest_upskill") / "prompts" / "feedback.md").read_text(encoding="utf-8")
    return text.splitlines()[0]
