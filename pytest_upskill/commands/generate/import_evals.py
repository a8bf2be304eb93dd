"""``upskill-gen import-evals PATH``: makes text cases from an evals.json."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_upskill.commands.generate.importing import (
    PATH,
    STATUSES,
    Import,
    ImportOptions,
    check_exists,
    imports,
    into_option,
    skill_for,
)


@click.command("import-evals", epilog=STATUSES)
@click.argument("path", metavar="PATH", type=PATH)
@into_option(None, "The skill that gets the cases.  [default: the skill that PATH is in]")
@imports
def command(path: Path, into: Path | None, options: ImportOptions) -> None:
    """Make text cases from an evals.json of skill-creator or agentskills.io.

    PATH is the file, or the folder of a skill with evals/evals.json. Each expectation (or assertion) becomes an entry
    of a rubric, which a model judges. Evals that need files are not imported, but listed with the reason.
    """
    check_exists(path)
    from pytest_upskill.importers import evals_json

    found = evals_json.evals(path)
    description = "Tasks from an evals.json. Use for tasks such as those."
    Import("import-evals", options, description).run(skill_for(path, into), found, evals_json.read)
