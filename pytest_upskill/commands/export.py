"""``pytest-upskill export ITEM``: writes the kernel of a recorded item as a project for kernel-builder."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_upskill.commands.history_options import opened_history
from pytest_upskill.errors import shown_path
from pytest_upskill.export.items import export_item
from pytest_upskill.history.selection import LAST, case_of, find_item, find_run
from pytest_upskill.reporting.text_style import printable


@click.command("export")
@click.argument("item", metavar="ITEM")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path(), required=False)
@click.option("--run", "run", metavar="RUN", default=LAST, help="The run: a number or a JSON report.  [default: last]")
@click.option("--build", is_flag=True, help="Also build it for the CPU, as pytest-upskill build does.")
def command(item: str, folder: Path, run: str, build: bool) -> None:
    """Write the kernel of an item as a project for Hugging Face's kernel-builder.

    The project is a new folder in DIR (default: the current folder) with sources, bindings, tests with the case's
    reference, a benchmark and a card. ITEM is an id, or a part that only one id contains, such as
    'softmax[glm-4.7-skill]'. The item must have passed. An existing folder is replaced only if it was exported and not
    changed since.
    """
    with opened_history() as history:
        number = find_run(history, run)
        outcome = history.item(number, find_item(history.ids(number), item))
        root, info = history.path.parent.parent, history.brief(number).info
    exported = export_item(outcome, case_of(outcome, root), info, folder)
    shown = shown_path(exported.folder)
    click.echo(printable(f"{shown}: {'written' if exported.fresh else 'unchanged'}, from {outcome.id} in run {number}"))
    if build:
        from pytest_upskill.commands.build import built

        click.echo(built(exported.folder))
