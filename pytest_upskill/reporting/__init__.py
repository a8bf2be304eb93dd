"""Reports: the view model of a finished run, and its formats. Without pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_upskill.reporting.view import View


_MODULES = {
    ".json": "json_report", ".md": "markdown_report", ".csv": "csv_report", ".html": "html.page",
    "upskill": "upskill_csv", "badge": "badge",
}  # fmt: skip
"""By form: the module whose ``render`` makes the text of the report."""


def render(view: View, form: str) -> str:
    """The text of a report file; ``form`` is a suffix such as ``.json``, or ``upskill`` or ``badge``.

    Raises ValueError on any other.
    """
    from importlib import import_module

    if form not in _MODULES:
        raise ValueError(f"no report is called {form!r}; accepted: {', '.join(_MODULES)}")
    text: str = import_module(f"{__name__}.{_MODULES[form]}").render(view)
    return text
