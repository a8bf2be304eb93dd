"""Reports: the view model of a finished run, and its formats. Without pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_upskill.reporting.view import View


def render(view: View, suffix: str) -> str:
    """The text of a report file; ``suffix`` is ``.json``, ``.md``, ``.csv`` or ``.html``; any other
    raises ValueError."""
    from pytest_upskill.reporting import csv_report, json_report, markdown_report
    from pytest_upskill.reporting.html import page

    forms = {
        ".json": json_report.render,
        ".md": markdown_report.render,
        ".csv": csv_report.render,
        ".html": page.render,
    }
    if suffix not in forms:
        raise ValueError(f"no report is called {suffix!r}; accepted: {', '.join(forms)}")
    return forms[suffix](view)
