"""Writes the reports of a finished run. If a report cannot be written, a substitute is written elsewhere and named."""

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from pytest_upskill.configuration.settings import ReportTarget
from pytest_upskill.paths import component, home
from pytest_upskill.reporting import SKILL_CREATOR, render
from pytest_upskill.reporting.files import write_file, write_report
from pytest_upskill.reporting.view import View

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The environment variable with the path of a Markdown file that GitHub shows with the job."""
_MOST_OF_A_SUMMARY = 1_000_000
"""The maximum size in bytes. GitHub does not show a longer summary at all."""


class ReportFiles:
    """Writes reports, and collects lines for the user: ``written`` reports, and ``problems``, which make the run
    fail.
    """

    def __init__(self, rootdir: Path) -> None:
        self._rootdir = rootdir
        self.written: list[str] = []
        self.problems: list[str] = []

    def write(self, target: ReportTarget, view: View, earlier: Callable[[], Sequence[View]] = tuple) -> None:
        """Write one report. Never raises an Exception. ``earlier`` loads the runs before this one, for an HTML page."""
        try:
            write_report(target.form, target.path, view, partial(_render, target.form, view, earlier))
            self.written.append(f"report: {target.path}")
        except Exception as error:
            self.problems.append(f"report {target.path} failed: {_said(error)}; {self._beside(target, view)}")

    def add_step_summary(self, view: View) -> None:
        """On GitHub, append the Markdown report to the job's summary. An error does not make the run fail."""
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
        """Write the results elsewhere, as JSON if the report itself cannot be made, and return a sentence that says
        where.
        """
        name = component(f"{view.run.started.replace(':', '')}-{target.path.name}")
        for file, text in _substitutes(name, target.form, view):
            for folder in (self._kept, _temporary):
                try:
                    write_file(path := folder() / file, text())
                except Exception:
                    continue
                return f"the results are in {path}"
        return "and the results could be written nowhere else"

    def _kept(self) -> Path:
        folder = home(self._rootdir) / "reports"
        folder.mkdir(exist_ok=True)
        return folder


def _render(form: str, view: View, earlier: Callable[[], Sequence[View]]) -> str:
    return render(view, form, earlier() if form == ".html" else ())


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
