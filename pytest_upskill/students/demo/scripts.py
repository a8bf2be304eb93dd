"""The answers of the demo student to the collected cases: with the skill the solution, without it one with a mistake.

Every process of a run collects the same cases and so makes the same model. The model's file is named by its digest.
"""

import hashlib
import json
import re
import secrets
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.skills.arms import prompt_text
from pytest_upskill.skills.skill import load_skill
from pytest_upskill.students.golden import as_reply
from pytest_upskill.students.serving.broker import model_path

_LAUNCH = re.compile(r"\w+(?:<[\w\s,]*>)?<<<.*?>>>\(.*?\);", re.DOTALL)
"""Matches one launch of a kernel, with its arguments."""
CONTEXT = 1 << 18
PIECE = 128
FREQUENT = 16
"""The least length (in characters) of a line of a skill that becomes one token."""
DONT_KNOW = "I only know the cases that this run collected."


class Scripts:
    """The answers to the cases that were collected so far. ``root`` is pytest's rootdir."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[str, str]] = {}
        # Feedback on a failed try is informing, too, so that the student then answers with the solution.
        self._informing: dict[str, None] = {prompt_text("feedback").splitlines()[0]: None}
        self._frequent: dict[str, None] = {}

    def learn(self, case: Case) -> bool:
        """Add a case. Return False if it has no solution, or if no mistake can be made in its solution."""
        wrong = slip(case)
        marker = case.task.strip()
        if wrong is None or case.solution is None or not marker:
            return False
        right = as_reply(case.solution, case.language)
        answers = (f"Here is the kernel.\n\n{as_reply(replace(case.solution, source=wrong), case.language)}", right)
        # The longest line of the skill's body: a prompt contains it if, and only if, the prompt shows the skill.
        lines = [line.strip() for line in load_skill(case.folder).body.splitlines()]
        with self._lock:
            self._informing[max(lines, key=len)] = None
            self._frequent.update(dict.fromkeys(line for line in lines if len(line) >= FREQUENT))
            return self._answers.setdefault(marker, answers) == answers

    def digest(self) -> str:
        """Return a hash (hex) of everything that determines the model."""
        with self._lock:
            lines = json.dumps([sorted(self._answers.items()), sorted(self._informing), sorted(self._frequent)])
        return hashlib.sha256(lines.encode()).hexdigest()[:32]

    def model(self) -> Path:
        """Return the path of the model with these answers. The model is written unless it exists."""
        path = model_path(self._root, self.digest())
        with self._lock:
            if not path.exists():
                self._write(path)
        return path

    def _write(self, path: Path) -> None:
        """Write the model atomically, because other processes may write the same model. Remove models of earlier
        runs.
        """
        from pytest_upskill.students.demo.model import Script, Topic, write_model

        topics = [Topic(marker, *answers) for marker, answers in sorted(self._answers.items())]
        default = Topic("", DONT_KNOW, f"{DONT_KNOW} The skill does not help.")
        script = Script((default, *topics), tuple(self._informing), tuple(self._frequent), PIECE)
        path.parent.mkdir(parents=True, exist_ok=True)
        earlier = list(path.parent.glob("*.gguf"))
        write_model(path.with_name(f"{secrets.token_hex(8)}.part"), script, CONTEXT).replace(path)
        for old in earlier:
            old.unlink(missing_ok=True)


def slip(case: Case) -> str | None:
    """Return the case's solution with a mistake, the same on each call.

    None if the case has no solution, or if no rule for a mistake applies.
    """
    if case.solution is None:
        return None
    source = case.solution.source
    if slips := [wrong for wrong in _slips(source, [dim.name for dim in case.dims]) if wrong != source]:
        return slips[zlib.crc32(case.name.encode()) % len(slips)]
    unlaunched = _LAUNCH.sub("", source, count=1)
    return unlaunched if unlaunched != source else None


def _slips(source: str, dims: list[str]) -> Iterator[str]:
    yield re.sub(r"\boffset = 16\b", "offset = 8", source, count=1)  # the sum leaves out half of a warp
    yield re.sub(r"\((\w+) \+ \d+\) / (\d+)", r"\1 / \2", source, count=1)  # the number of blocks is rounded down
    names = "|".join(map(re.escape, [*dims, "total"]))
    for last in list(re.finditer(rf"\b\w+ < (?:{names})\b", source))[-1:]:  # the last element is left out
        yield f"{source[: last.end()]} - 1{source[last.end() :]}"
