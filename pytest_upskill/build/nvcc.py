"""Finds nvcc and its toolkit, and makes the script that checks that a kernel compiles for a GPU (sm_90a).

The script compiles device code to machine code, and at the same time runs nvcc's front end on the host code, whose
output is not needed.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.build.messages import SOURCE_NAME
from pytest_upskill.build.toolchain import find_compiler
from pytest_upskill.errors import InfrastructureError, ToolchainError
from pytest_upskill.records import KernelResources
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import ENVIRONMENT

ARCHITECTURE = "sm_90a"  # "a": with features that only this architecture has, such as wgmma

LANGUAGE_FLAGS = ("-std=c++17", "--expt-relaxed-constexpr", "--extended-lambda")
"""Options that every unit needs: for ``std::min`` in a kernel, and for lambdas with ``__device__``. On the cpu device,
our headers allow both.
"""

_FLAGS = (*LANGUAGE_FLAGS, f"-arch={ARCHITECTURE}")
_PROBE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Nvcc:
    """An nvcc that works: its program, its version, and the script that checks ``kernel.cu`` in the working directory.

    ``identity`` differs between toolkits that have other compilers or headers. It does not depend on where they are
    installed.
    """

    program: Path
    version: str
    script: str
    folders: tuple[Path, ...]
    identity: str

    def key(self, script: str) -> str:
        """A script as a part of a cache key. The toolkit's folder has a fixed name in it, so that the key does not
        depend on where the toolkit is installed.
        """
        return f"{self.identity}\n{script.replace(str(self.folders[0]), 'CUDA')}"

    def describe(self) -> str:
        """The version, such as "nvcc 13.0"."""
        return f"nvcc {self.version}"


def describe() -> str:
    """The nvcc in use with its version, such as "nvcc 13.0", or a note that there is none."""
    if nvcc := find_nvcc():
        return nvcc.describe()
    advice = "UPSKILL_NVCC is none" if _is_left_out() else "pip install nvidia-cuda-nvcc"
    return f"none (kernels are not checked for GPUs; {advice})"


def find_nvcc() -> Nvcc | None:
    """The first nvcc that works: in CUDA_HOME, on the PATH, in /usr/local/cuda, or from PyPI's nvidia-cuda-nvcc.

    None with UPSKILL_NVCC=none, which saves time, because a build with nvcc takes three times as long.
    """
    return None if _is_left_out() else first_nvcc()


def _is_left_out() -> bool:
    return os.environ.get("UPSKILL_NVCC") == "none"


@functools.cache
def first_nvcc() -> Nvcc | None:
    """The nvcc of this machine."""
    for program in _candidates():
        try:
            return _probe(program)
        except InfrastructureError:
            continue
    return None


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH"):
        yield Path(home) / "bin" / "nvcc"
    if found := shutil.which("nvcc"):
        yield Path(found)
    yield Path("/usr/local/cuda/bin/nvcc")
    for folder in sys.path:
        yield from sorted(Path(folder or ".").glob("nvidia/*/bin/nvcc"))


def _probe(program: Path) -> Nvcc:
    if not os.access(program, os.X_OK):
        raise ToolchainError(f"{program} is not executable")
    said = _run([str(program), "--version"])
    if (version := re.search(r"release (\d+\.\d+)", said)) is None:
        raise ToolchainError(f"{program} --version prints no version")
    plan = _run([str(program), *_FLAGS, "--dryrun", "-cuda", SOURCE_NAME, "-o", "kernel.ii"])
    folders = _folders(program, plan)
    return Nvcc(program, version[1], _script(program, plan), folders, f"{said}{_headers(folders[0])}")


def _headers(root: Path) -> str:
    """Names and sizes of the toolkit's own headers. They are part of the identity because PyPI's packages may contain
    other versions of them.
    """
    places = ("include", "*/include", "targets/*/include")
    headers = (file for place in places for file in root.glob(f"{place}/*.h*"))
    return " ".join(sorted(f"{file.name}:{file.stat().st_size}" for file in headers))


def _run(argv: list[str]) -> str:
    environment = {**ENVIRONMENT, "PATH": os.environ.get("PATH", ENVIRONMENT["PATH"])}
    ran = process.run(argv, environment=environment, seconds=_PROBE_SECONDS)
    if ran.status != 0:
        raise ToolchainError(f"{argv[0]} does not work: {ran.output[:200]}")
    return ran.output


def _script(program: Path, plan: str) -> str:
    """The shell script that checks a kernel. It compiles device and host code at the same time; if the dry run does not
    have the known form, it calls nvcc once, which is slower.
    """
    host = _host_pass(plan)
    command = shlex.join([str(program), *_FLAGS])
    if host is None:
        return f"{command} -c {SOURCE_NAME} -o kernel.o"
    # Each part writes to its own file, so that messages do not mix; the host's errors come first, as in nvcc.
    return (
        f"{command} -cubin {SOURCE_NAME} -o kernel.cubin >device.txt 2>&1 & device=$!\n"
        f"{{ {host}; }} >host.txt 2>&1; host=$?\n"
        "wait $device; device=$?\n"
        "cat host.txt; [ $host -ne 0 ] || cat device.txt\n"
        "[ $host -eq 0 ] && [ $device -eq 0 ]"
    )


def _host_pass(plan: str) -> str | None:
    """The commands of the preprocessor and the front end for host code, from nvcc's dry run."""
    lines = [line.removeprefix("#$ ") for line in plan.splitlines()]
    preprocess = next((line for line in lines if " -E " in line and "__CUDA_ARCH__=" not in line), None)
    front_end = next((line for line in lines if re.match(r'"?\S*cudafe\+\+"? ', line)), None)
    if preprocess is None or front_end is None:
        return None
    made = re.search(r'-o "([^"]+)"\s*$', preprocess.rstrip())
    if made is None or made.group(1) not in front_end:
        return None
    path = next((line.removeprefix("PATH=") for line in lines if line.startswith("PATH=")), "")
    folders = path.split(os.pathsep)
    folder = next((folder for folder in folders if (Path(folder) / "cudafe++").exists()), folders[0])
    script = f"PATH={shlex.quote(folder)}:$PATH; {preprocess} && {front_end}"
    # The dry run has random temporary names, which are replaced by fixed ones in the scratch folder.
    script = re.sub(r'"[^"]*tmpxft_[0-9a-f]+_[0-9a-f]+-', '"check-', script)
    return script.replace(str(Path.cwd() / SOURCE_NAME), SOURCE_NAME)


