"""The language ``cuda``. See ``languages.base``."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pytest_upskill.build import elf
from pytest_upskill.build.messages import SOURCE_NAME
from pytest_upskill.devices.base import Machine
from pytest_upskill.languages.base import Executor, SourceMutant
from pytest_upskill.languages.cuda import cuda_names, mutants
from pytest_upskill.languages.cuda.cpu_build import HostCompiler, native_hash
from pytest_upskill.languages.cuda.gpu_build import CudaCompiler, NvccCheck
from pytest_upskill.languages.cuda.gpu_features import LIBRARIES
from pytest_upskill.languages.cuda.tracing import CudaTracer
from pytest_upskill.languages.cuda.traps import mentions, trapped
from pytest_upskill.records import Answer, Build, Call, CallLayout, LaunchStatistics
from pytest_upskill.sandbox.client import Sandbox


class CudaLanguage:
    """CUDA C++. On the cpu device, the host's compiler builds a kernel; nvcc, if it is installed, checks that the
    kernel compiles.
    """

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
        """Build a kernel. On the cpu device, ``seconds`` is the time of the slower compiler."""
        source, confined = sources[self.source_name], machine.confinement
        if machine.device == "cuda":
            return _gpu_compiler(machine.architectures).build(source, entry, confinement=confined)
        if not checked:
            build = self._host.build(source, entry, confinement=confined, traced=False)
            return self._with_traps(source, entry, build, machine, traced=False, ask_nvcc=False)
        with ThreadPoolExecutor(max_workers=1) as pool:
            checking = pool.submit(self._nvcc.check, source, entry, confinement=confined)
            build = self._host.build(source, entry, confinement=confined)
            check = checking.result()
        if check is None or check.message == "":
            build = self._with_traps(source, entry, build, machine, traced=True, ask_nvcc=check is not None)
        return build if check is None else _both(build, check)

    def _with_traps(
        self, source: str, entry: str, build: Build, machine: Machine, *, traced: bool, ask_nvcc: bool
    ) -> Build:
        """Another build, with traps, if the source does not compile only because of names that the cpu device lacks
        (see ``traps``). Otherwise ``build``.

        These names are in our table or, with ``ask_nvcc``, found by nvcc in CUDA's headers.
        """
        confined = machine.confinement
        if build.ok or not any(one.unknown for one in mentions(build.message)):
            return build
        asked: dict[str, bool] = {}

        def exists(name: str) -> bool:
            if LIBRARIES.fullmatch(name) or cuda_names.is_name(name):
                return not LIBRARIES.fullmatch(name)
            last = name.rpartition("::")[2]
            if ask_nvcc and last not in asked:
                asked[last] = bool(self._nvcc.knows(source, [last], confinement=confined))
            return asked.get(last, False)

        compile_it = functools.partial(self._host.diagnose, source, entry, confinement=confined)
        found = trapped(source, compile_it(source), compile_it, exists, self.source_name)
        if found is None:
            return build
        again = self._host.build(source, entry, confinement=confined, traced=traced, trapped=found)
        return again if again.ok else build

    def execute(self, build: Build, layout: CallLayout, machine: Machine, timeout: float) -> CudaExecutor:
        assert build.library is not None
        sandbox, traced = machine.sandbox(build.library, timeout, self.source_name), build.traced
        trace = functools.partial(CudaTracer, traced, machine, timeout) if traced else None
        return CudaExecutor(sandbox, trace)

    def mutants(self, source: str, count: int, seed: int) -> Sequence[SourceMutant]:
        return mutants.source_mutants(source, count, seed)

    def line_to_show(self, source: str, output: str | None) -> tuple[int, str] | None:
        return line_to_show(source, output)

    def same_code(self, original: Build, mutant: Build, *, in_body: bool) -> bool:
        libraries = [build.library for build in (original, mutant) if build.library is not None]
        known = [elf.fingerprint(library, variables=not in_body) for library in libraries]
        return len(known) == 2 and known[0] is not None and known[0] == known[1]


class CudaExecutor(Executor):
    """A built kernel. It owns the sandbox."""

    def __init__(self, sandbox: Sandbox, trace: Callable[[], CudaTracer] | None = None) -> None:
        self._sandbox, self._trace = sandbox, trace

    def tracer(self) -> CudaTracer | None:
        return self._trace and self._trace()

    @property
    def launch_statistics(self) -> LaunchStatistics:
        return self._sandbox.launch_statistics

    def call(self, call: Call) -> Answer:
        return self._sandbox.call(call)

    def repeat(self, call: Call, time: int) -> Answer:
        return self._sandbox.repeat(call, time)

    def violations(self) -> Sequence[str]:
        """Messages about calls without launches. They are evidence, not proof, because a kernel could tamper with its
        process. Its results are judged in any case.
        """
        return without_launches(self._sandbox.launch_statistics)

    def __exit__(self, *exception: object) -> None:
        self._sandbox.close()


def without_launches(seen: LaunchStatistics) -> list[str]:
    """A message for each sign that results were not computed in kernels."""
    found = []
    if seen.calls and not seen.launches:
        what = f"no kernel was launched in {seen.calls} calls that had something to compute"
        found.append(f"{what}: define a __global__ function and launch it on the stream")
    if seen.copied_back:
        what = f"the launcher copied {seen.copied_back} bytes of device memory to the host in one call"
        found.append(f"{what}; results are computed on the device, without synchronising: leave them there")
    return found


_gpu_compiler = functools.cache(CudaCompiler)


def _both(host: Build, check: Build) -> Build:
    """Combine two builds. The result succeeds if both compilers accept the kernel; the host's message comes first."""
    compilers, seconds = (*host.compilers, *check.compilers), max(host.seconds, check.seconds)
    if host.ok and check.message:
        return replace(check, compilers=compilers, seconds=seconds)
    return replace(host, compilers=compilers, seconds=seconds, cached=host.cached and check.cached)


_KERNEL = re.compile(r"__global__\b")
_PARAMETERS = re.compile(
    r"__global__[^(;{]{0,300}?(?:__launch_bounds__\s{0,20}\([^)]{0,300}\)[^(;{]{0,300}?)?\b(\w+)\s{0,20}\(([^)]{0,4000})\)"
)


def line_to_show(source: str, output: str | None) -> tuple[int, str] | None:
    """The line where a kernel writes ``output``. If there is none, the line where it writes another result, or the
    first kernel's head.
    """
    if (start := _KERNEL.search(source)) is None:
        return None
    for name in _written_names(source, output):
        pattern = re.compile(
            rf"(?<![\w.]){re.escape(name)}\s{{0,20}}\[.{{0,300}}?\]\s{{0,20}}(?:[-+*/|&^]|<<|>>)?=(?!=)"
        )
        if found := pattern.search(source, start.start()):
            return _line_of(source, found.start()), f"where {name} is written"
    return _line_of(source, start.start()), "the kernel"


def _written_names(source: str, output: str | None) -> list[str]:
    """The name ``output`` (if given), then the names of the kernels' pointers to non-const, in order."""
    names = [output] if output else []
    for found in _PARAMETERS.finditer(source):
        for parameter in found[2].split(","):
            name = re.search(r"(\w+)\s*$", parameter)
            if name and "*" in parameter and "const" not in parameter.split("*")[0]:
                names.append(name[1])
    return list(dict.fromkeys(names))


def _line_of(source: str, offset: int) -> int:
    return source.count("\n", 0, offset) + 1
