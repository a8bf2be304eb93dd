"""A kernel, its parameters, its build, its calls and their answers. Names say if sizes are in elements or bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

ITEM_SIZE: Mapping[str, int] = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "uint8": 1, "int16": 2, "int32": 4, "int64": 8,
    "bool": 1,
}  # fmt: skip
"""The number of bytes of one element, by PyTorch's name of the dtype without the prefix ``torch.``."""

FLOATING = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Kernel:
    """The source in a reply, unchanged. ``line`` (1-based) is the line of the reply at which the source starts."""

    source: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class KernelResources:
    """The resources of one ``__global__`` function on one GPU architecture.

    ``registers`` is a number of registers per thread. All other resources are in bytes: ``stack``, ``spill_stores`` and
    ``spill_loads`` per thread, and ``shared``, the static shared memory, per block.
    """

    name: str
    architecture: str
    registers: int
    stack: int = 0
    spill_stores: int = 0
    spill_loads: int = 0
    shared: int = 0


@dataclass(frozen=True, slots=True)
class Assertion:
    """One named check of an item. ``message`` says why the check failed. If it passed, ``message`` may hold a note."""

    name: str
    passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """A compiled kernel. If it could not be compiled, ``library`` is None and there is the compiler's message."""

    library: Path | None
    message: str = ""
    compilers: tuple[str, ...] = ()
    seconds: float = 0.0
    cached: bool = False
    kernels: tuple[KernelResources, ...] = ()
    """The resources of the kernels on the GPU. Empty if the build is for the CPU."""
    violations: tuple[str, ...] = ()
    """Forbidden symbols that the object file calls or defines. The kernel is run nevertheless."""
    traced: Path | None = None
    """The library of the same kernel with coverage, if the language supports this. The file ``places.txt`` in the same
    folder lists its blocks."""
    needs: str = ""
    """What the kernel needs and the device does not have, with the line. Nothing was built then. Empty otherwise."""
    assertions: tuple[Assertion, ...] = ()
    """The language's own assertions on the library, in order. If one of them fails, the library is not called."""

    @property
    def ok(self) -> bool:
        return self.library is not None


Role = Literal["input", "output", "inplace"]
ScalarKind = Literal["float", "int", "bool"]
"""The names of float32, int64 and bool in operator schemas."""


@dataclass(frozen=True, slots=True)
class TensorArgument:
    """A contiguous tensor of a call. ``data`` is a buffer with its bytes, or None for an output."""

    name: str
    role: Role
    dtype: str
    shape: tuple[int, ...]
    data: Any = None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.elements * ITEM_SIZE[self.dtype]


@dataclass(frozen=True, slots=True)
class ScalarArgument:
    """A scalar or a dim of a call."""

    name: str
    kind: ScalarKind
    value: float | int | bool


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a kernel. ``instantiation`` is an index into the signature's dtypes."""

    instantiation: int
    arguments: tuple[TensorArgument | ScalarArgument, ...]


NEEDS_GPU = "needs-gpu"
"""The kind of a finding that names what the device cannot execute. Nothing else is known about a call with it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect that the device or the driver detected in a call. It fails ``assertion``, whatever the results are.

    ``line`` is the line of the student's kernel (1-based), if known.
    """

    assertion: Literal["runs", "memory", "inputs", "deterministic"]
    kind: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What a traced build executed in a call.

    ``executed`` has places in the library (hexadecimal offsets). ``compared`` has, for each comparison of integers, one
    pair of operands for each relation (less, equal, greater) that occurred.
    """

    executed: frozenset[str] = frozenset()
    compared: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one call.

    ``outputs`` maps the name of each output and in-place tensor to its bytes. If there is a finding for the assertion
    ``runs``, ``outputs`` are wrong or absent.
    """

    outputs: Mapping[str, bytes | bytearray | memoryview]
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    device_memory: int = 0
    """The largest amount of device memory (bytes) in use during the call, including tensors. 0 if it is unknown."""
    launches: int = 0
    """The number of kernel launches that the device detected."""
    copied_back: int = 0
    """The number of bytes that the launcher copied from the device to the host."""
    reached: bool = True
    """Whether the kernel was called. False if preparing the device failed before."""
    trace: Trace = Trace()
    """What a traced build executed. It comes from the kernel's process, so it can be false."""
    notes: tuple[Finding, ...] = ()
    """What the device noticed in all calls of the process so far, and no assertion forbids."""

    @property
    def ran(self) -> bool:
        return not any(finding.assertion == "runs" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class LaunchStatistics:
    """The launches and copies of a launcher, over all calls.

    ``calls`` is the number of calls that succeeded and had something to compute (an element to write, and an element to
    read unless there are no inputs). ``launches`` is the number of kernel launches in these calls. ``copied_back`` is
    the largest number of bytes that one call copied to the host. ``device_memory`` is the largest number of bytes in
    use.
    """

    calls: int = 0
    launches: int = 0
    copied_back: int = 0
    device_memory: int = field(default=0, compare=False)

    def with_call(self, call: Call, answer: Answer) -> LaunchStatistics:
        """The statistics with one more call."""
        tensors = [one for one in call.arguments if isinstance(one, TensorArgument)]
        written = [one for one in tensors if one.role != "input"]
        read = [one for one in tensors if one.role != "output"]
        # A sum of no elements needs only a memset, not a kernel.
        counts = answer.ran and all(any(tensor.elements for tensor in some) for some in (written, read) if some)
        return LaunchStatistics(
            calls=self.calls + counts,
            launches=self.launches + (answer.launches if counts else 0),
            copied_back=max(self.copied_back, answer.copied_back),
            device_memory=max(self.device_memory, answer.device_memory),
        )


@dataclass(frozen=True, slots=True)
class TensorParameter:
    """A tensor parameter of a function. ``dtype`` is None if the tensor has the dtype that is tried.

    ``shape`` has the sizes of an output in terms of the dims. It is None if only the task states the sizes.
    """

    name: str
    role: Role
    dtype: str | None = None
    shape: tuple[str, ...] | None = None

    def dtype_in(self, tried: str) -> str:
        """The tensor's dtype in a call with which the dtype ``tried`` is tried."""
        return self.dtype or tried


@dataclass(frozen=True, slots=True)
class ScalarParameter:
    """A scalar parameter of a function, which is an argument of the operator or a dim."""

    name: str
    kind: ScalarKind
    dim: bool = False


@dataclass(frozen=True, slots=True)
class CallLayout:
    """The parameters of a function in order, and the dtypes with which the function is tried."""

    dtypes: tuple[str, ...]
    parameters: tuple[TensorParameter | ScalarParameter, ...]

    @property
    def tensors(self) -> tuple[TensorParameter, ...]:
        return tuple(one for one in self.parameters if isinstance(one, TensorParameter))


@dataclass(frozen=True, slots=True)
class ResultFacts:
    """Facts about an operator's results, from runs of the reference.

    ``dtypes`` maps each result to its dtype, or to None if the result has the dtype that is tried. ``shapes`` maps
    results to their sizes in terms of the dims. Results whose sizes cannot be stated in this way are absent.
    """

    dtypes: dict[str, str | None]
    shapes: dict[str, tuple[str, ...]]
