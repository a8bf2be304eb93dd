"""Checks with nvcc, if there is one, that a kernel compiles for a GPU. Its output never runs.

The host's compiler accepts kernels that nvcc rejects (a helper without ``__device__``, a host function called in a
kernel), so nvcc compiles the unchanged source.
"""

from __future__ import annotations

import time

from pytest_upskill.build.cache import Cache, Facts, Made, key_of
from pytest_upskill.build.compilation import DEFAULT_LIMITS, CompileLimits, compile_confined
from pytest_upskill.build.messages import ENTRY_NAME, SOURCE_NAME
from pytest_upskill.build.nvcc import Nvcc, find_nvcc
from pytest_upskill.build.toolchain import find_compiler
from pytest_upskill.records import Build
from pytest_upskill.sandbox.confinement import Confinement


class NvccCheck:
    """Checks kernels. Thread-safe; finds nvcc on first use."""

    def __init__(self, cache: Cache | None = None, limits: CompileLimits = DEFAULT_LIMITS) -> None:
        self._cache = cache or Cache()
        self._limits = limits

    def check(self, source: str, entry: str, *, confinement: Confinement) -> Build | None:
        """A build without a library, whose message is empty if the kernel compiles. None if there is no nvcc.

        Raises ToolchainError or SandboxError for problems of the machine.
        """
        nvcc = find_nvcc()
        if nvcc is None:
            return None
        began = time.monotonic()
        key = key_of("nvcc", source, entry, nvcc.key(nvcc.script), confinement.level)
        made = self._cache.get(key, lambda _: self._make(source, entry, nvcc, confinement))
        return Build(
            library=None,
            message=made.facts.message,
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
        return Made(Facts(compiled.ok, compiled.message), keep=compiled.lasting)