def _folders(program: Path, plan: str) -> tuple[Path, ...]:
    """The folders that must be readable in the sandbox: the toolkit (from PyPI, the folder of all its packages) and
    g++.
    """
    top = re.search(r"^#\$ (?:TOP|_HERE_)=(.+)$", plan, re.MULTILINE)
    root = Path(top.group(1)).resolve() if top else program.resolve().parent.parent
    root = root.parent if root.name == "bin" else root
    if root.parent.name == "nvidia":
        root = root.parent
    return (root, program.parent, *find_compiler().folders)


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
    if (nvcc := find_nvcc()) is None:
        raise ToolchainError(f"no nvcc was found; {_ADVICE}")
    root = nvcc.folders[0]
    ran = process.run(
        [str(nvcc.program), "--list-gpu-code"],
        environment={**ENVIRONMENT, "PATH": f"{nvcc.program.parent}:{ENVIRONMENT['PATH']}"},
        seconds=_PROBE_SECONDS,
    )
    known = tuple(sorted(set(re.findall(r"sm_\w+", ran.output)), key=lambda name: int(re.sub(r"\D", "", name))))
    if ran.status != 0 or not known:
        raise ToolchainError(f"{nvcc.program} --list-gpu-code does not work: {ran.output[:200]}; {_ADVICE}")
    include = _folder_of(root, "cuda_runtime.h", ("include", "targets/x86_64-linux/include", "*/include"))
    libraries = _folder_of(root, "libcudart_static.a", ("lib64", "targets/x86_64-linux/lib", "lib", "*/lib"))
    return Toolkit(nvcc, include, libraries, known)


def check_architecture(architecture: str, toolkit: Toolkit) -> None:
    """Raise ToolchainError for an architecture that nvcc does not compile for."""
    # "sm_90a" is a variant of "sm_90", which nvcc does not list.
    if architecture.rstrip("af") not in toolkit.architectures:
        raise ToolchainError(
            f"{toolkit.nvcc.describe()} does not know the architecture {architecture}; it compiles for "
            f"{', '.join(toolkit.architectures)}; install a newer toolkit, or name one of these with --upskill-arch"
        )


def _folder_of(root: Path, name: str, places: Sequence[str]) -> Path:
    for place in places:
        for folder in sorted(root.glob(place)):
            if (folder / name).is_file():
                return folder.resolve()
    raise ToolchainError(f"{name} is missing below {root}; {_ADVICE}")


def describe_toolkit(architectures: Sequence[str]) -> str:
    """The compiler and its targets, such as "nvcc 13.0 for sm_90", or why there is none."""
    try:
        return f"{find_toolkit().nvcc.describe()} for {', '.join(architectures)}"
    except ToolchainError as error:
        return f"none ({error})"


MOST_KERNELS = 64
"""The most kernels of one build that are reported. A template can have any number of instantiations."""

_NAME_LENGTH = 120
_ENTRY = re.compile(r"Compiling entry function '(?P<name>.+)' for '(?P<architecture>sm_\w+)'")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


def kernel_resources(output: str) -> tuple[KernelResources, ...]:
    """The resources of each kernel and architecture, in the order of ``ptxas -v``, whose names may be demangled."""
    found: list[KernelResources] = []
    entry: re.Match[str] | None = None
    frame = (0, 0, 0)
    for line in output.splitlines():
        if started := _ENTRY.search(line):
            entry, frame = started, (0, 0, 0)
        elif entry and (counted := _FRAME.search(line)):
            frame = (int(counted[1]), int(counted[2]), int(counted[3]))
        elif entry and (used := _USED.search(line)):
            shared = _SHARED.search(line)
            name = short_name(entry["name"])[:_NAME_LENGTH]
            shared_bytes = int(shared[1]) if shared else 0
            found.append(KernelResources(name, entry["architecture"], int(used[1]), *frame, shared_bytes))
            entry = None
    return tuple(found[:MOST_KERNELS])


def short_name(demangled: str) -> str:
    """Shorten a demangled name: ``void softmax_kernel<float>(float*, long)`` -> ``softmax_kernel<float>``."""
    depth = 0
    for index, character in enumerate(demangled):
        depth += (character == "<") - (character == ">")
        if character == "(" and depth == 0 and not demangled.startswith("(anonymous", index):
            demangled = demangled[:index]
            break
    return demangled.removeprefix("void ").strip()
