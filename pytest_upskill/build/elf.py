"""Reads ELF files (64-bit, little-endian): the names that an object imports and exports, and a digest of its code.

The object is untrusted, so every offset is checked, and what cannot be read raises ``Unreadable``. A shared library is
read as the loader reads it: program headers, then the dynamic segment. Section headers are used only for the names that
a library defines for itself, because only they lead to these names. Layout: System V ABI, chapters 4 and 5.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_upskill.errors import ToolchainError

_MAGIC = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_DYNAMIC = struct.Struct("<qQ")
_RELOCATION = struct.Struct("<QQq")
_LIBRARY = 3
_LOAD, _DYNAMIC_SEGMENT, _STACK, _RUNS = 1, 2, 0x6474E551, 1
_PROGBITS, _SYMTAB, _NOBITS, _EXTENDED_INDICES = 1, 2, 8, 18
_NEEDED, _PLT_SIZE, _HASH, _STRINGS, _SYMBOLS, _RELA, _RELA_SIZE, _STRINGS_SIZE, _PLT = 1, 2, 4, 5, 6, 7, 8, 10, 23
_GNU_HASH = 0x6FFFFEF5
_UNDEFINED, _EXTENDED = 0, 0xFFFF
_ALLOCATED, _EXECUTABLE = 2, 4
_LOCAL, _FILE, _SECTION_TYPE, _RESOLVER = 0, 4, 3, 10
_RESOLVED_AT_LOAD = frozenset({37, 1032})
"""Relocation types, on x86-64 and on aarch64, for which the loader calls a function of the library."""
_TABLES = ("", ".eh_frame", ".eh_frame_hdr", ".gcc_except_table")
"""Sections that contain code addresses."""

_MOST_SYMBOLS, _MOST_TEXT = 200_000, 64 << 20
"""The most symbols of one table, and the most bytes of their names."""


class Unreadable(Exception):
    """The file is not an object, or breaks the format."""


@dataclass(frozen=True, slots=True)
class Image:
    """The names in a file. ``imports`` and ``exports`` come from the symbols that the loader sees or, for an object
    that is not linked yet, from its static table. ``defined`` has the names of both tables. ``data`` has the names that
    are in sections that are not executable. ``runs_early`` is True if the loader would run a function of the object
    before the object's constructors, ``executable_stack`` if loading the object makes stacks executable.
    """

    needed: tuple[str, ...]
    imports: frozenset[str]
    exports: frozenset[str]
    defined: frozenset[str]
    data: frozenset[str] = frozenset()
    runs_early: bool = False
    executable_stack: bool = False


def read(path: Path) -> Image:
    """The names of a shared library or an object. Raises Unreadable, and ToolchainError if it cannot be opened."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _File(data).image()
    except (struct.error, IndexError, ValueError) as error:
        raise Unreadable(str(error)) from None
    except OSError as error:
        raise ToolchainError(f"cannot open {path}: {error.strerror}; build the kernel again") from error


def fingerprint(library: Path, *, variables: bool = True) -> str | None:
    """A digest of the code, the constants and, with ``variables``, the initial values. None if the file cannot be read
    as an ELF file.

    Debug information is left out, because it can differ (in columns, for example) where the code is the same. If the
    code was compiled with bounds checks, the initial values include lines and columns.
    """
    digest = hashlib.blake2b(digest_size=20)
    left_out = _TABLES if variables else (*_TABLES, ".data")
    try:
        for name, content in _File(library.read_bytes()).loaded():
            if name not in left_out:
                digest.update(f"{name}\0{len(content)}\0".encode() + content)
    except (struct.error, IndexError, ValueError):
        return None
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    flags: int
    offset: int
    address: int
    size: int


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
    kind: int
    local: bool
    section: int


