"""What the C++ sources of a project register, read from their text: operators, implementations, the extension.

Macros can hide what this finds; what is registered when the extension is loaded decides in the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_upskill.documents.spelling import suggest
from pytest_upskill.languages.torch_extension.project import ProjectError
from pytest_upskill.languages.torch_extension.schema import Schema, SchemaError, parse_schema

_EXTENSION = "TORCH_EXTENSION_NAME"
_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?(?:\*/|\Z)|R\"(?P<tag>[^()\\\s]{0,16})\((?P<raw>.*?)(?:\)(?P=tag)\"|\Z)|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)
_BLOCK = re.compile(
    r"\b(?P<macro>(?:STABLE_)?TORCH_LIBRARY(?:_FRAGMENT|_IMPL)?(?:_EXPAND|_THREAD_UNSAFE_LAZY_INIT)?)\s*\(\s*"
    r"(?P<space>\w+)\s*,\s*(?:(?P<key>\w+)\s*,\s*)?(?P<variable>\w+)\s*\)\s*\{"
)
_CALL = re.compile(r"\b(?P<variable>\w+)\s*\.\s*(?P<what>def|impl)\s*\(")
_TEXTS = re.compile(r"\s*(?:TORCH_SELECTIVE_SCHEMA\s*\(\s*)?((?:\x01\d+\x01\s*)+)")
_HOLE = re.compile(r"\x01(\d+)\x01")
_KEYS = {"kCPU": "cpu", "kCUDA": "cuda", "CPU": "cpu", "CUDA": "cuda"}
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*[<\"]([^>\"\n]+)[>\"]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Registered:
    """An operator with its schema, at a place in a file; ``backends`` are those with an implementation."""

    schema: Schema
    path: str
    line: int
    backends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """A source without comments, whose literals are numbered holes, so that no text is taken for code."""

    path: str
    code: str
    literals: tuple[str, ...]

    def line(self, position: int) -> int:
        return self.code.count("\n", 0, position) + 1

    def fail(self, position: int, message: str) -> ProjectError:
        return ProjectError(f"{self.path}:{self.line(position)}: {message}")


def registered(files: Mapping[str, str], bindings: Sequence[str]) -> dict[str, Registered]:
    """The operators by name. ``bindings`` are the sources of ``[torch]``. Raises ProjectError for what the contract
    forbids, with file and line.
    """
    found: dict[str, Registered] = {}
    implemented: dict[str, list[str]] = {}
    extension = False
    sources = [
        _source(path, text)
        for path, text in files.items()
        if path.endswith((".cpp", ".cc", ".cxx", ".cu", ".h", ".hpp", ".cuh"))
    ]
    for source in sources:
        _refuse_pybind(source, files[source.path])
        for start, body, match in _blocks(source):
            _refuse_other_library(source, match)
            key = _KEYS.get(match["key"] or "", match["key"])
            for call in _calls(source, start, body, match["variable"]):
                _take(source, call, key, found, implemented)
        for match in re.finditer(r"(?<!define )\bREGISTER_EXTENSION\s*\(\s*(\w*)\s*\)", source.code):
            extension = True
            if match[1] != _EXTENSION:
                raise source.fail(match.start(), f"REGISTER_EXTENSION takes {_EXTENSION}, not '{match[1]}'")
    _refuse_incomplete(found, implemented, extension, bindings)
    return {
        name: Registered(one.schema, one.path, one.line, tuple(implemented.get(name, ())))
        for name, one in found.items()
    }


def _refuse_incomplete(
    found: Mapping[str, Registered], implemented: Mapping[str, Sequence[str]], extension: bool, bindings: Sequence[str]
) -> None:
    first = bindings[0]
    if not found:
        how = f'TORCH_LIBRARY_EXPAND({_EXTENSION}, ops) {{ ops.def("...") }}'
        raise ProjectError(f"{first}: no operator is registered; register it with {how}")
    if not extension:
        rule = f"without REGISTER_EXTENSION({_EXTENSION}) Python cannot import the library"
        raise ProjectError(f'{first}: {rule}: add it at the end, and #include "registration.h"')
    for name in implemented:
        if name not in found:
            raise ProjectError(f"{first}: '{name}' is implemented and not defined{suggest(name, found)}")


def _refuse_pybind(source: _Source, text: str) -> None:
    """Raises for pybind11, whose modules depend on one version of Python."""
    include = next((found for found in _INCLUDE.finditer(text) if _is_pybind(found[1])), None)
    if include is not None and include[0].strip() in _without_comments(text):
        rule = "pybind11 is outside the limited API of Python; include <torch/library.h> or <torch/all.h>"
        line = text.count("\n", 0, include.start()) + 1
        raise ProjectError(f"{source.path}:{line}: it includes <{include[1]}>, and {rule}")
    if found := re.search(r"\bPYBIND11_MODULE\b|\bpybind11\s*::", source.code):
        rule = f"register operators with TORCH_LIBRARY_EXPAND({_EXTENSION}, ops)"
        raise source.fail(found.start(), f"pybind11 is outside the limited API of Python; {rule}")


def _is_pybind(header: str) -> bool:
    return header == "torch/extension.h" or header.startswith("pybind11/") or header == "torch/python.h"


def _refuse_other_library(source: _Source, match: re.Match[str]) -> None:
    """Raises if a block registers in a library other than the project's own."""
    space, macro = match["space"], match["macro"]
    if macro.startswith("STABLE_"):
        raise source.fail(match.start(), f"{macro} is not judged; write TORCH_LIBRARY_EXPAND({_EXTENSION}, ops)")
    if space != _EXTENSION:
        form = f"{macro if macro.endswith('_EXPAND') else macro + '_EXPAND'}({_EXTENSION}, ...)"
        raise source.fail(
            match.start(), f"{macro} registers in the library '{space}', which is not the project's: {form}"
        )
    if not macro.endswith("_EXPAND"):
        what = f"{macro} does not expand {_EXTENSION}, so that the library would have this name"
        raise source.fail(match.start(), f"{what}; write {macro}_EXPAND({_EXTENSION}, ...)")


