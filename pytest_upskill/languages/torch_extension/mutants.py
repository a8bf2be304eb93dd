"""Mutants of a project: those of the sources that hold its kernels. Compiles and runs nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from pytest_upskill.languages.base import SourceMutant
from pytest_upskill.languages.cuda.mutants import source_mutants
from pytest_upskill.languages.torch_extension import SOURCE_NAME, build_toml
from pytest_upskill.languages.torch_extension.project import COMPILED, File, ProjectError, project_of

SHARE = 4
"""One mutant is built where a kernel on its own would have as many: the build of a project takes seconds."""
_HEADERS = (".cuh", ".h", ".hpp", ".inl")


def project_mutants(source: str, count: int, seed: int) -> Sequence[SourceMutant]:
    """At most ``count / SHARE`` mutants of a project in one text, in an order that mixes kinds and files."""
    try:
        project = project_of({SOURCE_NAME: source})
        build = build_toml.read(project.texts)
    except ProjectError:
        return ()
    kernels = {path for part in build.kernels for path in part.src if path.endswith((*COMPILED, *_HEADERS))}
    found = [
        replace(one, line=file.line + one.line - 1, source=mutated, change=f"{_name(file)}: {one.change}")
        for file in project.files
        if file.path in kernels
        for one in source_mutants(file.text, count, seed)
        if (mutated := _put_back(source, file, one.source)) is not None
    ]
    random.Random(seed).shuffle(found)
    return found[: max(count // SHARE, 1)]


def _name(file: File) -> str:
    return PurePosixPath(file.path).name


def _put_back(source: str, file: File, text: str) -> str | None:
    """The whole text with another text of a file; None if the file is indented in it."""
    lines, own = source.split("\n"), file.text.removesuffix("\n").split("\n")
    first = file.line - 1
    if lines[first : first + len(own)] != own:
        return None
    return "\n".join([*lines[:first], *text.removesuffix("\n").split("\n"), *lines[first + len(own) :]])
