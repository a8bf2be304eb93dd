"""``upskill-gen import-kernelbench PATH``: makes cases from problems of KernelBench."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_upskill.commands.generate.importing import (
    PATH,
    STATUSES,
    Import,
    ImportOptions,
    check_exists,
    confinement,
    imports,
    into_option,
)
from pytest_upskill.errors import UsageError, shown_path


@click.command("import-kernelbench", epilog=STATUSES)
@click.argument("path", metavar="PATH", type=PATH)
@into_option("skills/kernelbench")
@imports
def command(path: Path, into: Path, options: ImportOptions) -> None:
    """Make cases from problems of KernelBench.

    PATH is a problem or a folder that contains problems: Python files with 'class Model', 'get_inputs' and
    'get_init_inputs'. Each problem whose shapes can vary becomes a case. Others, such as those with a constant result,
    are listed with the reason. The code of problems runs only in a sandbox.
    """
    check_exists(path)
    from pytest_upskill.importers import kernelbench
    from pytest_upskill.importers.sandbox import Sandbox

    if not (found := kernelbench.problems(path)):
        rule = "a problem is a Python file with 'class Model', 'get_inputs' and 'get_init_inputs'"
        raise UsageError(f"{shown_path(path)} holds no problem of KernelBench; {rule}")
    sandbox = Sandbox(lambda: confinement(options.device))
    sandbox.begin()
    description = "Kernels for the problems of KernelBench. Use when asked for a CUDA kernel that replaces a module."
    try:
        Import("import-kernelbench", options, description).run(
            into, found, lambda one, name: kernelbench.read(one, name, sandbox)
        )
    finally:
        sandbox.close()