def _take(
    source: _Source,
    call: re.Match[str],
    key: str | None,
    found: dict[str, Registered],
    implemented: dict[str, list[str]],
) -> None:
    """Note one call of ``def`` or ``impl``."""
    text = _text_at(source, call.end())
    if text is None:
        raise source.fail(call.start(), f"the first argument of '{call['what']}' is not a string literal; write one")
    if call["what"] == "impl":
        device = re.compile(r"[^;]{0,400}?\b(?:torch|at|c10)::(kCPU|kCUDA)\b").match(source.code, call.end())
        backend = _KEYS[device[1]] if device else key
        implemented.setdefault(text.rpartition("::")[2], []).append(backend or "")
        return
    try:
        schema = parse_schema(text)
    except SchemaError as error:
        raise source.fail(call.start(), f"the schema {text!r} {error}") from None
    if schema.name in found:
        raise source.fail(call.start(), f"operator '{schema.name}' is defined twice: keep one")
    found[schema.name] = Registered(schema, source.path, source.line(call.start()))


def _blocks(source: _Source) -> Iterator[tuple[int, int, re.Match[str]]]:
    """The beginning and the end of each block in which operators are registered, and what is before it."""
    for match in _BLOCK.finditer(source.code):
        depth, end = 1, match.end()
        while end < len(source.code) and depth:
            depth += {"{": 1, "}": -1}.get(source.code[end], 0)
            end += 1
        yield match.end(), end, match


def _calls(source: _Source, start: int, end: int, variable: str) -> Iterator[re.Match[str]]:
    return (call for call in _CALL.finditer(source.code, start, end) if call["variable"] == variable)


def _text_at(source: _Source, position: int) -> str | None:
    """The literals at a position, joined as C++ joins them."""
    found = _TEXTS.match(source.code, position)
    return "".join(source.literals[int(hole[1])] for hole in _HOLE.finditer(found[1])) if found else None


def _source(path: str, text: str) -> _Source:
    literals: list[str] = []

    def hole(match: re.Match[str]) -> str:
        token = match[0]
        newlines = "\n" * token.count("\n")
        if token.startswith("/"):
            return newlines or " "
        if token.startswith("'"):
            return "0"
        literals.append(match["raw"] if match["raw"] is not None else _unescaped(token[1:-1]))
        return f"\x01{len(literals) - 1}\x01{newlines}"

    return _Source(path, _TOKEN.sub(hole, text.replace("\x01", " ")), tuple(literals))


def _without_comments(text: str) -> str:
    return _TOKEN.sub(lambda match: " " if match[0].startswith("/") else match[0], text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text)
