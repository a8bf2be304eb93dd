"""Operator schemas as bindings write them, compared with the one that a case asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)?\Z")
_ARGUMENT = re.compile(
    r"(?P<type>[A-Za-z_]\w*(?:\((?P<alias>[^()]*)\)|!)?(?:\[\d*\])?\??)\s+(?P<name>[A-Za-z_]\w*)(?:\s*=\s*(?P<default>.+))?\Z"
)
_RESULT = re.compile(r"(?P<type>[A-Za-z_]\w*(?:\([^()]*\)|!)?(?:\[\d*\])?\??)(?:\s+(?P<name>\w+))?\Z")


class SchemaError(Exception):
    """Why a text is not a schema: the end of a sentence that begins with the schema."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """``type`` without annotations of aliases; ``mutable`` is ``Tensor!`` or ``Tensor(a!)``."""

    name: str
    type: str
    mutable: bool = False
    keyword: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """An operator schema; ``results`` are the types of the results."""

    name: str
    parameters: tuple[Parameter, ...]
    results: tuple[str, ...]


def parse_schema(text: str) -> Schema:
    """Read a schema. Raises SchemaError."""
    plain = " ".join(text.split()).rpartition("::")[2]
    head, arrow, results = plain.partition("->")
    name, bracket, rest = head.strip().partition("(")
    if not bracket:
        raise SchemaError("has no arguments in parentheses; write it whole, as in 'f(Tensor x, float eps) -> Tensor'")
    if not arrow:
        raise SchemaError("has no result; write '-> Tensor', or '-> ()' if it returns nothing")
    if not rest.endswith(")") or not _NAME.match(name.strip()):
        raise SchemaError("cannot be read; write it as in 'f(Tensor x, float eps) -> Tensor'")
    return Schema(name.strip(), tuple(_parameters(rest[:-1])), tuple(_results(results.strip())))


def _parameters(text: str) -> Iterator[Parameter]:
    keyword = False
    for part in _split(text):
        if part == "*":
            keyword = True
            continue
        if not (found := _ARGUMENT.match(part)):
            raise SchemaError(f"has an argument '{part}', which is not a type and a name, as in 'Tensor x'")
        mutable = "!" in found["type"]
        yield Parameter(found["name"], _bare(found["type"]), mutable, keyword)


def _results(text: str) -> Iterator[str]:
    inner = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    for part in _split(inner):
        if not (found := _RESULT.match(part)):
            raise SchemaError(f"has a result '{part}', which is not a type, as in '-> Tensor'")
        yield _bare(found["type"])


def _bare(kind: str) -> str:
    """A type without annotations; sizes may be symbolic."""
    kind = re.sub(r"\([^()]*\)|!", "", kind)
    return {"SymInt": "int"}.get(kind, kind)


def _split(text: str) -> Iterator[str]:
    """The parts between commas outside brackets."""
    depth, part = 0, ""
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            yield part.strip()
            part = ""
        else:
            part += letter
    if part.strip():
        yield part.strip()


def difference(found: Schema, wanted: Schema) -> str:
    """How a schema differs from the one asked for; empty if a call of the one asked for is a call of this one."""
    if len(found.parameters) != len(wanted.parameters):
        return f"has {len(found.parameters)} arguments, not {len(wanted.parameters)}"
    for number, (own, asked) in enumerate(zip(found.parameters, wanted.parameters, strict=True), 1):
        if wrong := _parameter_difference(number, own, asked):
            return wrong
    if found.results != wanted.results:
        return f"returns ({', '.join(found.results)}), where ({', '.join(wanted.results)}) was asked for"
    return ""


def _parameter_difference(number: int, own: Parameter, asked: Parameter) -> str:
    if own.name != asked.name:
        return f"has '{own.name}' as argument {number}, where '{asked.name}' was asked for"
    if own.type != asked.type:
        return f"has '{own.type} {own.name}' as argument {number}, where '{asked.type} {asked.name}' was asked for"
    if own.mutable != asked.mutable:
        what = "is not marked as written" if asked.mutable else "is marked as written, and must only be read"
        return f"has an argument '{own.name}' that {what}: 'Tensor{'!' if asked.mutable else ''} {own.name}'"
    return f"takes '{own.name}' by name only; remove the '*'" if own.keyword else ""
