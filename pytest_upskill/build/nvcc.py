"""Checks that a kernel compiles for a GPU (sm_90), with nvcc, where there is one. Builds nothing that is run.

The host's compiler accepts what nvcc refuses (a helper without ``__device__``, a host function called in a kernel), so
the source is checked as the student wrote it. The two halves of nvcc's work run side by side: the device's code down to
machine code, and the front end's pass over the host's code, whose output nobody needs.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.build.cache import Cache, Made, key_of
from pytest_upskill.build.compilation import DEFAULT_LIMITS, CompileLimits, compile_confined
from pytest_upskill.build.messages import ENTRY_NAME, SOURCE_NAME
from pytest_upskill.build.toolchain import find_compiler
from pytest_upskill.errors import InfrastructureError, ToolchainError
from pytest_upskill.records import Build
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement

ARCHITECTURE = "sm_90"

_FLAGS = ("-std=c++17", f"-arch={ARCHITECTURE}")
_PROBE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Nvcc:
    """A working nvcc: its program, its version, and the script that checks ``kernel.cu`` in the working directory."""

    program: Path
    version: str
    script: str
    folders: tuple[Path, ...]

    def describe(self) -> str:
        """As in "nvcc 13.0"."""
        return f"nvcc {self.version}"


class NvccCheck:
    """Checks kernels; one for all threads. Looks for nvcc when first asked."""

    def __init__(self, cache: Cache | None = None, limits: CompileLimits = DEFAULT_LIMITS) -> None:
        self._cache = cache or Cache()
        self._limits = limits

    def available(self) -> bool:
        """Whether kernels will be checked at all."""
        return find_nvcc() is not None

    def describe(self) -> str:
        """The compiler with its version, as in "nvcc 13.0"; or that there is none."""
        nvcc = find_nvcc()
        return nvcc.describe() if nvcc else "none (kernels are not checked for GPUs; pip install nvidia-cuda-nvcc)"

    def check(self, source: str, entry: str, *, confinement: Confinement) -> Build | None:
        """A build without a library: its message is empty if the kernel compiles. None where there is no nvcc.

        Raises ToolchainError or CellError for what is not the kernel's fault.
        """
        nvcc = find_nvcc()
        if nvcc is None:
            return None
        began = time.monotonic()
        key = key_of("nvcc", source, entry, nvcc.script, nvcc.version, confinement.level)
        made = self._cache.get(key, lambda _: self._make(source, entry, nvcc, confinement))
        return Build(
            library=None,
            message=made.facts["message"],
            compilers=(nvcc.describe(),),
            seconds=time.monotonic() - began,
            cached=not made.fresh,
        )

    def _make(self, source: str, entry: str, nvcc: Nvcc, confinement: Confinement) -> Made:
        with self._cache.scratch() as scratch:
            compiled = compile_confined(
                nvcc.script,
                {SOURCE_NAME: f'{source}\n#line 1 "{ENTRY_NAME}"\n{entry}\n'},
                entry=entry,
                scratch=scratch,
                readable=nvcc.folders,
                path=[nvcc.program.parent, find_compiler().program.parent],
                confinement=confinement,
                limits=self._limits,
            )
        return Made({"message": compiled.message}, keep=compiled.lasting)


@functools.cache
def find_nvcc() -> Nvcc | None:
    """The first nvcc that works: in CUDA_HOME, on the PATH, in /usr/local/cuda, or from PyPI's nvidia-cuda-nvcc."""
    for program in _candidates():
        try:
            return _probe(program)
        except InfrastructureError:
            continue
    return None


def _candidates() -> Iterator[Path]:
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    if home:
        yield Path(home) / "bin" / "nvcc"
    found = shutil.which("nvcc")
    if found:
        yield Path(found)
    yield Path("/usr/local/cuda/bin/nvcc")
    for folder in sys.path:
        yield from sorted(Path(folder or ".").glob("nvidia/*/bin/nvcc"))


def _probe(program: Path) -> Nvcc:
    if not os.access(program, os.X_OK):
        raise ToolchainError(f"{program} cannot be run")
    said = _run([str(program), "--version"])
    version = re.search(r"release (\d+\.\d+)", said)
    if version is None:
        raise ToolchainError(f"{program} does not say its version")
    plan = _run([str(program), *_FLAGS, "--dryrun", "-cuda", SOURCE_NAME, "-o", "kernel.ii"])
    return Nvcc(program, version.group(1), _script(program, plan), _folders(program, plan))


def _run(argv: list[str]) -> str:
    environment = {**ENVIRONMENT, "PATH": os.environ.get("PATH", ENVIRONMENT["PATH"])}
    ran = process.run(argv, environment=environment, seconds=_PROBE_SECONDS)
    if ran.status != 0:
        raise ToolchainError(f"{argv[0]} does not work: {ran.output[:200]}")
    return ran.output


def _script(program: Path, plan: str) -> str:
    """Device and host at once; where the plan is not of the form that we know, nvcc does all, one after the other."""
    host = _host_pass(plan)
    command = shlex.join([str(program), *_FLAGS])
    if host is None:
        return f"{command} -c {SOURCE_NAME} -o kernel.o"
    # Each half writes to a file of its own, so that messages do not mix; the host's errors come first, as in nvcc.
    return (
        f"{command} -cubin {SOURCE_NAME} -o kernel.cubin >device.txt 2>&1 & device=$!\n"
        f"{{ {host}; }} >host.txt 2>&1; host=$?\n"
        "wait $device; device=$?\n"
        "cat host.txt; [ $host -ne 0 ] || cat device.txt\n"
        "[ $host -eq 0 ] && [ $device -eq 0 ]"
    )


def _host_pass(plan: str) -> str | None:
    """The preprocessor's and the front end's command for the host's code, from what nvcc says that it would do."""
    lines = [line.removeprefix("#$ ") for line in plan.splitlines()]
    preprocess = next((line for line in lines if " -E " in line and "__CUDA_ARCH__=" not in line), None)
    front_end = next((line for line in lines if re.match(r'"?\S*cudafe\+\+"? ', line)), None)
    if preprocess is None or front_end is None:
        return None
    made = re.search(r'-o "([^"]+)"\s*$', preprocess.rstrip())
    if made is None or made.group(1) not in front_end:
        return None
    path = next((line.removeprefix("PATH=") for line in lines if line.startswith("PATH=")), "")
    script = f"PATH={shlex.quote(_front_end_folder(path))}:$PATH; {preprocess} && {front_end}"
    # Temporary names were chosen for the dry run: fixed ones in the scratch folder take their place.
    script = re.sub(r'"[^"]*tmpxft_[0-9a-f]+_[0-9a-f]+-', '"check-', script)
    return script.replace(str(Path.cwd() / SOURCE_NAME), SOURCE_NAME)


def _front_end_folder(path: str) -> str:
    folders = path.split(os.pathsep)
    return next((folder for folder in folders if (Path(folder) / "cudafe++").exists()), folders[0])


def _folders(program: Path, plan: str) -> tuple[Path, ...]:
    """What must be readable in a cell: the toolkit, and for the parts of one from PyPI its neighbours."""
    top = re.search(r"^#\$ (?:TOP|_HERE_)=(.+)$", plan, re.MULTILINE)
    root = Path(top.group(1)).resolve() if top else program.resolve().parent.parent
    root = root.parent if root.name == "bin" else root
    if root.parent.name == "nvidia":
        root = root.parent
    return (root, program.parent, *find_compiler().folders)
