"""Reports: the view model of a finished run, and its formats. Without pytest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_upskill.reporting.view import View

SKILL_CREATOR = "skill-creator"
"""The form whose path is a folder."""
FOLDER_MARKER = ".pytest-upskill"
"""A file in a folder that holds a report: a later run may replace its contents."""

_MODULES = {
    ".json": "json_report", ".md": "markdown_report", ".csv": "csv_report", ".html": "html.page",
    "upskill": "upskill_csv", "badge": "badge",
}  # fmt: skip
"""By form: the module whose ``render`` makes the text of the report."""


def render(view: View, form: str, earlier: Sequence[View] = ()) -> str:
    """The text of a report file; ``form`` is a suffix such as ``.json``, or ``upskill`` or ``badge``. A page shows what
    has changed since the ``earlier`` runs, oldest first.

    Raises ValueError on any other.
    """
    from importlib import import_module

    if form not in _MODULES:
        raise ValueError(f"no report is called {form!r}; accepted: {', '.join(_MODULES)}")
    more = (earlier,) if form == ".html" else ()
    text: str = import_module(f"{__name__}.{_MODULES[form]}").render(view, *more)
    return text
