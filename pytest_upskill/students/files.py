"""The student that is a folder: each reply is read from ``<folder>/<skill>/<case>.<arm>.md``.

Whoever wrote the files is the student: another tool, a person, or an earlier run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import StudentError
from pytest_upskill.paths import component, read_text
from pytest_upskill.records import Question, Reply, reply_file_name
from pytest_upskill.students.base import Student, StudentConfig
from pytest_upskill.students.reply_files import path_of


class FilesStudent(Student):
    """``config.folder`` is the absolute path of the folder."""

    def __init__(self, config: StudentConfig) -> None:
        assert config.folder is not None, "the registry makes no files student without a folder"
        self.config = config
        self.folder = config.folder

    def arms_for(self, skill: str, arms: Sequence[str], cases: Sequence[str]) -> tuple[str, ...]:
        """The arms for which there is a file, of any of the cases and any trial."""
        present = _names(self.folder / component(skill))
        return tuple(arm for arm in arms if any(_has_reply(present, case, component(arm)) for case in cases))

    def goes_on(self, question: Question) -> bool:
        """A conversation was as long as there are files of it."""
        return path_of(self.folder, question).is_file()

    def ask(self, question: Question, case: Case) -> Reply:
        path = path_of(self.folder, question)
        try:
            text = read_text(path)
        except FileNotFoundError:
            raise StudentError(
                f"student '{self.name}': there is no reply at {path}; write one there, or leave the case out with -k"
            ) from None
        except OSError as error:
            raise StudentError(
                f"student '{self.name}': the reply at {path} cannot be read ({error.strerror}); "
                f"it must be a text file that you may read"
            ) from None
        return Reply(text=text, model=self.name)


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(entry.name for entry in folder.iterdir())
    except OSError:
        return frozenset()


def _has_reply(present: frozenset[str], case: str, arm: str) -> bool:
    first = component(reply_file_name(case, arm, 1))
    if first in present:
        return True
    stem = first.removesuffix(".md")
    trials = (name.removeprefix(f"{stem}-").removesuffix(".md") for name in present if name.startswith(f"{stem}-"))
    return any(trial.isdigit() for trial in trials)
