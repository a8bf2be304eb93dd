"""Replies and prompts on disk, ``<folder>/<skill>/<case>.<arm>.md``, and the student that reads its replies there.

Every run writes its replies in this layout, and ``--upskill-prompts`` its prompts.
"""

import codecs
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import InfrastructureError, NotAnswered, StudentError
from pytest_upskill.paths import HOME, component, home, write_atomically
from pytest_upskill.records import Question, Reply, ReplyDetails, reply_file_name
from pytest_upskill.students.base import Student, StudentConfig

BINARY = "a file of a program such as a word processor"
_BINARIES = (b"PK\x03\x04", b"%PDF", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"{\\rtf")
"""How documents, archives and pictures begin."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_ZEROS: Mapping[tuple[bool, ...], str] = {
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
}
"""Where the zero bytes of ASCII text are, within four bytes."""
_SHORTEST = 16
"""Bytes of a text whose encoding is guessed."""
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


@contextlib.contextmanager
def writing_below(folder: Path) -> Iterator[None]:
    """Raises InfrastructureError, with the next step, if a file below ``folder`` cannot be written."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        problem = f"cannot write below {folder}: {error.strerror or error}{where}"
        raise InfrastructureError(f"{problem}; free some space, or make it writable") from error


def write_prompt(folder: Path, question: Question) -> Path:
    """Write the prompt of a question under the headings ``# System`` and ``# User`` and return its path."""
    path = path_of(folder, question)
    prompt = question.prompt
    write_atomically(path, f"# System\n\n{prompt.system.strip()}\n\n# User\n\n{prompt.user.strip()}\n")
    return path


class FilesStudent(Student):
    """``config.folder`` is the absolute path of the folder."""

    def __init__(self, config: StudentConfig) -> None:
        assert config.folder is not None, "the registry makes no files student without a folder"
        self.config = config
        self.folder = config.folder

    def arms_for(self, skill: str, arms: Sequence[str], cases: Sequence[str]) -> tuple[str, ...]:
        """The arms with a file for any of the cases and any trial."""
        try:
            names = [entry.name for entry in (self.folder / component(skill)).iterdir()]
        except OSError:
            return ()
        present = {re.sub(pattern, "", name) for name in names for pattern in (r"\.md$", r"-\d+\.md$")}

        def has_reply(case: str, arm: str) -> bool:
            return component(reply_file_name(case, component(arm), 1)).removesuffix(".md") in present

        return tuple(arm for arm in arms if any(has_reply(case, arm) for case in cases))

    def goes_on(self, question: Question) -> bool:
        """A conversation has as many turns as there are files."""
        return path_of(self.folder, question).is_file()

    def ask(self, question: Question, case: Case) -> Reply:
        path = path_of(self.folder, question)
        try:
            text, encoding = decoded(path.read_bytes())
            if encoding != BINARY:
                note = f"the reply at {path} was read as {encoding}; save it in UTF-8 if it looks wrong"
                return Reply(text=text, model=self.name, details=ReplyDetails(note=note if encoding else ""))
            problem = f"the reply at {path} is no text ({encoding}); save it as plain text in UTF-8"
        except FileNotFoundError:
            if question.trial > 1:
                raise NotAnswered(f"there is no reply at {path}") from None
            problem = f"there is no reply at {path}; write one there, or leave the case out with -k"
        except OSError as error:
            problem = f"the reply at {path} cannot be read ({error.strerror}); it must be a text file that you may read"
        raise StudentError(f"student '{self.name}': {problem}")


def decoded(data: bytes) -> tuple[str, str]:
    """The text of a reply's file, and the encoding in words: empty for UTF-8, BINARY for what is no text.

    Editors on Windows, and its shell, write UTF-16, with a byte order mark or without. Line ends stay.
    """
    if (mark := next((mark for mark in _MARKS if data.startswith(mark)), None)) is not None:
        return data[len(mark) :].decode(_MARKS[mark], "replace"), "" if _MARKS[mark] == "utf-8" else _MARKS[
            mark
        ].upper()
    if data.startswith(_BINARIES):
        return "", BINARY
    zeros = tuple(data[place::4].count(0) * 5 > len(data) // 2 for place in range(4))  # code is mostly ASCII
    if len(data) >= _SHORTEST and (encoding := _ZEROS.get(zeros)) is not None:
        return data.decode(encoding, "replace"), encoding.upper()
    try:
        return data.decode(), ""
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"UTF-8 with replacements (byte 0x{data[error.start]:02x} in line {line} is not UTF-8)"
        return data.decode("utf-8", "replace"), what
