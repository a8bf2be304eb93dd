"""Where replies and prompts lie on disk: ``<folder>/<skill>/<case>.<arm>.md``. Knows no provider.

The files student reads this layout, every run keeps its replies in it, and ``--upskill-prompts`` writes prompts in it.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from pytest_upskill.records import Question, Reply

HOME = ".upskill"
"""The folder in pytest's rootdir that holds what runs leave behind."""

LAYOUT = "<skill>/<case>.<arm>.md, <case>.<arm>-2.md for the second trial"
"""The layout in words, for messages."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:]")


def component(name: str) -> str:
    """``name`` as the name of one file or folder: no separators, no leading dot, never empty.

    Names that are file names already come back unchanged, so that people find their files.
    """
    safe = _UNSAFE.sub("-", name)
    return re.sub(r"^\.+", lambda dots: "_" * len(dots.group()), safe) or "_"


def path_of(folder: Path, question: Question) -> Path:
    """Where the reply (or prompt) of a question lies in ``folder``."""
    return folder / component(question.skill) / component(question.file_name)


def replies_folder(root: Path, student: str) -> Path:
    """``.upskill/replies/<student>`` below pytest's rootdir."""
    return root / HOME / "replies" / component(student)


def home(root: Path) -> Path:
    """``.upskill`` below pytest's rootdir, made where it is missing, out of git's sight. Raises OSError."""
    folder = root / HOME
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomically(ignore, "*\n")
    return folder


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


def write_atomically(path: Path, text: str | bytes) -> None:
    """Whoever reads ``path`` meanwhile sees all of the old text or all of the new. Line ends stay as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Half of a surrogate pair has no UTF-8: a server may send one all the same.
    data = text if isinstance(text, bytes) else text.encode("utf-8", errors="replace")
    temporary = path.with_name(f".writing-{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_text(path: Path) -> str:
    """A file's text whatever its bytes: what is no UTF-8 becomes U+FFFD, NULs and line ends stay."""
    return path.read_bytes().decode("utf-8-sig", errors="replace")
