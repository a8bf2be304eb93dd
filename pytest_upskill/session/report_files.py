"""Writes the reports of a finished run. What cannot be written in its place is written to a side file, and named."""

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from shutil import rmtree

from pytest_upskill.configuration.settings import FOLDER_MARKER, SKILL_CREATOR, ReportTarget
from pytest_upskill.paths import component, home, write_atomically
from pytest_upskill.reporting import render, skill_creator
from pytest_upskill.reporting.view import View

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable with the path of a Markdown file that GitHub shows with the job."""
_MOST_OF_A_SUMMARY = 1_000_000
"""Bytes. GitHub shows nothing of a longer one."""


class ReportFiles:
    """Lines for the user: reports that were ``written``, and ``problems``, which fail the run."""

    def __init__(self, rootdir: Path) -> None:
        self._rootdir = rootdir
        self.written: list[str] = []
        self.problems: list[str] = []

    def write(self, target: ReportTarget, view: View) -> None:
        """Writes one report; never raises an Exception."""
        try:
            if target.form == SKILL_CREATOR:
                _write_folder(target.path, view)
            else:
                _write_file(target.path, render(view, target.form))
            self.written.append(f"report: {target.path}")
        except Exception as error:
            self.problems.append(f"report {target.path} failed: {_said(error)}; {self._beside(target, view)}")

    def add_step_summary(self, view: View) -> None:
        """Appends the Markdown report to the job's summary, on GitHub. It fails no run."""
        place = os.environ.get(STEP_SUMMARY)
        if not place or view.run.answers is not None:
            return
        try:
            path, data = Path(place), render(view, ".md").encode("utf-8", errors="replace")
            if (path.stat().st_size if path.exists() else 0) + len(data) > _MOST_OF_A_SUMMARY:
                raise OSError(errno.EFBIG, "it would exceed the 1 MB that GitHub shows")
            with path.open("ab") as file:
                file.write(data)
        except Exception as error:
            self.written.append(f"{STEP_SUMMARY}: {place} was not written: {_said(error)}")

    def _beside(self, target: ReportTarget, view: View) -> str:
        """Writes the results elsewhere, as JSON if the report cannot be made. Says where."""
        name = component(f"{view.run.started.replace(':', '')}-{target.path.name}")
        for file, text in _substitutes(name, target.form, view):
            for folder in (self._kept, _temporary):
                try:
                    _write_file(path := folder() / file, text())
                except Exception:
                    continue
                return f"the results are in {path}"
        return "and the results could be written nowhere else"

    def _kept(self) -> Path:
        folder = home(self._rootdir) / "reports"
        folder.mkdir(exist_ok=True)
        return folder


def _temporary() -> Path:
    return Path(tempfile.mkdtemp(prefix="pytest-upskill-"))


def _substitutes(name: str, form: str, view: View) -> Iterator[tuple[str, Callable[[], str]]]:
    if form != SKILL_CREATOR:
        yield name, partial(render, view, form)
    yield f"{name}.report.json", partial(render, view, ".json")
    yield f"{name}.items.json", lambda: json.dumps([item.to_plain() for item in view.items], default=str)


def _said(error: Exception) -> str:
    detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {detail}"


def _write_file(path: Path, text: str) -> None:
    """Replaces a file at once; one that is none, such as a device, is written in place."""
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "its folder is missing")
    if path.exists() and not path.is_file():
        path.write_bytes(text.encode("utf-8", errors="replace"))
        return
    try:
        write_atomically(path.resolve(), text)
    except PermissionError:  # of the folder; the file itself may be writable
        path.write_bytes(text.encode("utf-8", errors="replace"))


def _write_folder(folder: Path, view: View) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / FOLDER_MARKER).exists():
        raise FileExistsError(errno.EEXIST, "it holds other files now")
    (folder / FOLDER_MARKER).write_text("Written by pytest-upskill, which replaces the eval-* folders in here.\n")
    for stale in folder.glob(skill_creator.STALE):
        if stale.resolve().is_relative_to(folder.resolve()):
            rmtree(stale)
    for path, text in skill_creator.files(view):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode("utf-8", errors="replace"))
