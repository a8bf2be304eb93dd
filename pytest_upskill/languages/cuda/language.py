"""The language ``cuda``: see ``languages.base.Language``."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pytest_upskill.build import elf
from pytest_upskill.build.messages import SOURCE_NAME, unknown_name
from pytest_upskill.devices.base import Machine
from pytest_upskill.languages.base import SourceMutant
from pytest_upskill.languages.cuda import gpu_features, line_mapping, mutants
from pytest_upskill.languages.cuda.cpu_build import HostCompiler, native_hash
from pytest_upskill.languages.cuda.executor import CudaExecutor
from pytest_upskill.languages.cuda.gpu_build import CudaCompiler
from pytest_upskill.languages.cuda.nvcc_check import NvccCheck
from pytest_upskill.records import Build, CallLayout


class CudaLanguage:
    """CUDA C++. On the cpu device it is compiled for the host, and nvcc is asked beside it whether it takes it too."""

    name = "cuda"
    source_name = SOURCE_NAME
    devices = ("cpu", "cuda")
    compiles = True
    checks = ("runs", "correct", "memory", "deterministic", "inputs")

    def __init__(self) -> None:
        self._host, self._nvcc = HostCompiler(), NvccCheck()

    def identity(self) -> str:
        return native_hash()

    def build(self, sources: Mapping[str, str], entry: str, machine: Machine, *, checked: bool = True) -> Build:
        """On the cpu device seconds are those of the slower compiler. A kernel that it cannot run is not built:
        ``needs`` says what it would take.
        """
        source = sources[self.source_name]
        if machine.device == "cuda":
            return _gpu_compiler(machine.architectures).build(source, entry, confinement=machine.confinement)
        if need := gpu_features.needs_gpu(source):
            return Build(library=None, needs=gpu_features.message(need, self.source_name))
        if not checked:
            return self._host.build(source, entry, confinement=machine.confinement)
        with ThreadPoolExecutor(max_workers=1) as pool:
            checking = pool.submit(self._nvcc.check, source, entry, confinement=machine.confinement)
            build = self._host.build(source, entry, confinement=machine.confinement)
            check = checking.result()
        return build if check is None else _both(build, check)

    def execute(self, build: Build, layout: CallLayout, machine: Machine, timeout: float) -> CudaExecutor:
        assert build.library is not None
        return CudaExecutor(machine.sandbox(build.library, timeout, self.source_name))

    def mutants(self, source: str, count: int, seed: int) -> Sequence[SourceMutant]:
        return mutants.source_mutants(source, count, seed)

    def line_to_show(self, source: str, output: str | None) -> tuple[int, str] | None:
        return line_mapping.line_to_show(source, output)

    def same_code(self, original: Build, mutant: Build, *, in_body: bool) -> bool:
        if original.library is None or mutant.library is None:
            return False
        known = elf.fingerprint(original.library, variables=not in_body)
        return known is not None and known == elf.fingerprint(mutant.library, variables=not in_body)


@functools.cache
def _gpu_compiler(architectures: tuple[str, ...]) -> CudaCompiler:
    return CudaCompiler(architectures)


def _both(host: Build, check: Build) -> Build:
    """One build of two: it is good when both compilers take the kernel; the host's message comes first.

    A name that nvcc knows and the host's compiler does not is a gap of the cpu device, and no fault of the kernel.
    """
    compilers, seconds = (*host.compilers, *check.compilers), max(host.seconds, check.seconds)
    if host.ok and check.message:
        return replace(check, compilers=compilers, seconds=seconds)
    if not host.ok and not check.message and (unknown := unknown_name(host.message)):
        host = replace(host, needs=gpu_features.message(unknown, SOURCE_NAME))
    return replace(host, compilers=compilers, seconds=seconds, cached=host.cached and check.cached)
