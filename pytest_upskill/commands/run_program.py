"""``pytest-upskill run FILE.cu``: compiles a CUDA program and runs it on the host, with memory and race checks."""

import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import click

from pytest_upskill.errors import UpskillError
from pytest_upskill.languages.cuda.program import CANNOT_RUN, REPORTED, CompileError, NeedsGpu, Request, build, run
from pytest_upskill.sandbox import process

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _stop(number: int, frame: FrameType | None) -> None:
    """End this process as an exception would, so that child processes are ended and temporary folders are removed."""
    process.end_all()
    raise SystemExit(128 + number)


class _AfterDashes(click.Command):
    """A command that keeps the arguments after ``--`` for the program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        split = args.index("--") if "--" in args else len(args)
        ctx.obj = tuple(args[split + 1 :])
        return super().parse_args(ctx, args[:split])


@click.command(
    "run",
    cls=_AfterDashes,
    options_metavar="[OPTIONS]",
    epilog=f"The exit status is the program's, {REPORTED} if something was reported, {CANNOT_RUN} if nothing could "
    "be run. There is no sandbox: run only programs that you trust. Example: "
    "pytest-upskill run -I include -D N=1024 main.cu kernels.cu -- --size 3",
)
@click.argument("files", metavar="FILE.cu... [-- ARGUMENT...]", nargs=-1, required=True, type=_FILE)
@click.option("-I", "include", metavar="DIR", multiple=True, type=_FOLDER, help="Search this folder for headers.")
@click.option("-D", "define", metavar="NAME[=VALUE]", multiple=True, help="Define a macro, as the compiler's -D does.")
@click.option(
    "-Xcompiler",
    "host_options",
    metavar="OPTION[,...]",
    multiple=True,
    help="Options for the host compiler, such as -fopenmp.",
)
@click.option("--no-checks", is_flag=True, help="Run at full speed, without checks.")
@click.pass_context
def command(
    ctx: click.Context,
    files: Sequence[Path],
    include: Sequence[Path],
    define: Sequence[str],
    host_options: Sequence[str],
    no_checks: bool,
) -> None:
    """Compile a CUDA program and run it on the host.

    Reports what is wrong with its kernels: out-of-bounds accesses, races, barrier mistakes. FILE.cu are the program's
    sources, main included; arguments of the program itself follow after --.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    options = tuple(option for words in host_options for option in words.split(","))
    request = Request(tuple(files), tuple(include), tuple(define), options, not no_checks, ctx.obj)
    try:
        with tempfile.TemporaryDirectory(prefix="upskill-") as scratch:
            program = build(request, Path(scratch))
            status = run(program, request.arguments, Path(scratch) / "reports")
    except (UpskillError, NeedsGpu, ValueError, CompileError) as error:
        click.echo(f"pytest-upskill run: {error}", err=True)
        status = CANNOT_RUN
    ctx.exit(status)
