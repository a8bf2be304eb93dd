"""Compares the machine code of builds: 64-bit little-endian ELF files.

Debug information is left out: it can differ, in columns for example, where the code is the same.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

_HEADER = struct.Struct("<16s2HI3QI6H")
_SECTION = struct.Struct("<2I4Q2I2Q")
_PROGBITS, _ALLOCATED = 1, 2
_LEFT_OUT = (b".eh_frame", b".eh_frame_hdr", b".gcc_except_table")
"""Tables of places in the code."""


def fingerprint(library: Path, *, variables: bool = True) -> str | None:
    """A digest of the code, the constants and, with ``variables``, the initial values; None for another kind of file.

    With checks of bounds, the initial values include lines and columns.
    """
    data = library.read_bytes()
    left_out = _LEFT_OUT if variables else (*_LEFT_OUT, b".data")
    try:
        digest = hashlib.blake2b(digest_size=20)
        for name, content in _sections(data):
            if name not in left_out:
                digest.update(name + b"\0" + len(content).to_bytes(8, "little") + content)
    except (struct.error, IndexError):
        return None
    return digest.hexdigest()


def _sections(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each loaded section that is not empty."""
    header = _HEADER.unpack_from(data)
    if header[0][:6] != b"\x7fELF\x02\x01":
        raise struct.error("no ELF file of 64 bits")
    place, size, count, names = header[6], header[11], header[12], header[13]
    table = [_SECTION.unpack_from(data, place + size * number) for number in range(count)]
    texts = data[table[names][4] : table[names][4] + table[names][5]]
    for name, kind, flags, _, offset, length, *_ in table:
        if kind == _PROGBITS and flags & _ALLOCATED and length:
            yield texts[name : texts.index(b"\0", name)], data[offset : offset + length]
