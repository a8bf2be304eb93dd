"""The CUDA toolkit of this machine: nvcc, and what is needed to link with it. Builds nothing."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.build.nvcc import Nvcc, find_nvcc
from pytest_upskill.errors import ToolchainError
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import ENVIRONMENT

_PROBE_SECONDS = 30.0
_ADVICE = "install CUDA's toolkit, or the extra [cuda-compiler]: pip install 'pytest-upskill[cuda-compiler]'"


@dataclass(frozen=True, slots=True)
class Toolkit:
    """nvcc, and the folders of the headers and libraries of its CUDA runtime."""

    nvcc: Nvcc
    include: Path
    libraries: Path
    architectures: tuple[str, ...]
    """The targets of this nvcc, such as ``sm_75``."""


@functools.cache
def find_toolkit() -> Toolkit:
    """The machine's nvcc, with what is needed to link. Raises ToolchainError."""
    nvcc = find_nvcc()
    if nvcc is None:
        raise ToolchainError(f"no nvcc was found; {_ADVICE}")
    root = nvcc.folders[0]
    ran = process.run(
        [str(nvcc.program), "--list-gpu-code"],
        environment={**ENVIRONMENT, "PATH": f"{nvcc.program.parent}:{ENVIRONMENT['PATH']}"},
        seconds=_PROBE_SECONDS,
    )
    known = tuple(sorted(set(re.findall(r"sm_\w+", ran.output)), key=_generation))
    if ran.status != 0 or not known:
        raise ToolchainError(f"{nvcc.program} --list-gpu-code does not work: {ran.output[:200]}; {_ADVICE}")
    include = _folder_of(root, "cuda_runtime.h", ("include", "targets/x86_64-linux/include", "*/include"))
    libraries = _folder_of(root, "libcudart_static.a", ("lib64", "targets/x86_64-linux/lib", "lib", "*/lib"))
    return Toolkit(nvcc, include, libraries, known)


def check_architecture(architecture: str, toolkit: Toolkit) -> None:
    """Raises ToolchainError for an architecture that nvcc does not compile for."""
    # "sm_90a" is a variant of "sm_90", which nvcc does not list.
    if architecture.rstrip("af") not in toolkit.architectures:
        raise ToolchainError(
            f"{toolkit.nvcc.describe()} does not know the architecture {architecture}; it compiles for "
            f"{', '.join(toolkit.architectures)}; install a newer toolkit, or name one of these with --upskill-arch"
        )


def _generation(architecture: str) -> int:
    return int(re.sub(r"\D", "", architecture))


def _folder_of(root: Path, name: str, places: Sequence[str]) -> Path:
    for place in places:
        for folder in sorted(root.glob(place)):
            if (folder / name).is_file():
                return folder.resolve()
    raise ToolchainError(f"{name} is missing below {root}; {_ADVICE}")


def describe(architectures: Sequence[str]) -> str:
    """The compiler and its targets, such as "nvcc 13.0 for sm_90", or why there is none."""
    try:
        return f"{find_toolkit().nvcc.describe()} for {', '.join(architectures)}"
    except ToolchainError as error:
        return f"none ({error})"
