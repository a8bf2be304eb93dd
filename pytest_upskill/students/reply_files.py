"""The layout of replies and prompts on disk: ``<folder>/<skill>/<case>.<arm>.md``.

The files student reads it; every run writes its replies in it, and ``--upskill-prompts`` its prompts.
"""

from __future__ import annotations

from pathlib import Path

from pytest_upskill.paths import HOME, component, home, write_atomically
from pytest_upskill.records import Question, Reply

LAYOUT = "<skill>/<case>.<arm>.md, <case>.<arm>-2.md for the second trial"
"""The layout in words, for messages."""


def path_of(folder: Path, question: Question) -> Path:
    """The path of the reply (or prompt) of a question in ``folder``."""
    return folder / component(question.skill) / component(question.file_name)


def replies_folder(root: Path, student: str) -> Path:
    """``.upskill/replies/<student>`` below pytest's rootdir."""
    return root / HOME / "replies" / component(student)


def keep_reply(root: Path, student: str, question: Question, reply: Reply) -> Path:
    """Write the reply's text below pytest's rootdir and return its path. Raises OSError."""
    home(root)
    path = path_of(replies_folder(root, student), question)
    write_atomically(path, reply.text)
    return path


def write_prompt(folder: Path, question: Question) -> Path:
    """Write the prompt of a question under the headings ``# System`` and ``# User`` and return its path."""
    path = path_of(folder, question)
    prompt = question.prompt
    write_atomically(path, f"# System\n\n{prompt.system.strip()}\n\n# User\n\n{prompt.user.strip()}\n")
    return path
