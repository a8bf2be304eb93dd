"""Makes a case from a function of the user's. Its shapes and dtypes are found by calling it in the sandbox."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_upskill.documents.expression import parse
from pytest_upskill.documents.identifiers import refusal
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import UsageError
from pytest_upskill.importers.case_text import fenced
from pytest_upskill.importers.exact_source import with_exact_casts
from pytest_upskill.importers.foreign import NotImported
from pytest_upskill.importers.function_case import FoundFunction
from pytest_upskill.importers.function_source import FunctionSource
from pytest_upskill.importers.names import operator_name
from pytest_upskill.importers.sandbox import Failed, Sandbox
from pytest_upskill.records import ITEM_SIZE
from pytest_upskill.sandbox.findings import clean

_GIVEN = re.compile(r"(?P<name>\w+)(?::(?P<dtype>\w+))?=(?P<sizes>.*)")
_ADVICE = "say with --shape ARGUMENT=SIZES which shapes it takes"

Given = Mapping[str, Mapping[str, Any]]


def given_shapes(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The shapes that the user gives, by argument. Raises UsageError."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        if not (match := _GIVEN.fullmatch(re.sub(r"\s*([:=,])\s*", r"\1", text.strip()))):
            raise UsageError(f"--shape {text!r}: write the sizes of an argument, as in x=rows,cols or ids:int64=n")
        dtype = match["dtype"]
        if dtype is not None and dtype not in ITEM_SIZE:
            raise UsageError(f"--shape {text!r}: '{dtype}' is not a dtype{suggest(dtype, ITEM_SIZE)}")
        if match["name"] in found:
            raise UsageError(f"--shape {text!r}: the argument '{match['name']}' has a shape already; give it once")
        sizes = match["sizes"].removesuffix(",").split(",") if match["sizes"] else []
        for size in sizes:
            _check_size(size, text)
        found[match["name"]] = {"shape": sizes, "dtype": dtype}
    return found


def _check_size(size: str, text: str) -> None:
    rule = "a size is a name, or a whole number of at least 1"
    try:
        expression = parse(size)
    except ValueError as error:
        raise UsageError(
            f"--shape {text!r}: {error}" if size else f"--shape {text!r}: a size is empty; {rule}"
        ) from None
    for name in expression.names:
        if (why := refusal(name)) is not None:
            raise UsageError(f"--shape {text!r}: the size '{name}' {why}")
    if expression.condition:
        raise UsageError(f"--shape {text!r}: '{size}' is a condition; {rule}")
    if size not in expression.names and not (size.isdecimal() and int(size) > 0):
        raise UsageError(f"--shape {text!r}: the size is {size}; {rule}")


def check_given(source: FunctionSource, given: Given) -> None:
    """Raise UsageError if a shape is given for something that is not a parameter, or if a size has the name of a
    parameter.
    """
    names = [str(one["name"]) for one in source.parameters]
    for name, one in given.items():
        if name not in names:
            raise UsageError(f"--shape: '{source.name}' has no parameter '{name}'{suggest(name, names)}")
        for size in one["shape"]:
            if clash := sorted(parse(size).names & set(names)):
                raise UsageError(f"--shape {name}: '{clash[0]}' is a parameter; give the size another name")


def read(source: FunctionSource, given: Given, sandbox: Sandbox) -> str:
    """The text of the case. Raises NotImported, SandboxError."""
    exact = source.code if source.numpy else with_exact_casts(source.code)
    parameters = [
        {"name": one["name"], **given[one["name"]]} if one["name"] in given else one for one in source.parameters
    ]
    try:
        found = sandbox.ask(
            "sandboxed_shapes:study", source=exact, name=source.name, parameters=parameters, numpy=source.numpy
        )
    except Failed as error:
        raise NotImported(str(error)) from None
    if isinstance(found, Mapping) and "reason" in found:
        reason = clean(str(found["reason"]))[:600]
        raise NotImported(f"{reason}; {_ADVICE}" if reason.startswith("none of") else reason)
    try:
        return _case(source, exact, parameters, found)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NotImported("its code gave an answer that cannot be used") from None


def _case(source: FunctionSource, exact: str, parameters: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> str:
    shown = {str(one["name"]): one for one in found["arguments"]}
    arguments = [one if "scalar" in one else _argument(str(one["name"]), shown[one["name"]]) for one in parameters]
    function = FoundFunction(exact, source.name, arguments, found, "float32", keywords=True)
    lines = [f"Compute what `{source.name}` below returns."]
    if source.left_out:
        kept = ", ".join(f"`{one}`" for one in source.left_out)
        keeps = "keeps its default" if len(source.left_out) == 1 else "keep their defaults"
        lines.append(f"It is called without {kept}, which {keeps}.")
    task = "\n".join([*([source.docstring, ""] if source.docstring else []), *lines])
    notes = f"Made from `{source.name}` of `{source.path.name}`."
    return function.case(operator_name(source.name), f"{task}\n\n{fenced(source.code, 'python')}", notes=notes)


def _argument(name: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    if "scalar" in shown:
        return {"name": name, "scalar": 1.0}
    dtype = shown.get("dtype")
    if dtype is not None and dtype not in ITEM_SIZE:
        raise ValueError(dtype)
    return {"name": name, "shape": [str(one) for one in shown["shape"]], "dtype": dtype}
