"""Reports: the view model of a finished run, and the formats of reports. Independent of pytest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_upskill.reporting.view import View

SKILL_CREATOR = "skill-creator"
"""The form of report whose path is a folder."""
FOLDER_MARKER = ".pytest-upskill"
"""A file that marks a folder as a report of ours, so that a later run may replace the folder's contents."""

_MODULES = {
    ".json": "json_report", ".md": "markdown_report", ".csv": "csv_report", ".html": "html.page",
    "upskill": "upskill_csv", "badge": "badge",
}  # fmt: skip
"""By form of report, the module whose ``render`` makes the text."""


def render(view: View, form: str, earlier: Sequence[View] = ()) -> str:
    """Return the text of a report file. ``form`` is a suffix such as ``.json``, or ``upskill`` or ``badge``.

    An HTML page shows what has changed since the ``earlier`` runs, which are in order, the oldest first. Raises
    ValueError for an unknown form.
    """
    from importlib import import_module

    if form not in _MODULES:
        raise ValueError(f"no report is called {form!r}; accepted: {', '.join(_MODULES)}")
    more = (earlier,) if form == ".html" else ()
    text: str = import_module(f"{__name__}.{_MODULES[form]}").render(view, *more)
    return text
