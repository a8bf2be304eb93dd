"""Replies and prompts on disk, ``<folder>/<skill>/<case>.<arm>.md``, and the student that reads its replies there.

Every run writes its replies in this layout, and ``--upskill-prompts`` writes its prompts in it. If several skills have
the same name, the folder ``<folder>/<skill>`` belongs to the first one that was written to it. A file ``.skill`` in the
folder holds the path of that skill. Replies to the other skills are in ``<folder>/<path of the skill>``. If skills of
the same name are in one run, all of them use such paths, unless one already has ``<folder>/<skill>``.
"""

import codecs
import contextlib
import re
import secrets
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import InfrastructureError, NotAnswered, StudentError
from pytest_upskill.paths import HOME, component, home, write_atomically
from pytest_upskill.records import Question, Reply, ReplyDetails, reply_file_name
from pytest_upskill.skills.arms import CONTROL_ARMS, SKILL
from pytest_upskill.students.base import Student, StudentConfig

BINARY = "a file of a program such as a word processor"
_BINARIES = (b"PK\x03\x04", b"%PDF", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"\x28\xb5\x2f\xfd", b"\x89PNG", b"{\\rtf")
"""The first bytes of documents, archives and pictures."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose byte order mark is the beginning of this one
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_WIDE = {"utf-32-le": 4, "utf-32-be": 4, "utf-16-le": 2, "utf-16-be": 2}
"""Encodings that use several bytes for each character, with the number of bytes."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]")
_SHORTEST = 16
"""The least number of bytes of a text whose encoding is guessed."""
OWNER = ".skill"
"""The name of the file that holds the path of the skill to which a folder of replies belongs."""
_REPLIES = "*.*.md"
_ARMS = (SKILL, *CONTROL_ARMS, "trigger", "rubric")
"""How the names of arms begin."""
LAYOUT = "<skill>/<case>.<arm>.md, <case>.<arm>-2.md for the second trial"
"""The layout in words, for messages."""


def path_of(folder: Path, question: Question) -> Path:
    """Return the path of the reply (or prompt) of a question in ``folder``."""
    return (_own(folder, question) or folder / component(question.skill)) / component(question.file_name)


def _own(folder: Path, question: Question) -> Path | None:
    """Return the folder that is named by the skill's path; None if the folder with the skill's name is used instead."""
    if not question.place:
        return None
    own = folder_of(folder, question.place)
    owner = _owner(folder / component(question.skill))
    is_used = owner != question.place if owner is not None else next(own.glob(_REPLIES), None) is not None
    return own if is_used else None


def _new_path_of(folder: Path, question: Question) -> Path:
    """Return the path to write a reply (or prompt) to. Store the path of the skill if its folder is new. Raises
    OSError.
    """
    shared = folder / component(question.skill)
    if question.place and _owner(shared) is None and _own(folder, question) is None:
        if question.apart:
            return folder_of(folder, question.place) / component(question.file_name)
        draft = shared / f"{OWNER}-{secrets.token_hex(8)}"
        write_atomically(draft, question.place)
        try:
            (shared / OWNER).hardlink_to(draft)
        except FileExistsError:  # another process was faster
            pass
        except OSError:  # the file system has no hard links
            draft.replace(shared / OWNER)
        draft.unlink(missing_ok=True)
    return path_of(folder, question)


def folder_of(folder: Path, place: str) -> Path:
    """Return the folder below ``folder`` for a skill's name or path."""
    return folder.joinpath(*map(component, place.split("/")))


def _owner(shared: Path) -> str | None:
    try:
        return (shared / OWNER).read_text(encoding="utf-8")
    except OSError:
        return None


def replies_folder(root: Path, student: str) -> Path:
    """Return ``.upskill/replies/<student>`` below pytest's rootdir."""
    return root / HOME / "replies" / component(student)


def keep_reply(root: Path, student: str, question: Question, reply: Reply) -> Path:
    """Write the reply's text below pytest's rootdir and return its path. Raises OSError."""
    home(root)
    path = _new_path_of(replies_folder(root, student), question)
    write_atomically(path, reply.text)
    return path


@contextlib.contextmanager
def writing_below(folder: Path) -> Iterator[None]:
    """Raise InfrastructureError, with the next step, if a file below ``folder`` cannot be written."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        problem = f"cannot write below {folder}: {error.strerror or error}{where}"
        raise InfrastructureError(f"{problem}; free some space, or make it writable") from error


def write_prompt(folder: Path, question: Question) -> Path:
    """Write the prompt of a question under the headings ``# System`` and ``# User`` and return its path."""
    path = _new_path_of(folder, question)
    prompt = question.prompt
    write_atomically(path, f"# System\n\n{prompt.system.strip()}\n\n# User\n\n{prompt.user.strip()}\n")
    return path


