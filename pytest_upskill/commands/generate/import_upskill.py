"""``upskill-gen import-upskill PATH``: makes text cases from tests of upskill."""

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


@click.command("import-upskill", epilog=STATUSES)
@click.argument("path", metavar="PATH", type=PATH)
@into_option(None, "The skill that gets the cases.  [default: the skill that PATH is in]")
@imports
def command(path: Path, into: Path | None, options: ImportOptions) -> None:
    """Make text cases from tests of Hugging Face's upskill, another tool.

    PATH is the folder of a skill with skill_meta.json, or a file with tests, of version 1 or 2. 'contains' has the
    same meaning here. Tests that need files or tools are not imported, but listed with the reason.
    """
    check_exists(path)
    from pytest_upskill.importers import upskill_tests

    found = upskill_tests.tests(path)
    description = "Tasks from the tests of a skill of upskill. Use for tasks such as those."
    Import("import-upskill", options, description).run(skill_for(path, into), found, upskill_tests.read)
