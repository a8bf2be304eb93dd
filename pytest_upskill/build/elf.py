"""Reads ELF files (64-bit, little-endian): the names that an object imports and exports, and a digest of its code.

The object is untrusted, so binutils does not read it: every offset is checked here. Layout: System V ABI, chapters 4
and 5.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.errors import ToolchainError

_MAGIC = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_DYNAMIC = struct.Struct("<qQ")
_PROGBITS, _SYMTAB, _DYNAMIC_SECTION, _NOBITS, _DYNSYM = 1, 2, 6, 8, 11
_NEEDED = 1
_UNDEFINED = 0
_ALLOCATED, _EXECUTABLE = 2, 4
_LOCAL, _FILE, _SECTION_TYPE = 0, 4, 3
_TABLES = ("", ".eh_frame", ".eh_frame_hdr", ".gcc_except_table")
"""Sections with places in the code."""


@dataclass(frozen=True, slots=True)
class Image:
    """Names. ``imports`` and ``exports`` come from the dynamic symbol table, or from the static one of an object that
    is not linked yet. ``defined`` has the names of both; those in ``data`` are in sections that are not executable.
    """

    needed: tuple[str, ...]
    imports: frozenset[str]
    exports: frozenset[str]
    defined: frozenset[str]
    data: frozenset[str] = frozenset()


def read(path: Path) -> Image:
    """The names of a shared library or an object. Raises ToolchainError for a file of another kind."""
    try:
        return _Reader(path.read_bytes()).image()
    except (OSError, struct.error, IndexError) as error:
        raise ToolchainError(f"{path.name} is not a library that can be read ({error}); build it again") from None


def fingerprint(library: Path, *, variables: bool = True) -> str | None:
    """A digest of the code, the constants and, with ``variables``, the initial values; None for a file of another kind.

    Debug information is left out: it can differ, in columns for example, where the code is the same. With checks of
    bounds, the initial values include lines and columns.
    """
    digest = hashlib.blake2b(digest_size=20)
    left_out = _TABLES if variables else (*_TABLES, ".data")
    try:
        for name, content in _Reader(library.read_bytes()).loaded():
            if name not in left_out:
                digest.update(f"{name}\0{len(content)}\0".encode() + content)
    except (struct.error, IndexError):
        return None
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Section:
    name: int
    kind: int
    flags: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: str
    local: bool
    undefined: bool
    data: bool


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        if not data.startswith(_MAGIC):
            raise struct.error("no 64-bit ELF file")
        header = _HEADER.unpack_from(data)
        start, size, count, self._names = header[6], header[11], header[12], header[13]
        if size != _SECTION.size:
            raise struct.error("no table of sections")
        self._sections = [self._section(start + number * size) for number in range(count)]

    def image(self) -> Image:
        loaded = list(self._symbols(_DYNSYM))
        all_known = list(self._symbols(_SYMTAB))
        shown = loaded or all_known
        defined = [symbol for symbol in (*all_known, *loaded) if not symbol.undefined]
        code = {symbol.name for symbol in defined if not symbol.data}
        return Image(
            needed=tuple(self._needed()),
            imports=frozenset(symbol.name for symbol in shown if symbol.undefined),
            exports=frozenset(symbol.name for symbol in shown if not symbol.undefined and not symbol.local),
            defined=frozenset(symbol.name for symbol in defined),
            data=frozenset(symbol.name for symbol in defined) - code,
        )

    def _section(self, offset: int) -> _Section:
        name, kind, flags, _, place, size, link, _, _, _ = _SECTION.unpack_from(self._data, offset)
        return _Section(name, kind, flags, place, size, link)

    def loaded(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of each loaded section that is not empty."""
        names = self._bytes(self._sections[self._names])
        for section in self._sections:
            if section.kind == _PROGBITS and section.flags & _ALLOCATED and section.size:
                yield _text(names, section.name), self._bytes(section)

    def _bytes(self, section: _Section) -> bytes:
        if section.kind == _NOBITS:
            return b""
        if section.offset + section.size > len(self._data):
            raise struct.error("a section beyond the end of the file")
        return self._data[section.offset : section.offset + section.size]

    def _tables(self, kind: int) -> Iterator[tuple[bytes, bytes]]:
        """The names of each section of a kind, and its content."""
        for section in self._sections:
            if section.kind == kind:
                yield self._bytes(self._sections[section.link]), self._bytes(section)

    def _symbols(self, kind: int) -> Iterator[_Symbol]:
        for names, content in self._tables(kind):
            for place, info, _, index, _, _ in _SYMBOL.iter_unpack(content):
                name = _text(names, place)
                if name and info & 0xF not in (_FILE, _SECTION_TYPE):
                    data = index < len(self._sections) and not self._sections[index].flags & _EXECUTABLE
                    yield _Symbol(name, info >> 4 == _LOCAL, index == _UNDEFINED, data)

    def _needed(self) -> Iterator[str]:
        for names, content in self._tables(_DYNAMIC_SECTION):
            yield from (_text(names, value) for tag, value in _DYNAMIC.iter_unpack(content) if tag == _NEEDED)


def _text(names: bytes, place: int) -> str:
    end = names.find(b"\0", place)
    if not 0 <= place <= end:
        raise struct.error("a name beyond the end of its table")
    return names[place:end].decode("utf-8", "replace")
