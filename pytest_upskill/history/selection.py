"""Finds the run, and the item of a run, that a person means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.documents.spelling import nearest, suggest
from pytest_upskill.errors import UpskillError, UsageError, shown_path
from pytest_upskill.history.comparison import Comparison, compare
from pytest_upskill.history.importing import SUFFIXES, import_run
from pytest_upskill.history.store import History, StoredRun, path_of
from pytest_upskill.paths import HOME
from pytest_upskill.records import Outcome
from pytest_upskill.skills.case_files import case_files

LAST = "last"
FORMS = "a number that `pytest-upskill runs` shows, 'last', or a JSON report (run.json)"
_SHOWN = 8


def history_here(folder: Path) -> History:
    """The history of the nearest folder, from ``folder`` upwards, that has one. Raises UsageError if there is none."""
    for root in (folder, *folder.parents):
        if path_of(root).is_file():
            return History(root)
    raise UsageError(
        f"no runs are recorded below {folder}: {HOME} in it or above has no history; pytest --upskill records one"
    )


def find_run(history: History, text: str) -> int:
    """Return the number of the run that ``text`` names in one of the FORMS. A report is imported first. Raises
    UsageError.

    ``last`` is the latest run that was recorded here, or the latest imported run if there is no other.
    """
    if text.endswith(SUFFIXES):
        return import_run(history, Path(text))
    numbers = history.numbers()
    if not numbers:
        raise UsageError(f"no runs are recorded in {history.path}; pytest --upskill records one")
    if text == LAST:
        return history.latest()
    if not text.isdecimal():
        raise UsageError(f"{text!r} is not a run: name {FORMS}")
    if int(text) not in numbers:
        shown = ", ".join(map(str, numbers[-_SHOWN:]))
        raise UsageError(f"there is no run {text} in {history.path}; the latest are {shown}")
    return int(text)


def comparisons(history: History, run: StoredRun, named: Sequence[str]) -> dict[str, Comparison | str]:
    """Return, by name, the changes from each named earlier run to ``run``, or why they are unknown."""
    return {name: _compared(history, run, name) for name in dict.fromkeys(named)}


def _compared(history: History, run: StoredRun, named: str) -> Comparison | str:
    try:
        before = history.before(run.number) if named == LAST else find_run(history, named)
        if before is None:
            return "no earlier run has an item of this one"
        return compare(history.brief(before), run)
    except UpskillError as error:
        return str(error)


def check_compared(root: Path, named: str | None) -> None:
    """Raises UsageError, before anything runs, if the run to compare with does not exist; None and 'last' are valid."""
    if named not in (None, LAST):
        history = History(root)
        try:
            find_run(history, named or "")
        finally:
            history.close()


def find_item(ids: Sequence[str], text: str) -> str:
    """Return the item that ``text`` names: by its id, by its name after ``::``, or by a part of only one id.

    Raises UsageError.
    """
    for found in (
        [one for one in ids if one == text],
        [one for one in ids if one.rpartition("::")[2] == text],
        [one for one in ids if text in one],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise UsageError(f"{len(found)} items are called {text!r}: {', '.join(found[:_SHOWN])}{more}; name one")
    names = [one.rpartition("::")[2] for one in ids]
    cases = {name.partition("[")[0]: name for name in reversed(names)}
    near = nearest(text, names) or cases.get(nearest(text.partition("[")[0], cases) or "")
    hint = f"did you mean {near!r}?" if near else f"it has {', '.join(names[:_SHOWN])}"
    raise UsageError(f"no item of this run is called {text!r}; {hint}")


def case_of(item: Outcome, root: Path) -> Case:
    """Read the case of an item from its file as the file is now. Raises UsageError, CaseError."""
    skill_path = root / item.id.partition("::")[0]
    folder = skill_path.parent
    if not skill_path.is_file():
        raise UsageError(f"the skill of {item.id} is not at {shown_path(skill_path)} any more: restore it there")
    files = case_files(folder)
    by_name = {path.stem: path for path in files.paths}
    if item.case not in by_name:
        if files.problem:
            raise files.problem
        known = suggest(item.case or "", by_name)
        raise UsageError(f"{shown_path(folder)} has no case '{item.case}' any more{known}")
    return load_case(by_name[item.case], folder.absolute().name, folder)
