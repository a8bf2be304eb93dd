"""``pytest-upskill show ITEM``: prints everything that was recorded about an item."""

from __future__ import annotations

import sys

import click

from pytest_upskill.commands.history_options import opened_history, terminal_style
from pytest_upskill.errors import UsageError
from pytest_upskill.history.selection import LAST, find_item, find_run
from pytest_upskill.reporting.item_text import PARTS, item_lines, part_text


@click.command("show")
@click.argument("item", metavar="ITEM")
@click.option("--run", "run", metavar="RUN", default=LAST, help="The run: a number or a JSON report.  [default: last]")
@click.option(
    "--part",
    type=click.Choice(list(PARTS)),
    help="Only this part. In a pipe, a prompt, reply or kernel is written unchanged.",
)
def command(item: str, run: str, part: str | None) -> None:
    """Show everything that was recorded of an item.

    This is the prompt, the reply, the kernel, all assertions, the counterexample, the device's reports, the kernel
    launches and the compiler's messages. ITEM is an id, or a part that only one id contains, such as
    'softmax[glm-4.7-skill]'. Items that passed and items of other arms can be shown, too.
    """
    with opened_history() as history:
        number = find_run(history, run)
        found = history.item(number, find_item(history.ids(number), item))
    if part and not sys.stdout.isatty() and (text := part_text(found, part)):
        click.echo(text, nl=not text.endswith("\n"))
        return
    lines = list(item_lines(found, terminal_style(), part or ""))
    if part and not lines:
        raise UsageError(f"run {number} has no {part} of {found.id}; leave out --part to see what it has")
    for line in [f"run {number}", *lines] if not part else lines:
        click.echo(line)
