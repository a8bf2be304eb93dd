"""What the commands on the history share: filters, and printing without characters that the terminal cannot show."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pytest_upskill.history.selection import history_here
from pytest_upskill.history.store import History
from pytest_upskill.reporting.text_style import TextStyle, can_show

_FILTERS = (
    click.option("--skill", metavar="NAME", help="Only items of this skill."),
    click.option("--student", metavar="NAME", help="Only items of this student."),
)


def filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --skill and --student."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@contextmanager
def opened_history() -> Iterator[History]:
    """Yield the history of the current folder or of the nearest folder above, and close it afterwards."""
    history = history_here(Path.cwd())
    try:
        yield history
    finally:
        history.close()


def terminal_style() -> TextStyle:
    """Return what stdout can show. click removes the colours if stdout is not a terminal."""
    width = max(shutil.get_terminal_size().columns, 60)
    return TextStyle(width, color=True, unicode=can_show(sys.stdout.encoding))
