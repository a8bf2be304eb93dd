"""The console script ``pytest-upskill``, and ``python -m pytest_upskill``: one click group with lazy commands."""

from collections.abc import Mapping

import click

from pytest_upskill.commands.lazy_group import LazyGroup
from pytest_upskill.records.version import VERSION

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run_program", "Run a CUDA program on the CPU, and report memory errors, races and barrier mistakes."),
    "new-case": ("new_case", "Write the skeleton of a case."),
    "check": ("check", "Judge the solution of a case, and show the values around the largest error."),
    "list": ("list_cases", "List skills, cases, tags and students."),
    "lint": ("lint", "Check the files of skills and cases, without running any code of theirs."),
    "runs": ("runs", "List the recorded runs, and import runs from JSON reports."),
    "compare": ("compare", "Compare two recorded runs."),
    "show": ("show", "Show everything that was recorded of an item."),
    "report": ("report", "Write a report of a recorded run."),
    "export": ("export", "Write a passing kernel as a project for Hugging Face's kernel-builder."),
    "build": ("build", "Build a kernel-builder project for the CPU."),
    "prune": ("prune", "Remove stored and recorded replies that no case uses."),
}
"""Each command's module and its line in ``--help``. A module is imported when its command is called."""


@click.command(
    cls=LazyGroup,
    package="pytest_upskill.commands",
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(VERSION, prog_name="pytest-upskill")
def main() -> None:
    """Tools for skill authors. To run the cases, use `pytest --upskill`."""