class FilesStudent(Student):
    """A student whose replies are files in ``config.folder``, an absolute path."""

    def __init__(self, config: StudentConfig) -> None:
        assert config.folder is not None, "the registry makes no files student without a folder"
        self.config = config
        self.folder = config.folder

    def arms_for(self, skill: str, arms: Sequence[str], cases: Sequence[str]) -> tuple[str, ...]:
        """Return the arms for which there is a reply to any of the cases, in any trial."""
        try:
            names = [entry.name for entry in folder_of(self.folder, skill).iterdir()]
        except OSError:
            return ()
        present = {re.sub(pattern, "", name) for name in names for pattern in (r"\.md$", r"-\d+\.md$")}

        def has_reply(case: str, arm: str) -> bool:
            return component(reply_file_name(case, component(arm), 1)).removesuffix(".md") in present

        return tuple(arm for arm in arms if any(has_reply(case, arm) for case in cases))

    def unused(self, skill: str, cases: Collection[str]) -> list[str]:
        """The names of reply files of a skill that belong to none of these cases, or to no arm."""
        found = folder_of(self.folder, skill)
        names = sorted(path.name for path in found.glob(_REPLIES)) if found.is_dir() else []
        starts = tuple(f"{component(case)}.{arm}" for case in cases for arm in _ARMS)
        return [name for name in names if not name.startswith(starts)]

    def goes_on(self, question: Question) -> bool:
        """Return whether there is a file for this turn. A conversation has as many turns as there are files."""
        return path_of(self.folder, question).is_file()

    def ask(self, question: Question, case: Case) -> Reply:
        path = path_of(self.folder, question)
        try:
            text, encoding = decoded(path.read_bytes())
            if encoding != BINARY:
                note = f"the reply at {path} was read as {encoding}; save it in UTF-8 if it looks wrong"
                return Reply(text=text, model=self.name, details=ReplyDetails(note=note if encoding else ""))
            problem = f"the reply at {path} is not text ({encoding}); save it as plain text in UTF-8"
        except FileNotFoundError:
            problem = f"there is no reply at {path}; write one there, or leave the case out with -k"
            if question.trial > 1:
                raise NotAnswered(f"student '{self.name}': {problem}") from None
        except OSError as error:
            problem = f"the reply at {path} cannot be read ({error.strerror}); it must be a text file that you may read"
        raise StudentError(f"student '{self.name}': {problem}")


def decoded(data: bytes) -> tuple[str, str]:
    """Return the text of a reply's file, and its encoding in words: empty for UTF-8, BINARY if the file is not text.

    Editors and shells on Windows write UTF-16, with or without a byte order mark. Line ends are not changed.
    """
    for mark, marked in _MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(marked, "replace"), "" if marked == "utf-8" else marked.upper()
    if data.startswith(_BINARIES):
        return "", BINARY
    bare = data.rstrip(b"\0")  # a file system or a fixed buffer may add zeros at the end
    if bare and not _CONTROL.search(bare.decode("latin-1")):
        data = bare
    if _ISO_2022_JP.search(data):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("iso2022_jp"), "ISO-2022-JP"
    zeros = data.count(0) if len(data) >= _SHORTEST else 0
    are_many = zeros * 100 > len(data)
    try:
        text, problem = data.decode(), ""
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"UTF-8 with replacements (byte 0x{data[error.start]:02x} in line {line} is not UTF-8)"
        text = data.decode("utf-8", "replace")
    if (are_many or (zeros and problem)) and (encoding := _guessed(data)) is not None:
        return data.decode(encoding, "replace"), encoding.upper()
    return ("", BINARY) if are_many else (text, problem)


def _guessed(data: bytes) -> str | None:
    """Guess the encoding of a text that contains zero bytes; None if no encoding of ``_WIDE`` decodes it.

    All code has spaces and line ends. If several encodings are possible, the one with the most of them is returned.
    """
    found: dict[str, int] = {}
    for encoding, width in _WIDE.items():
        with contextlib.suppress(UnicodeDecodeError):
            text = data[: len(data) // width * width].decode(encoding)
            blanks = text.count(" ") + text.count("\n")
            if blanks and not _CONTROL.search(text):
                found[encoding] = blanks
    return max(found, key=lambda encoding: found[encoding], default=None)
