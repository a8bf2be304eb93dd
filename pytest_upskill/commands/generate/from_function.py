"""``upskill-gen from-function MODULE:FUNCTION --into SKILL``: makes a case from a PyTorch or NumPy function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from pytest_upskill.commands.generate.importing import STATUSES, Import, ImportOptions, confinement, imports
from pytest_upskill.errors import UsageError
from pytest_upskill.importers.foreign import Foreign, NotImported


@click.command("from-function", epilog=STATUSES)
@click.argument("spec", metavar="MODULE:FUNCTION")
@click.option(
    "--into", metavar="SKILL", type=click.Path(path_type=Path), required=True,
    help="The skill that gets the case; created if it does not exist.",
)  # fmt: skip
@click.option("--name", metavar="NAME", help="The name of the case.  [default: the function's]")
@click.option(
    "--shape", "shapes", metavar="ARGUMENT=SIZES", multiple=True,
    help="The shape of an argument, as in --shape x=rows,cols or --shape ids:int64=n.  [default: found by trying]",
)  # fmt: skip
@imports
def command(spec: str, into: Path, name: str | None, shapes: Sequence[str], options: ImportOptions) -> None:
    """Make a case from a PyTorch or NumPy function.

    MODULE is a module or a file below the current folder. The function is called in a sandbox, with tensors of several
    shapes and dtypes; the case gets those that work. The function, with whatever it needs from its module, becomes the
    reference.
    """
    from pytest_upskill.importers import function_source, own_function
    from pytest_upskill.importers.sandbox import Sandbox

    given = own_function.given_shapes(shapes)
    try:
        source = function_source.find(spec, Path.cwd())
    except NotImported as reason:
        raise UsageError(f"{spec}: {reason}") from None
    own_function.check_given(source, given)
    sandbox = Sandbox(lambda: confinement(options.device))
    sandbox.begin()
    description = "Kernels for functions of PyTorch or NumPy. Use when asked for a CUDA kernel for one of them."
    found = Foreign(spec, name or source.name, source.path)
    try:
        Import("from-function", options, description).run(
            into, [found], lambda one, called: own_function.read(source, given, sandbox)
        )
    finally:
        sandbox.close()
