"""Memory that is shared with one confined process, and the place of a call's arguments in it."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

from pytest_upskill.errors import SandboxError
from pytest_upskill.records import Call, ScalarArgument, TensorArgument

POISONS = (0x7FF9, 0xFFFA)
"""Two-byte patterns that fill outputs before a call, used alternately. They are NaNs in every floating-point dtype,
which no GPU computes. All their bytes differ.
"""
POISON_OF_REPEATS = 0x7FFC
"""The pattern in repeated calls. An element that the kernel never writes has other bits in a repeat, even if a NaN is
expected, so it is noticed.
"""
FRESH_EVERY = 4
"""One repeat in four starts in a fresh process, because a kernel could store its answers and repeat them."""

SCALAR_FORMAT = {"float": "<f", "int": "<q", "bool": "<?"}
_ALIGNMENT = 64


class SharedMemory:
    """Anonymous memory of a fixed size (bytes). Its pages are allocated when they are written.

    Seals prevent the other process from growing the memory and from shrinking it, which would cause a bus error here.
    The owner closes ``descriptor``.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._map: mmap.mmap | None = None
        self.view = memoryview(b"")
        """The part that is mapped."""
        self.descriptor = os.memfd_create("upskill", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, size)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)

    def map(self, size: int) -> None:
        """Map at least ``size`` bytes. Raises SandboxError if the memory is smaller."""
        if size > self._size:
            raise SandboxError(
                f"a call needs {size} bytes for its tensors, more than the limit of {self._size}; lower the case's dims"
            )
        if size > len(self.view):
            self.unmap()
            self._map = mmap.mmap(self.descriptor, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
            self.view = memoryview(self._map)

    def unmap(self) -> None:
        """Remove the mapping. It may be called again."""
        self.view.release()
        self.view = memoryview(b"")
        if self._map is not None:
            self._map.close()
            self._map = None


class Places:
    """The offset of each argument of a call in the shared memory, and the bytes that all arguments need together."""

    def __init__(self, call: Call) -> None:
        self.all: list[tuple[TensorArgument | ScalarArgument, int]] = []
        self.tensors: list[tuple[TensorArgument, int]] = []
        self.size = 0
        for argument in call.arguments:
            self.all.append((argument, self.size))
            if isinstance(argument, TensorArgument):
                self.tensors.append((argument, self.size))
            self.size += -(-size_of(argument) // _ALIGNMENT) * _ALIGNMENT
        self.size = max(self.size, _ALIGNMENT)

    def write_inputs(self, memory: memoryview) -> None:
        """Copy all tensors but the outputs. Raises SandboxError if the data of a tensor does not have its size."""
        for argument, offset in self.tensors:
            if argument.role != "output":
                memory[offset : offset + argument.nbytes] = bytes_of(argument)

    def outputs(self, memory: memoryview) -> dict[str, bytes]:
        """Copies of the outputs. They are copied because the process could still write to the shared memory."""
        return {
            argument.name: bytes(memory[offset : offset + argument.nbytes])
            for argument, offset in self.tensors
            if argument.role != "input"
        }


def size_of(argument: TensorArgument | ScalarArgument) -> int:
    """The bytes of an argument."""
    return argument.nbytes if isinstance(argument, TensorArgument) else struct.calcsize(SCALAR_FORMAT[argument.kind])


def bytes_of(argument: TensorArgument) -> memoryview:
    """The data of a tensor. Raises SandboxError if it does not have the tensor's size."""
    view = memoryview(argument.data if argument.data is not None else b"")
    if view.nbytes != argument.nbytes:
        raise SandboxError(
            f"tensor {argument.name!r} brings {view.nbytes} bytes, but shape {argument.shape} of {argument.dtype} "
            f"has {argument.nbytes}; pass its contiguous data"
        )
    return view.cast("B") if view.nbytes else memoryview(b"")