class _File:
    def __init__(self, data: bytes | mmap.mmap) -> None:
        self._data = data
        if data[: len(_MAGIC)] != _MAGIC:
            raise ValueError("no 64-bit ELF file")
        self._header = _HEADER.unpack(self._at(0, _HEADER.size))

    def image(self) -> Image:
        known, own = list(self._static()), _Loaded(self) if self._header[1] == _LIBRARY else None
        loaded = list(own.symbols()) if own else []
        shown = loaded if own else known
        defined = [symbol for symbol in (*known, *loaded) if symbol.section != _UNDEFINED]
        code = {symbol.name for symbol in known if symbol.section != _UNDEFINED and self._is_code(symbol)}
        names = frozenset(symbol.name for symbol in defined)
        return Image(
            needed=tuple(own.needed()) if own else (),
            imports=frozenset(symbol.name for symbol in shown if symbol.section == _UNDEFINED),
            exports=frozenset(symbol.name for symbol in shown if symbol.section != _UNDEFINED and not symbol.local),
            defined=names,
            data=frozenset(symbol.name for symbol in known) & (names - code),
            runs_early=any(symbol.kind == _RESOLVER for symbol in defined) or bool(own and own.resolves_at_load()),
            executable_stack=any(one.kind == _STACK and one.flags & _RUNS for one in self.segments) if own else False,
        )

    def loaded(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of each loaded section that is not empty."""
        number = self._header[13] if self._header[13] != _EXTENDED else self._sections[0].link
        names = self._bytes(self._sections[number])
        for section in self._sections:
            if section.kind == _PROGBITS and section.flags & _ALLOCATED and section.size:
                yield text(names, section.name), self._bytes(section)

    @cached_property
    def segments(self) -> list[_Segment]:
        start, size, count = self._header[5], self._header[9], self._header[10]
        if size != _SEGMENT.size:
            raise ValueError("no table of segments")
        table = _SEGMENT.iter_unpack(self._at(start, size * count))
        return [_Segment(kind, flags, at, address, length) for kind, flags, at, address, _, length, _, _ in table]

    @cached_property
    def _sections(self) -> list[_Section]:
        """The section headers. If there are more sections than the file header's field can count, the first section has
        their number.
        """
        start, size, count = self._header[6], self._header[11], self._header[12]
        if size != _SECTION.size or not start:
            raise ValueError("no table of sections")
        count = count or _SECTION.unpack(self._at(start, size))[5]
        table = _SECTION.iter_unpack(self._at(start, size * count))
        return [_Section(name, kind, flags, at, size, link) for name, kind, flags, _, at, size, link, *_ in table]

    def _static(self) -> Iterator[_Symbol]:
        tables = [(number, section) for number, section in enumerate(self._sections) if section.kind == _SYMTAB]
        if len(tables) != 1:
            raise ValueError(f"{len(tables)} tables of symbols instead of one")
        number, table = tables[0]
        extended = (one for one in self._sections if one.kind == _EXTENDED_INDICES and one.link == number)
        indices = self._bytes(section) if (section := next(extended, None)) else b""
        yield from symbols(self._bytes(self._sections[table.link]), self._bytes(table), indices)

    def _is_code(self, symbol: _Symbol) -> bool:
        """Whether a symbol is in executable code. Symbols without a section (absolute or common) count as data."""
        return symbol.section < len(self._sections) and bool(self._sections[symbol.section].flags & _EXECUTABLE)

    def _bytes(self, section: _Section) -> bytes:
        return b"" if section.kind == _NOBITS else self._at(section.offset, section.size)

    def _at(self, offset: int, size: int) -> bytes:
        if offset + size > len(self._data):
            raise ValueError(f"a table of {size} bytes beyond the end of the file")
        return self._data[offset : offset + size]

    def from_address(self, address: int, size: int | None = None) -> bytes:
        """The ``size`` bytes that the loader maps at an address; without ``size``, all bytes up to the end of the
        segment.
        """
        for segment in self.segments:
            distance = address - segment.address
            if segment.kind == _LOAD and 0 <= distance < segment.size:
                length = segment.size - distance if size is None else size
                if length <= segment.size - distance:
                    return self._at(segment.offset + distance, length)
        raise ValueError(f"a table at the address {address:#x}, where no segment is loaded")


class _Loaded:
    """The dynamic segment of a library."""

    def __init__(self, file: _File) -> None:
        places = [segment for segment in file.segments if segment.kind == _DYNAMIC_SEGMENT]
        if len(places) != 1:
            raise ValueError(f"{len(places)} dynamic segments instead of one")
        self._file = file
        self._entries: list[tuple[int, int]] = []
        for tag, value in _DYNAMIC.iter_unpack(file.from_address(places[0].address, places[0].size)):
            if not tag:
                break
            self._entries.append((tag, value))
        self._values = dict(self._entries)
        self._strings = file.from_address(self._value(_STRINGS), self._value(_STRINGS_SIZE))

    def needed(self) -> Iterator[str]:
        """The libraries that the loader loads with it."""
        return (text(self._strings, value) for tag, value in self._entries if tag == _NEEDED)

    def symbols(self) -> Iterator[_Symbol]:
        """All symbols that the hash tables list; every relocation must refer to one of them."""
        count = self._count()
        if any(info >> 32 >= count for _, info, _ in self._relocations()):
            raise ValueError("a relocation against a symbol beyond the end of its table")
        return symbols(self._strings, self._file.from_address(self._value(_SYMBOLS), count * _SYMBOL.size))

    def resolves_at_load(self) -> bool:
        """Whether the loader calls functions of the library to resolve a symbol."""
        return any(info & 0xFFFFFFFF in _RESOLVED_AT_LOAD for _, info, _ in self._relocations())

    def _value(self, tag: int) -> int:
        if tag not in self._values:
            raise ValueError(f"no entry {tag:#x} in the dynamic segment")
        return self._values[tag]

    def _relocations(self) -> Iterator[tuple[int, int, int]]:
        for tag, size_tag in ((_RELA, _RELA_SIZE), (_PLT, _PLT_SIZE)):
            if tag in self._values and (size := self._value(size_tag)):
                yield from _RELOCATION.iter_unpack(self._file.from_address(self._value(tag), size))

    def _count(self) -> int:
        if _GNU_HASH not in self._values:
            return int(struct.unpack_from("<II", self._file.from_address(self._value(_HASH)))[1])
        table = self._file.from_address(self._values[_GNU_HASH])
        buckets, first, words = struct.unpack_from("<III", table)
        chains = 16 + 8 * words + 4 * buckets
        last = max(struct.unpack_from(f"<{buckets}I", table, 16 + 8 * words), default=0)
        if last < first:
            return int(first)
        last = int(last)
        while not table[chains + 4 * (last - first)] & 1:
            last += 1
        return last + 1


def symbols(names: bytes, table: bytes, sections: bytes = b"") -> Iterator[_Symbol]:
    """The symbols of a table that have a name. ``sections`` has the section indices that do not fit into the table's
    entries.
    """
    if len(table) > _MOST_SYMBOLS * _SYMBOL.size:
        raise ValueError(f"more than {_MOST_SYMBOLS} symbols")
    total = 0
    for number, (place, info, _, section, _, _) in enumerate(_SYMBOL.iter_unpack(table)):
        name = text(names, place)
        total += len(name)
        if total > _MOST_TEXT:
            raise ValueError(f"names of symbols of more than {_MOST_TEXT >> 20} MiB")
        if name and (kind := info & 0xF) not in (_FILE, _SECTION_TYPE):
            far = section == _EXTENDED
            index = struct.unpack_from("<I", sections, 4 * number)[0] if far else section
            yield _Symbol(name, kind, info >> 4 == _LOCAL, index)


def text(names: bytes, place: int) -> str:
    """The name at a place of a table of names."""
    end = names.find(b"\0", place)
    if not 0 <= place <= end:
        raise ValueError("a name beyond the end of its table")
    return names[place:end].decode("utf-8", "replace")
