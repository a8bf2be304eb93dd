"""Memory for tensors, shared with one confined process."""

from __future__ import annotations

import fcntl
import mmap
import os

from pytest_upskill.errors import SandboxError


class SharedMemory:
    """Anonymous memory of a fixed size (bytes); pages are allocated when they are written.

    Seals prevent the other process from shrinking it (which would be a bus error here) and from growing it. The owner
    closes ``descriptor``.
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
        """Maps at least ``size`` bytes. Raises SandboxError beyond the memory's own size."""
        if size > self._size:
            raise SandboxError(
                f"a call needs {size} bytes for its tensors, more than the limit of {self._size}; lower the case's dims"
            )
        if size > len(self.view):
            self.unmap()
            self._map = mmap.mmap(self.descriptor, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
            self.view = memoryview(self._map)

    def unmap(self) -> None:
        """Removes the mapping; may be called again."""
        self.view.release()
        self.view = memoryview(b"")
        if self._map is not None:
            self._map.close()
            self._map = None
