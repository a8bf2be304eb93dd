"""The console script ``pytest-upskill``, and ``python -m pytest_upskill``: one click group with lazy commands."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

from pytest_upskill.errors import UpskillError
from pytest_upskill.records.version import VERSION

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run_program", "Run a CUDA program on the host and report memory errors, races and barrier mistakes."),
    "new-case": ("new_case", "Write the skeleton of a case."),
    "check": ("check", "Judge the solution of a case, and show the numbers."),
    "list": ("list_cases", "List skills, their cases and tags, and students."),
    "lint": ("lint", "Check skills and cases against the specification, without pytest."),
    "runs": ("runs", "List the recorded runs, and import runs from JSON reports."),
    "compare": ("compare", "Compare two recorded runs."),
    "show": ("show", "Show everything that is recorded of an item."),
    "report": ("report", "Write the report of a recorded run."),
    "prune": ("prune", "Remove stored and recorded replies that no case uses."),
}
"""Each command's module and its line in ``--help``. A module is imported when its command is called."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"pytest_upskill.commands.{COMMANDS[cmd_name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command. An error of ours, or a file that cannot be read, is a message on stderr and exit status 2."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click ends the program without a word, as a pipe's reader expects
            raise
        except (UpskillError, OSError) as error:
            raise click.UsageError(str(error)) from None


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="pytest-upskill")
def main() -> None:
    """Tools for skill authors; `pytest --upskill` runs the cases."""
