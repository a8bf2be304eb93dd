"""A kernel, its build, the calls of it, and what came back. Sizes are in elements or bytes as named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pytest_upskill.records.dtypes import ITEM_SIZE


@dataclass(frozen=True, slots=True)
class Kernel:
    """The source that a reply holds, exactly as written; ``line`` is where it starts in the reply (1-based)."""

    source: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class KernelResources:
    """What one ``__global__`` function takes up on one architecture of GPUs: registers of a thread, the rest in bytes.

    ``stack``, ``spill_stores`` and ``spill_loads`` are of a thread, ``shared`` is the static shared memory of a block.
    """

    name: str
    architecture: str
    registers: int
    stack: int = 0
    spill_stores: int = 0
    spill_loads: int = 0
    shared: int = 0


@dataclass(frozen=True, slots=True)
class Build:
    """A compiled kernel, or the compiler's word on why there is none (``library`` is None then)."""

    library: Path | None
    message: str = ""
    compilers: tuple[str, ...] = ()
    seconds: float = 0.0
    cached: bool = False
    kernels: tuple[KernelResources, ...] = ()
    """Known of builds for a GPU alone."""
    violations: tuple[str, ...] = ()
    """What the built object calls or defines that the contract forbids; it runs all the same."""
    needs: str = ""
    """Why it was not even tried: what the kernel needs that the device does not have, with the line."""

    @property
    def ok(self) -> bool:
        return self.library is not None


Role = Literal["input", "output", "inplace"]


@dataclass(frozen=True, slots=True)
class TensorArgument:
    """A contiguous tensor for a call. ``data`` is its bytes (any buffer), None for an output."""

    name: str
    role: Role
    dtype: str
    shape: tuple[int, ...]
    data: Any = None

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def nbytes(self) -> int:
        return self.elements * ITEM_SIZE[self.dtype]


@dataclass(frozen=True, slots=True)
class ScalarArgument:
    """A scalar or a dim for a call; ``kind`` is ``float`` (float32), ``int`` (int64) or ``bool``."""

    name: str
    kind: Literal["float", "int", "bool"]
    value: float | int | bool


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a kernel: which instantiation (index into the signature's dtypes), and the arguments in order."""

    instantiation: int
    arguments: tuple[TensorArgument | ScalarArgument, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the device or the driver saw, whatever the values: it fails ``assertion``.

    ``line`` is the line of the student's kernel (1-based), where it is known.
    """

    assertion: Literal["runs", "memory", "inputs", "deterministic"]
    kind: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one call. Any finding for ``runs`` means that ``outputs`` cannot be trusted, or are absent.

    ``outputs`` maps the name of each output and in-place tensor to its bytes.
    """

    outputs: Mapping[str, bytes | bytearray | memoryview]
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    device_memory: int = 0
    """The most device memory (bytes) that was seen in use during the call, tensors included; 0 where it is unknown."""
    launches: int = 0
    """Kernels that the launcher launched, as far as the device saw."""
    copied_back: int = 0
    """Bytes of device memory that the launcher copied to the host."""
    reached: bool = True
    """False where the device could not even be made ready for the call, so that the kernel had no part in it."""

    @property
    def ran(self) -> bool:
        return not any(finding.assertion == "runs" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class LaunchStatistics:
    """What a launcher was seen to do, over all calls of a cell.

    ``calls`` are those that ended in order and had something to compute (an element to write, and one to read unless
    nothing is ever read); of these are ``launches``. ``copied_back`` is the most (bytes) that one call copied to the
    host, ``device_memory`` the most (bytes) in use.
    """

    calls: int = 0
    launches: int = 0
    copied_back: int = 0
    device_memory: int = field(default=0, compare=False)

    def with_call(self, call: Call, answer: Answer) -> LaunchStatistics:
        """The same with one more call."""
        tensors = [one for one in call.arguments if isinstance(one, TensorArgument)]
        written = [one for one in tensors if one.role != "input"]
        read = [one for one in tensors if one.role != "output"]
        # The sum of no elements takes a memset, and no kernel.
        counts = answer.ran and all(any(tensor.elements for tensor in some) for some in (written, read) if some)
        return LaunchStatistics(
            calls=self.calls + counts,
            launches=self.launches + (answer.launches if counts else 0),
            copied_back=max(self.copied_back, answer.copied_back),
            device_memory=max(self.device_memory, answer.device_memory),
        )
