"""``upskill-gen import-sol PATH``: makes cases from definitions of SOL-ExecBench and FlashInfer-Bench."""

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


@click.command("import-sol", epilog=STATUSES)
@click.argument("path", metavar="PATH", type=PATH)
@into_option("skills/sol-execbench")
@imports
def command(path: Path, into: Path, options: ImportOptions) -> None:
    """Make cases from definitions of SOL-ExecBench or FlashInfer-Bench.

    PATH is a definition (JSON), or a folder that contains definitions. Axes of the type 'var' become dims. Numbers
    among the inputs get their values from workloads beside the definition. Definitions that cannot become a case are
    listed with the reason. Their code runs only in a sandbox.
    """
    check_exists(path)
    from pytest_upskill.importers import sol
    from pytest_upskill.importers.sandbox import Sandbox

    found = sol.definitions(path)
    sandbox = Sandbox(lambda: confinement(options.device))
    sandbox.begin()
    description = "Kernels for definitions of SOL-ExecBench. Use when asked for a CUDA kernel of a language model."
    try:
        Import("import-sol", options, description).run(into, found, lambda one, name: sol.read(one, name, sandbox))
    finally:
        sandbox.close()
