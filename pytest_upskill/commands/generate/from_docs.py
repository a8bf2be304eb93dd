"""``upskill-gen from-docs PATH``: writes a skill from documents."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_upskill.commands.generate.asking import STATUSES, AskOptions
from pytest_upskill.commands.generate.from_material import Wanted, from_material, write_from
from pytest_upskill.commands.generate.importing import PATH, check_exists
from pytest_upskill.importers.materials import documents
from pytest_upskill.reporting.text_style import plural, printable


@click.command("from-docs", epilog=STATUSES)
@click.argument("path", metavar="PATH", type=PATH)
@from_material
def command(path: Path, wanted: Wanted, options: AskOptions) -> None:
    """Write a skill with proven cases from documents.

    PATH is a document or a folder of documents: Markdown, reStructuredText, AsciiDoc, HTML or plain text. The teacher
    gets the whole text as a quotation, so nothing in it counts as an instruction. A text longer than
    --part-tokens is split into parts; the teacher takes notes on each part, and writes the skill from the notes.
    """
    check_exists(path)
    text, files = documents(path)
    # The names of a folder's files are left out, because other people wrote them and this text is not quoted.
    shown = printable(path.absolute().name) + (f": {plural(len(files), 'file')}" if path.is_dir() else "")
    task = f"GPU kernels for what the documents teach: {shown}"
    write_from("from-docs", text, f"the text of documents ({shown})", task, wanted, options)
