"""What a built object needs, takes from others and shows: the tables of an ELF file. Knows no rule about them.

Read by us and not by binutils, since the object is untrusted: every offset is checked, and nothing is followed.
Layout: System V ABI, chapter 4 and 5 (64-bit, little-endian).
"""

from __future__ import annotations

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
_SYMTAB, _DYNAMIC_SECTION, _DYNSYM, _NOBITS = 2, 6, 11, 8
_NEEDED = 1
_UNDEFINED = 0
_EXECUTABLE = 4
_LOCAL, _FILE, _SECTION_TYPE = 0, 4, 3


@dataclass(frozen=True, slots=True)
class Image:
    """Names alone. ``imports`` and ``exports`` are those of the loader's table; an object that was not linked yet has
    none, and its own table stands in. ``defined`` also has what is seen in the file alone; of it, ``data`` is what
    could not be called: it lies in sections that are not executable.
    """

    needed: tuple[str, ...]
    imports: frozenset[str]
    exports: frozenset[str]
    defined: frozenset[str]
    data: frozenset[str] = frozenset()


def read(path: Path) -> Image:
    """The tables of a shared library or an object. Raises ToolchainError where the file is not such a one."""
    try:
        return _Reader(path.read_bytes()).image()
    except (OSError, struct.error, IndexError) as error:
        raise ToolchainError(f"{path.name} is not a library that can be read ({error}); build it again") from None


@dataclass(frozen=True, slots=True)
class _Section:
    kind: int
    executable: bool
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
        start, size, count = header[6], header[11], header[12]
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
        _, kind, flags, _, place, size, link, _, _, _ = _SECTION.unpack_from(self._data, offset)
        return _Section(kind, bool(flags & _EXECUTABLE), place, size, link)

    def _bytes(self, section: _Section) -> bytes:
        if section.kind == _NOBITS:
            return b""
        if section.offset + section.size > len(self._data):
            raise struct.error("a section beyond the end of the file")
        return self._data[section.offset : section.offset + section.size]

    def _symbols(self, kind: int) -> Iterator[_Symbol]:
        for section in self._sections:
            if section.kind != kind:
                continue
            names = self._bytes(self._sections[section.link])
            for place, info, _, index, _, _ in _SYMBOL.iter_unpack(self._bytes(section)):
                name = _text(names, place)
                if name and info & 0xF not in (_FILE, _SECTION_TYPE):
                    yield _Symbol(name, info >> 4 == _LOCAL, index == _UNDEFINED, self._holds_data(index))

    def _holds_data(self, section: int) -> bool:
        return section < len(self._sections) and not self._sections[section].executable

    def _needed(self) -> Iterator[str]:
        for section in self._sections:
            if section.kind == _DYNAMIC_SECTION:
                names = self._bytes(self._sections[section.link])
                for tag, value in _DYNAMIC.iter_unpack(self._bytes(section)):
                    if tag == _NEEDED:
                        yield _text(names, value)


def _text(names: bytes, place: int) -> str:
    end = names.find(b"\0", place)
    if not 0 <= place <= end:
        raise struct.error("a name beyond the end of its table")
    return names[place:end].decode("utf-8", "replace")
