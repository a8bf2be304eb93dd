"""The adapter of PyTorch extensions: see ``languages.base``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_upskill.devices.base import Machine
from pytest_upskill.languages.base import Executor, SourceMutant
from pytest_upskill.languages.torch_extension import SOURCE_NAME
from pytest_upskill.records import Build, CallLayout


class TorchExtensionLanguage:
    """Projects of C++ for the backend cpu. Others are read and not run."""

    name = "torch-extension"
    source_name = SOURCE_NAME
    devices = ("cpu",)
    compiles = True
    checks = ("runs", "correct", "deterministic", "inputs")

    def identity(self) -> str:
        return "torch-extension"

    def build(self, sources: Mapping[str, str], entry: str, machine: Machine, *, checked: bool = True) -> Build:
        return Build(None, needs="projects of kernel-builder are read, and not built yet")

    def execute(self, build: Build, layout: CallLayout, machine: Machine, timeout: float) -> Executor:
        raise NotImplementedError

    def mutants(self, source: str, count: int, seed: int) -> Sequence[SourceMutant]:
        return ()

    def line_to_show(self, source: str, output: str | None) -> tuple[int, str] | None:
        return None

    def same_code(self, original: Build, mutant: Build, *, in_body: bool) -> bool:
        return False
