"""Replies with the verdict that each must get, and one run of the whole plugin over many.

A file begins with a few lines between ``---``: ``row`` of the catalogue in docs/trust.md, ``case`` of the skill in
``skills/``, ``verdict``, ``fails`` (the assertions that fail first, in order) and ``says`` (a regular expression for
their messages, or for the reason of another verdict). ``forbids`` is an expression that nothing
in the item may match, ``needs: bubblewrap`` names what the machine must have for the attack to be harmless, and
``note`` says what is not tested. The rest of the file is the student's reply, word for word.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import leftovers

HERE = Path(__file__).resolve().parent
SKILL = HERE / "skills" / "hostile"
SECRET = "upskill-hostile-secret"
"""What stands for a key in the environment of the run."""

HARM = "harm: "
"""How the messages of attacks begin that got where they must not get."""

KEYS = frozenset(("row", "case", "verdict", "fails", "says", "forbids", "needs", "note"))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One file: a reply, and the verdict that it must get."""

    name: str
    row: int
    case: str
    verdict: str
    fails: tuple[str, ...]
    says: str
    forbids: str
    needs: str
    reply: str

    @property
    def item(self) -> str:
        """The item's name within the skill."""
        return f"{self.case}[{self.name}-skill]"


def attempts(folder: str) -> list[Attempt]:
    """All attempts of a folder, sorted by name."""
    return [_read(path) for path in sorted((HERE / folder).glob("*.md"))]


def _read(path: Path) -> Attempt:
    _, head, reply = path.read_text(encoding="utf-8").split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in head.splitlines() if line)
    unknown = fields.keys() - KEYS
    assert not unknown, f"{path}: unknown {sorted(unknown)}"
    return Attempt(
        name=path.stem,
        row=int(fields["row"]),
        case=fields["case"],
        verdict=fields["verdict"],
        fails=tuple(fields["fails"].split(", ")) if "fails" in fields else (),
        says=fields.get("says", ""),
        forbids=fields.get("forbids", ""),
        needs=fields.get("needs", ""),
        reply=reply,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one run of pytest over some attempts."""

    items: Mapping[str, Mapping[str, Any]]
    """The items of the JSON report, by name."""
    left: str
    """What the run left behind; empty where it left nothing."""


def judged(folder: Path, tried: Sequence[Attempt], *more_options: str) -> Judged:
    """Judges all attempts in one run of pytest, in a process of its own that starts in ``folder``."""
    shutil.copytree(SKILL, folder / "skills" / SKILL.name)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    students = []
    for attempt in tried:
        path = folder / "answers" / attempt.name / SKILL.name / f"{attempt.case}.skill.md"
        path.parent.mkdir(parents=True)
        path.write_text(attempt.reply, encoding="utf-8", newline="")
        students.append(f"--upskill-student=files:{attempt.name}=answers/{attempt.name}")
    items = [f"skills/{SKILL.name}/SKILL.md::{attempt.item}" for attempt in tried]
    options = ("--upskill-arms=skill", "--upskill-device=cpu", "--upskill-timeout=3", "--upskill-report=report.json")
    command = [sys.executable, "-m", "pytest", "-q", *items, *students, *options, *more_options]
    with leftovers.adopting() as children, leftovers.listening() as listener:
        done = subprocess.run(
            command, cwd=folder, env=_environment(folder), capture_output=True, text=True, check=False
        )
        left = [f"process {pid} outlived the run: {words}" for pid, words in leftovers.orphans(children).items()]
        left += ["a reply reached a port of this machine"] if leftovers.was_reached(listener) else []
    left += [f"process {pid} is marked as one of a reply" for pid in leftovers.marked_processes_that_stay()]
    left += [f"a reply wrote {path}" for path in leftovers.files(folder)]
    left += [] if leftovers.port_is_free() else ["a reply opened a port of this machine"]
    printed = done.stdout + done.stderr
    assert done.returncode in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), printed
    # Not to a terminal, pytest writes no control characters of its own.
    left += ["a control character on the terminal"] if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", printed) else []
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))["items"]
    return Judged({item["id"].rpartition("::")[2]: item for item in report}, "\n".join(left))


def _environment(folder: Path) -> dict[str, str]:
    """As a user's shell has it: with a key of a provider, and the interpreter that runs the tests on the path."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return {**kept, "ANTHROPIC_API_KEY": SECRET, "PATH": path, "HOME": str(folder)}


def complaint(attempt: Attempt, item: Mapping[str, Any] | None) -> str:
    """The difference from what the file requires; empty if there is none."""
    if item is None:
        return f"{attempt.name}: there is no such item"
    everything = json.dumps(item, ensure_ascii=False)
    failed = [assertion for assertion in item["assertions"] if not assertion["passed"]][: len(attempt.fails)]
    told = "\n".join(assertion["message"] for assertion in failed) if failed else item["reason"] or ""
    found = f"{item['verdict']}, {item['reason']!r}"
    if HARM in everything:
        return f"{attempt.name}: the attack got through: {found}"
    if attempt.forbids and re.search(attempt.forbids, everything):
        return f"{attempt.name}: {attempt.forbids!r} is in its item: {found}"
    if item["verdict"] != attempt.verdict:
        return f"{attempt.name}: expected {attempt.verdict}, got {found}"
    if [assertion["name"] for assertion in failed] != list(attempt.fails):
        names = [assertion["name"] for assertion in item["assertions"] if not assertion["passed"]]
        return f"{attempt.name}: expected {', '.join(attempt.fails)} to fail first, got {names}: {found}"
    if not re.search(attempt.says, told, re.DOTALL):
        return f"{attempt.name}: expected a message with {attempt.says!r}, got {told!r}"
    return ""
