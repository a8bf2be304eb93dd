"""A click group whose commands are modules, each imported when its command is called."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

from pytest_upskill.errors import UpskillError


class LazyGroup(click.Group):
    """A click group. ``table`` maps a command to its module in ``package`` and to its line in ``--help``.

    The module has a function ``command``, which is run.
    """

    def __init__(self, *args: Any, package: str, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.package = package
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        command: click.Command = importlib.import_module(f"{self.package}.{self.table[cmd_name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in self.table.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. After an UpskillError or an OSError, print a message on stderr and exit with status 2."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click ends the program silently, because the reader of a pipe has closed it
            raise
        except UpskillError as error:
            raise click.UsageError(str(error)) from None
        except OSError as error:
            raise click.UsageError(_in_words(error)) from None


def _in_words(error: OSError) -> str:
    """Return the error with its file and the next step, or the error's own text if it names no file."""
    if error.strerror is None or not isinstance(error.filename, str):
        return str(error)
    remedy = "see to the path, its permissions and the free space, then run the same command again"
    return f"{error.strerror}: '{error.filename}'; {remedy}"
