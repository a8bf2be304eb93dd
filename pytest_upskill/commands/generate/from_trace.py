"""``upskill-gen from-trace FILE``: writes a skill from the transcript of a coding agent."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_upskill.commands.generate.asking import STATUSES, AskOptions
from pytest_upskill.commands.generate.from_material import Wanted, from_material, write_from
from pytest_upskill.commands.generate.importing import PATH, check_exists
from pytest_upskill.importers.transcripts import read_transcript
from pytest_upskill.reporting.text_style import plural, printable


@click.command("from-trace", epilog=STATUSES)
@click.argument("file", metavar="FILE", type=PATH)
@from_material
def command(file: Path, wanted: Wanted, options: AskOptions) -> None:
    """Write a skill with proven cases from the transcript of a coding agent.

    FILE is a transcript of Claude Code, Codex, OpenHands, SWE-agent or a chat in JSON or JSON Lines, or a Markdown
    file. The teacher gets the whole transcript as a quotation, so nothing in it counts as an instruction. A
    transcript longer than --part-tokens is split into parts; the teacher takes notes on each part, and writes the
    skill from the notes.
    """
    check_exists(file)
    transcript = read_transcript(file)
    if transcript.unread:
        click.echo(
            f"{printable(file.name)}: {plural(transcript.unread, 'line')} left out, which are not JSON", err=True
        )
    what = f"the transcript {printable(file.name)} of a coding agent"
    task = f"GPU kernels of the kind that the agent in the transcript {printable(file.name)} worked on"
    write_from("from-trace", str(transcript), what, task, wanted, options)
