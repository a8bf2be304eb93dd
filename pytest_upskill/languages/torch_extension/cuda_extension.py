"""A build for the backend cuda in a worker: its operator is called with CUDA tensors in the memory of the cpu device.

Imports torch, the standard library, and ``extension_kernel`` beside it.
"""

import ctypes
import sys
from pathlib import Path
from typing import Any

import extension_kernel  # type: ignore[import-not-found]
import torch

_RUNTIME, _DEVICE = "libupskill_cpu.so", "libupskill_torch_cuda.so"
CUDA_VERSION = "13.0"
"""The version that the cpu device claims."""


def prepare() -> None:
    """Load the cpu device and its CUDA tensors from folders of ``sys.path``, if they are there."""
    places = [(name, Path(folder) / name) for folder in sys.path for name in (_RUNTIME, _DEVICE)]
    found = {name: str(path) for name, path in places if path.is_file()}
    if _DEVICE not in found:
        return
    ctypes.CDLL(found[_RUNTIME])
    torch.ops.load_library(found[_DEVICE])  # type: ignore[no-untyped-call]
    torch.version.cuda = CUDA_VERSION  # kernels looks for builds for this version
    torch.cuda._initialized = True  # or torch would look for a driver


class CudaExtension(extension_kernel.Extension):  # type: ignore[misc]
    """See ``extension_kernel.Extension``. Each answer has the device's reports as a text, ``reports``."""

    key = "CUDA"
    harness = ("upskill_cuda::begin", "upskill_cuda::end")

    def call(self, request: "dict[str, object]", memory: object) -> "dict[str, object]":
        """One call. Raises what the operator raises, but not before the reports are kept."""
        self.order: list[int] = request.get("order") or [0, 1]  # type: ignore[assignment]
        self.seconds = float(request.get("seconds") or 0.0)  # type: ignore[arg-type]
        self.other_stream = request.get("mode") == "stream"
        self.reports, self.written = "", True
        try:
            answer = super().call(request, memory)
        except BaseException as error:
            error.facts = {"reports": self.reports}  # type: ignore[attr-defined]
            raise
        finally:
            torch.ops.upskill_cuda.forget()
        return {**answer, "reports": self.reports, "written": self.written}

    def placed(self, given: "list[Any]", roles: "list[tuple[str, bool]]", mode: str) -> "list[Any]":
        """The arguments on a device; in the mode ``guard`` on the second device, which is not the current one."""
        place, device = torch.ops.upskill_cuda.place, 1 if mode == "guard" else 0
        placed = [
            place(one, name, device, writable) if isinstance(one, torch.Tensor) else one
            for one, (name, writable) in zip(given, roles, strict=True)
        ]
        self.targets = [one for one, (_, writable) in zip(placed, roles, strict=True) if writable]
        return placed

    def entered(self, operator: Any, given: "list[Any]") -> Any:
        """A call of the operator, which is watched by the device."""
        devices = [one.device.index for one in given if isinstance(one, torch.Tensor) and one.is_cuda]
        torch.ops.upskill_cuda.begin(
            self.code, devices[0] if devices else 0, *self.order, self.seconds, self.other_stream
        )
        try:
            return super().entered(operator, given)
        finally:
            self.reports += torch.ops.upskill_cuda.end()

    def elsewhere(self, tensor: "torch.Tensor") -> "torch.Tensor":
        """The tensor in the memory of the host, where a kernel cannot read it."""
        return tensor.cpu()

    def store(self, result: object, outputs: "dict[str, torch.Tensor]", given: "list[object]") -> str:
        """Copy the results into the shared memory; returns what is wrong with them, or an empty text."""
        device = next((one.device for one in given if isinstance(one, torch.Tensor)), None)
        found = list(result) if isinstance(result, tuple | list) else [result]
        for one in found if outputs else ():
            if type(one) is torch.Tensor and one.device != device:
                return f"returned a tensor on device '{one.device}', where one on '{device}' was asked for"
        dense = [one for one in (*found, *self.targets) if type(one) is torch.Tensor and one.layout is torch.strided]
        filled = [one for one in dense if one.is_cuda and one.numel() > 0]
        self.written = not filled or any(map(torch.ops.upskill_cuda.written, filled))
        if outputs:
            found = [one.cpu() if type(one) is torch.Tensor and one.layout is torch.strided else one for one in found]
            result = found if isinstance(result, tuple | list) else found[0]
        return str(super().store(result, outputs, given))

    def loaded(self, *, inspect: bool = False) -> Any:
        """See ``extension_kernel.Extension.loaded``."""
        if self.operator is None:
            super().loaded(inspect=inspect)
            self.code = self.code_address()
        return self.operator

    def code_address(self) -> int:
        """An address in the build's library."""
        file = sys.modules[f"{self.package}.{self.extension}"].__file__
        entry = getattr(ctypes.CDLL(file), f"PyInit_{self.extension}")
        return ctypes.cast(entry, ctypes.c_void_p).value or 0
