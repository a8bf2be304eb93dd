"""Operator schemas: what ``op:`` of a case says, as plain data. Parsed by torchgen, which does not import torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_upskill.documents.identifiers import refusal
from pytest_upskill.documents.spelling import nearest

if TYPE_CHECKING:
    from torchgen.model import FunctionSchema

KINDS = ("Tensor", "float", "int", "bool")
"""The types of arguments that a case may have."""

_EXAMPLE = "rms_norm(Tensor x, Tensor weight, float eps) -> Tensor"
_USED = "a case uses Tensor, Tensor(a!), float, int and bool"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an operator. ``mutable`` is ``Tensor(a!)``: updated in place, compared like an output."""

    name: str
    kind: Literal["Tensor", "float", "int", "bool"]
    mutable: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """A PyTorch operator schema. ``results`` are the outputs' names; in-place arguments are not among them."""

    name: str
    arguments: tuple[Argument, ...]
    results: tuple[str, ...]
    text: str


def parse_operator(text: str, dims: Iterable[str]) -> Operator:
    """Read a schema; raises ValueError on all that a case cannot have, ``dims`` being the names that are taken."""
    tidy = _tidy(text)
    schema = _parsed(tidy)
    _refuse_name(schema, tidy)
    arguments = tuple(_argument(argument) for argument in _listed(schema, tidy))
    operator = Operator(str(schema.name.name), arguments, _results(schema), tidy)
    _refuse_aliases(schema)
    _refuse_clashes(operator, set(dims))
    if not operator.results and not any(argument.mutable for argument in arguments):
        raise ValueError("the operator computes nothing: give it a result, '-> Tensor', or an argument 'Tensor(a!)'")
    return operator


def _tidy(text: str) -> str:
    """torchgen wants its own spacing; people need not."""
    text = re.sub(r"\s*->\s*", " -> ", " ".join(text.split()))
    return re.sub(r"\s*,\s*", ", ", re.sub(r"\s*\)", ")", re.sub(r"\s*\(\s*", "(", text))).replace("->(", "-> (")


def _parsed(text: str) -> FunctionSchema:
    _refuse_form(text)
    from torchgen.model import FunctionSchema

    try:
        return FunctionSchema.parse(text)
    except Exception as error:  # torchgen asserts, and raises RuntimeError and ValueError
        raise ValueError(_translated(text, str(error))) from None


def _refuse_form(text: str) -> None:
    """What torchgen answers with a bare assertion."""
    if not text.partition(" -> ")[2]:
        raise ValueError(f"'{text}' has no result: write '-> Tensor', as in '{_EXAMPLE}'")
    head, _, results = text.partition(" -> ")
    if "(" not in head or not head.endswith(")"):
        raise ValueError(f"'{head}' is not a name and its arguments in parentheses, as in '{_EXAMPLE}'")
    name = head.partition("(")[0]
    why = refusal(name) if not re.search(r"[.:]", name) else None
    if why:
        raise ValueError(f"the operator's name '{name}' {why}; call it otherwise")
    if results.startswith("(") and "," not in results and results != "()":
        raise ValueError(f"one result is written without parentheses: '-> {results.strip('()')}', not '-> {results}'")
    if "," in results and not results.startswith("("):
        raise ValueError(f"several results are written in parentheses: '-> ({results})', not '-> {results}'")
    if re.search(r"[(,] *,|, *\)", text):
        raise ValueError(f"'{text}' has a comma too many: remove it")
    if re.search(r"Tensor\s*!", text):
        raise ValueError("an argument that is updated in place is written 'Tensor(a!)', not 'Tensor!'")


