"""Reports: the view model of a finished run, and its formats. Without pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_upskill.reporting.view import View


def render(view: View, form: str) -> str:
    """The text of a report file; ``form`` is a suffix such as ``.json``, ``upskill`` or ``badge``.

    Raises ValueError on any other.
    """
    from pytest_upskill.reporting import badge, csv_report, json_report, markdown_report, upskill_csv

    forms = {".json": json_report.render, ".md": markdown_report.render, ".csv": csv_report.render}
    forms |= {"upskill": upskill_csv.render, "badge": badge.render}
    if form not in forms:
        raise ValueError(f"no report is called {form!r}; accepted: {', '.join(forms)}")
    return forms[form](view)
