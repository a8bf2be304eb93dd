"""``pytest-upskill build PROJECT``: builds a project of kernel-builder for the CPU of this machine."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from pytest_upskill.errors import shown_path


@click.command("build")
@click.argument("project", metavar="PROJECT", type=click.Path(path_type=Path))
def command(project: Path) -> None:
    """Build a kernel-builder project for the CPU of this machine.

    PROJECT is a folder with a build.toml: an exported project, whose CUDA kernels then run on the cpu device, or a
    project for the backend cpu. The build is written to PROJECT/build, where kernels.get_local_kernel finds it.
    Sources are compiled in a sandbox, but a program that loads the build runs its code without a sandbox.
    """
    click.echo(built(project))


def built(project: Path) -> str:
    """Build a project and return the text that the user is shown. Raises UsageError, InfrastructureError."""
    from pytest_upskill.export.cpu_variant import build_variant

    variant = build_variant(project)
    tests = project / "tests"
    step = f"\ntest it: python -m pytest {shlex.quote(shown_path(tests))}" if tests.is_dir() else ""
    return f"{shown_path(variant)}: built for the CPU of this machine{step}"
