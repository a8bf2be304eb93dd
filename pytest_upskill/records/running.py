"""A kernel, its parameters, its build, its calls and their answers. Sizes are in elements or bytes as named."""

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
"""Bytes of one element, by PyTorch's name of the dtype without its prefix."""

FLOATING = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Kernel:
    """The source in a reply, unchanged; ``line`` is where it starts in the reply (1-based)."""

    source: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class KernelResources:
    """The resources of one ``__global__`` function on one GPU architecture: registers per thread, the rest in bytes.

    ``stack``, ``spill_stores`` and ``spill_loads`` are per thread, ``shared`` is the static shared memory per block.
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
    """One named check of an item. ``message`` says why it failed; if it passed, it may hold a note."""

    name: str
    passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """A compiled kernel, or the compiler's message if there is none (``library`` is None)."""

    library: Path | None
    message: str = ""
    compilers: tuple[str, ...] = ()
    seconds: float = 0.0
    cached: bool = False
    kernels: tuple[KernelResources, ...] = ()
    """Empty for builds for the CPU."""
    violations: tuple[str, ...] = ()
    """Forbidden symbols that the object calls or defines; the kernel runs nevertheless."""
    traced: Path | None = None
    """The same kernel with coverage, if the language has such builds; ``places.txt`` beside it lists its blocks."""
    needs: str = ""
    """Why nothing was built: what the kernel needs and the device does not have, with the line."""
    assertions: tuple[Assertion, ...] = ()
    """The language's own assertions on the library, in order; after one that failed it is not called."""

    @property
    def ok(self) -> bool:
        return self.library is not None


Role = Literal["input", "output", "inplace"]
ScalarKind = Literal["float", "int", "bool"]
"""float32, int64 and bool, as operator schemas call them."""


@dataclass(frozen=True, slots=True)
class TensorArgument:
    """A contiguous tensor of a call. ``data`` is its bytes (any buffer), None for an output."""

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
"""The kind of a finding that names what the device cannot execute: nothing else is known of such a call."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect that the device or the driver detected in a call: it fails ``assertion``, whatever the results.

    ``line`` is the line of the student's kernel (1-based), if known.
    """

    assertion: Literal["runs", "memory", "inputs", "deterministic"]
    kind: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What a traced build executed in a call: places in the library (hexadecimal offsets), and for comparisons of
    integers the pairs of operands, one for each relation (less, equal, greater) that was met.
    """

    executed: frozenset[str] = frozenset()
    compared: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one call. After a finding for ``runs``, ``outputs`` are wrong or absent.

    ``outputs`` maps the name of each output and in-place tensor to its bytes.
    """

    outputs: Mapping[str, bytes | bytearray | memoryview]
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    device_memory: int = 0
    """The most device memory (bytes) in use during the call, tensors included; 0 if unknown."""
    launches: int = 0
    """Kernel launches that the device detected."""
    copied_back: int = 0
    """Bytes that the launcher copied from the device to the host."""
    reached: bool = True
    """False if preparing the device failed, before the kernel was called."""
    trace: Trace = Trace()
    """Of a traced build; from the kernel's process, which may say anything."""
    notes: tuple[Finding, ...] = ()
    """What the device noticed and no assertion forbids, of all calls so far of the process."""

    @property
    def ran(self) -> bool:
        return not any(finding.assertion == "runs" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class LaunchStatistics:
    """The launches and copies of a launcher, over all calls.

    ``calls`` counts those that succeeded and had something to compute (an element to write, and one to read unless
    there are no inputs); ``launches`` are theirs. ``copied_back`` is the most (bytes) that one call copied to the host,
    ``device_memory`` the most (bytes) in use.
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
        # The sum of no elements needs a memset, and no kernel.
        counts = answer.ran and all(any(tensor.elements for tensor in some) for some in (written, read) if some)
        return LaunchStatistics(
            calls=self.calls + counts,
            launches=self.launches + (answer.launches if counts else 0),
            copied_back=max(self.copied_back, answer.copied_back),
            device_memory=max(self.device_memory, answer.device_memory),
        )


@dataclass(frozen=True, slots=True)
class TensorParameter:
    """A tensor of every call. ``dtype`` is None if it follows the dtype that is tried.

    ``shape``: the sizes of an output in terms of the dims; None if only the task states them.
    """

    name: str
    role: Role
    dtype: str | None = None
    shape: tuple[str, ...] | None = None

    def dtype_in(self, tried: str) -> str:
        """The tensor's dtype in a call with this dtype."""
        return self.dtype or tried


@dataclass(frozen=True, slots=True)
class ScalarParameter:
    """A scalar of every call: an argument of the operator, or a dim."""

    name: str
    kind: ScalarKind
    dim: bool = False


@dataclass(frozen=True, slots=True)
class CallLayout:
    """The parameters of a function in order, and the dtypes that it is tried with."""

    dtypes: tuple[str, ...]
    parameters: tuple[TensorParameter | ScalarParameter, ...]

    @property
    def tensors(self) -> tuple[TensorParameter, ...]:
        return tuple(one for one in self.parameters if isinstance(one, TensorParameter))


@dataclass(frozen=True, slots=True)
class ResultFacts:
    """Facts about an operator's results, from runs of the reference.

    ``dtypes`` maps each result to its dtype, None if it follows the dtype that is tried; ``shapes`` holds the sizes of
    the results that can be stated in terms of the dims.
    """

    dtypes: dict[str, str | None]
    shapes: dict[str, tuple[str, ...]]
