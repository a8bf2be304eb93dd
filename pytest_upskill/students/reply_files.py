"""Where replies and prompts lie on disk: ``<folder>/<skill>/<case>.<arm>.md``. Knows no provider.

The files student reads this layout, every run keeps its replies in it, and ``--upskill-prompts`` writes prompts in it.
"""

from __future__ import annotations

from pathlib import Path

from pytest_upskill.paths import HOME, component, home, write_atomically
from pytest_upskill.records import Question, Reply

LAYOUT = "<skill>/<case>.<arm>.md, <case>.<arm>-2.md for the second trial"
"""The layout in words, for messages."""


def path_of(folder: Path, question: Question) -> Path:
    """Where the reply (or prompt) of a question lies in ``folder``."""
    return folder / component(question.skill) / component(question.file_name)


def replies_folder(root: Path, student: str) -> Path:
    """``.upskill/replies/<student>`` below pytest's rootdir."""
    return root / HOME / "replies" / component(student)


def keep_reply(root: Path, student: str, question: Question, reply: Reply) -> Path:
    """Writes the reply's text below pytest's rootdir and returns its path. Raises OSError where it cannot."""
    home(root)
    path = path_of(replies_folder(root, student), question)
    write_atomically(path, reply.text)
    return path


def write_prompt(folder: Path, question: Question) -> Path:
    """Writes the prompt of a question under the headings ``# System`` and ``# User`` and returns its path."""
    path = path_of(folder, question)
    prompt = question.prompt
    write_atomically(path, f"# System\n\n{prompt.system.strip()}\n\n# User\n\n{prompt.user.strip()}\n")
    return path
