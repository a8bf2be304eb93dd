"""``python -m pytest_upskill run FILE.cu``: runs a CUDA program on the host. Knows the command line."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pytest_upskill.errors import UpskillError
from pytest_upskill.languages.cuda.program import CANNOT_RUN, REPORTED, CompileError, Request, build, run
from pytest_upskill.languages.cuda.program_source import NeedsGpu


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    request = read_arguments(sys.argv[1:] if argv is None else argv)
    try:
        with tempfile.TemporaryDirectory(prefix="upskill-") as scratch:
            program = build(request, Path(scratch))
            return run(program, request.arguments, Path(scratch) / "reports")
    except (UpskillError, NeedsGpu, ValueError, CompileError) as error:
        print(f"pytest_upskill run: {error}", file=sys.stderr)
        return CANNOT_RUN


def read_arguments(argv: Sequence[str]) -> Request:
    """Reads a command line; on a mistake it prints the usage and exits with status 2, as argparse does."""
    own = list(argv)
    arguments: list[str] = []
    if "--" in own:
        split = own.index("--")
        own, arguments = own[:split], own[split + 1 :]
    parser = _parser()
    given = parser.parse_args(own)
    missing = [str(path) for path in given.files if not path.is_file()]
    if missing:
        parser.error(f"no such file: {', '.join(missing)}; arguments of the program itself come after --")
    absent = [str(path) for path in given.include if not path.is_dir()]
    if absent:
        parser.error(f"no such folder: {', '.join(absent)}; -I names a folder with headers")
    return Request(tuple(given.files), tuple(given.include), tuple(given.define), given.checks, tuple(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_upskill run",
        usage="%(prog)s [-h] [-I DIR]... [-D NAME[=VALUE]]... [--no-checks] FILE.cu... [-- ARGUMENTS...]",
        description="Compiles a CUDA program, main included, runs it on the host, and prints what is wrong with its "
        "kernels: out-of-bounds accesses, races, barrier mistakes.",
        epilog=f"The exit status is the program's, {REPORTED} if something was reported, {CANNOT_RUN} if the program "
        "could not be built. The program is not confined: run only what you would run by itself. For example: "
        "%(prog)s -I include -D N=1024 main.cu kernels.cu -- --size 3",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.cu", help="the program's sources")
    parser.add_argument(
        "-I", dest="include", action="append", default=[], type=Path, metavar="DIR", help="a folder with headers"
    )
    parser.add_argument(
        "-D", dest="define", action="append", default=[], metavar="NAME[=VALUE]", help="a macro, as for the compiler"
    )
    parser.add_argument("--no-checks", dest="checks", action="store_false", help="run at full speed, report nothing")
    return parser