def _translated(text: str, complaint: str) -> str:
    unknown = re.match(r"unrecognized type (.+)", complaint)
    if unknown:
        word = unknown[1]
        near = nearest(word, KINDS)
        return f"'{word}' is no type of an argument; {_USED}" + (f"; did you mean '{near}'?" if near else "")
    if "illegal argument" in complaint:
        return f"argument {complaint.partition('illegal argument ')[2]} needs a type and a name; {_USED}"
    if "mutable positional args" in complaint:
        return "an argument that is updated in place is not a result as well: write '-> ()'"
    if "alias annotation" in complaint:
        return (
            f"'{complaint.rpartition(' ')[2]}' is no mark of an argument: one that is updated in place is 'Tensor(a!)'"
        )
    return f"'{text}' is not an operator schema such as '{_EXAMPLE}'"


def _refuse_name(schema: FunctionSchema, text: str) -> None:
    name = text.partition("(")[0]
    if schema.name.overload_name or schema.name.name.namespace:
        raise ValueError(
            f"the operator's name '{name}' has an overload or a namespace; write '{schema.name.name.base}'"
        )


def _listed(schema: FunctionSchema, text: str) -> list[Any]:
    if re.search(r"[(,] ?\*,", text):
        raise ValueError("'*' (arguments by keyword only) has no meaning for a kernel; leave it out")
    return list(schema.arguments.flat_all)


def _argument(argument: Any) -> Argument:
    name, kind = argument.name, str(argument.type)
    why = refusal(name)
    if why:
        raise ValueError(f"argument '{name}' {why}; call it otherwise")
    if argument.default is not None:
        raise ValueError(f"argument '{name}' has a default; 'args' says which values are tried, so leave it out")
    if kind not in KINDS:
        raise ValueError(f"argument '{name}' is of type '{kind}', which no kernel here takes; {_USED}")
    mutable = argument.annotation is not None and argument.annotation.is_write
    if argument.annotation is not None and (not mutable or kind != "Tensor"):
        raise ValueError(
            f"argument '{name}' is marked '({argument.annotation})'; only 'Tensor(a!)' means something here"
        )
    return Argument(name, kind, mutable)  # type: ignore[arg-type]


def _results(schema: FunctionSchema) -> tuple[str, ...]:
    names = []
    for index, result in enumerate(schema.returns):
        if str(result.type) != "Tensor" or result.annotation is not None:
            raise ValueError(
                f"result '{result}' is not possible here: an operator gives 'Tensor', '(Tensor, Tensor)' or '()'"
            )
        names.append(result.name or ("out" if len(schema.returns) == 1 else f"out{index}"))
        why = refusal(names[-1])
        if why:
            raise ValueError(f"result '{names[-1]}' {why}; call it otherwise")
    return tuple(names)


def _refuse_aliases(schema: FunctionSchema) -> None:
    seen: dict[str, str] = {}
    for argument in schema.arguments.flat_all:
        for letter in argument.annotation.alias_set if argument.annotation is not None else ():
            if letter in seen:
                raise ValueError(
                    f"'{seen[letter]}' and '{argument.name}' are both marked '{letter}!', as if they shared memory; "
                    "give each its own letter"
                )
            seen[letter] = argument.name


def _refuse_clashes(operator: Operator, dims: set[str]) -> None:
    """All these names stand side by side in one C++ parameter list, under the operator's own."""
    seen = {operator.name: "the operator"}
    for role, name in (
        *(("an argument", argument.name) for argument in operator.arguments),
        *(("a result", result) for result in operator.results),
        *(("a dim", dim) for dim in sorted(dims)),
    ):
        if name in seen:
            raise ValueError(_clash(name, seen[name], role, operator))
        seen[name] = role


def _clash(name: str, first: str, second: str, operator: Operator) -> str:
    unnamed = second == "a result" and not re.search(rf"\b{name}\b", operator.text.rpartition("->")[2])
    advice = f"the result has no name and is called '{name}': name it, '-> Tensor y'" if unnamed else "rename one"
    pair = f"{first} and {second}" if first != second else f"two {first.rpartition(' ')[2]}s"
    return f"'{name}' names {pair}; {advice}"
