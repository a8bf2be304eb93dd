"""Reads operator schemas, which are the key ``op`` of cases, in the part of PyTorch's grammar that cases may use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pytest_upskill.documents.identifiers import refusal
from pytest_upskill.documents.spelling import did_you_mean

KINDS = ("Tensor", "float", "int", "bool")
"""The types of arguments that a case may have."""

_EXAMPLE = "rms_norm(Tensor x, Tensor weight, float eps) -> Tensor"
_USED = "a case uses Tensor, Tensor(a!), float, int and bool"
_ARGUMENT = re.compile(r"(?P<type>\S+) (?P<name>[^\s=]+)(?P<default> ?=.*)?\Z")
_ANNOTATED = re.compile(r"(\w+)\(([^()]*)\)\Z")


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an operator.

    If ``mutable``, it is written ``Tensor(a!)``. It is updated in place, and then compared like an output.
    """

    name: str
    kind: Literal["Tensor", "float", "int", "bool"]
    mutable: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """A PyTorch operator schema. ``results`` are the names of its results, without arguments updated in place."""

    name: str
    arguments: tuple[Argument, ...]
    results: tuple[str, ...]
    text: str


def parse_operator(text: str, dims: Iterable[str]) -> Operator:
    """Read a schema. ``dims`` are names that are already in use.

    Raises ValueError for everything that a case may not use.
    """
    tidy = _tidy(text)
    name, arguments, results = _parts(tidy)
    letters: dict[str, str] = {}
    found = tuple(_argument(one, letters) for one in arguments.split(", ") if one)
    operator = Operator(name, found, _results([one for one in results.split(", ") if one]), tidy)
    _refuse_clashes(operator, dims)
    if not operator.results and not letters:
        raise ValueError("the operator computes nothing: give it a result, '-> Tensor', or an argument 'Tensor(a!)'")
    return operator


def _tidy(text: str) -> str:
    """The schema in PyTorch's own spacing."""
    text = re.sub(r"\s*->\s*", " -> ", " ".join(text.split()))
    return re.sub(r"\s*,\s*", ", ", re.sub(r"\s*\)", ")", re.sub(r"\s*\(\s*", "(", text))).replace("->(", "-> (")


def _parts(text: str) -> tuple[str, str, str]:
    """The operator's name, its arguments and its results."""
    head, _, results = text.partition(" -> ")
    if not results:
        raise ValueError(f"'{text}' has no result: write '-> Tensor', as in '{_EXAMPLE}'")
    if "(" not in head or not head.endswith(")"):
        raise ValueError(f"'{head}' is not a name and its arguments in parentheses, as in '{_EXAMPLE}'")
    name, _, arguments = head[:-1].partition("(")
    if "." in name or ":" in name:
        base = name.rpartition("::")[2].partition(".")[0]
        raise ValueError(f"the operator's name '{name}' has an overload or a namespace; write '{base}'")
    if why := refusal(name):
        raise ValueError(f"the operator's name '{name}' {why}; choose another")
    if results.startswith("(") and "," not in results and results != "()":
        raise ValueError(f"one result is written without parentheses: '-> {results.strip('()')}', not '-> {results}'")
    if results.startswith("(") and not results.endswith(")"):
        raise ValueError(f"'{text}' has a '(' without its ')': close it")
    if "," in results and not results.startswith("("):
        raise ValueError(f"several results are written in parentheses: '-> ({results})', not '-> {results}'")
    if re.search(r"[(,] ?,|, ?\)", text):
        raise ValueError(f"'{text}' has a comma too many: remove it")
    if "Tensor!" in text:
        raise ValueError("an argument that is updated in place is written 'Tensor(a!)', not 'Tensor!'")
    return name, arguments, results[1:-1] if results.startswith("(") else results


def _argument(text: str, letters: dict[str, str]) -> Argument:
    """Read one argument. ``letters`` maps the letters of the in-place arguments so far to the arguments' names."""
    if text == "*":
        raise ValueError("'*' (arguments by keyword only) has no meaning for a kernel; leave it out")
    if (match := _ARGUMENT.match(text)) is None:
        raise ValueError(f"argument '{text}' needs a type and a name; {_USED}")
    name, kind, mark = match["name"], match["type"], ""
    if why := refusal(name):
        raise ValueError(f"argument '{name}' {why}; choose another name")
    if match["default"]:
        raise ValueError(f"argument '{name}' has a default; 'args' says which values are tried, so leave it out")
    if annotated := _ANNOTATED.match(kind):
        kind, mark = annotated.groups()
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        raise ValueError(f"argument '{name}' is of type '{kind}', which no kernel here takes; {_USED}{hint}")
    if annotated and (kind != "Tensor" or not re.fullmatch(r"[A-Za-z]\w*!", mark)):
        raise ValueError(f"argument '{name}' is marked '({mark})'; the only mark is that of 'Tensor(a!)'")
    if mark and (first := letters.setdefault(mark, name)) != name:
        message = f"'{first}' and '{name}' are both marked '{mark}', as if they shared memory"
        raise ValueError(f"{message}; give each its own letter")
    return Argument(name, kind, bool(mark))  # type: ignore[arg-type]


def _results(texts: list[str]) -> tuple[str, ...]:
    """The names of the results. Results without a name are called ``out``, or ``out0``, ``out1``, ..."""
    names = []
    for index, text in enumerate(texts):
        kind, _, name = text.partition(" ")
        if "!" in kind:
            raise ValueError("an argument that is updated in place is not a result as well: write '-> ()'")
        if kind != "Tensor":
            raise ValueError(f"result '{text}' is not possible here: write 'Tensor', '(Tensor, Tensor)' or '()'")
        names.append(name or ("out" if len(texts) == 1 else f"out{index}"))
        if why := refusal(names[-1]):
            raise ValueError(f"result '{names[-1]}' {why}; choose another name")
    return tuple(names)


def _refuse_clashes(operator: Operator, dims: Iterable[str]) -> None:
    """Raise ValueError for a name that occurs twice.

    Arguments, results and dims are parameters of one C++ function, and the function has the operator's name. So all
    these names must differ.
    """
    seen = {operator.name: "the operator"}
    names = [argument.name for argument in operator.arguments]
    for role, group in (("an argument", names), ("a result", operator.results), ("a dim", sorted(dims))):
        for name in group:
            if name in seen:
                raise ValueError(_clash(name, seen[name], role, operator))
            seen[name] = role


def _clash(name: str, first: str, second: str, operator: Operator) -> str:
    unnamed = second == "a result" and not re.search(rf"\b{name}\b", operator.text.rpartition("->")[2])
    advice = f"the result has no name and is called '{name}': name it, '-> Tensor y'" if unnamed else "rename one"
    pair = f"{first} and {second}" if first != second else f"two {first.rpartition(' ')[2]}s"
    return f"'{name}' names {pair}; {advice}"
