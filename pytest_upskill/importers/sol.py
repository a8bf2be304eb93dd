"""Makes cases from definitions of SOL-ExecBench and FlashInfer-Bench. ``var`` axes become dims, all others numbers."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from pytest_upskill.documents.expression import parse
from pytest_upskill.documents.identifiers import refusal
from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.importers.case_text import fenced, refused_characters
from pytest_upskill.importers.exact_source import with_exact_casts, without_size_checks
from pytest_upskill.importers.foreign import Foreign, NotImported, check_depth, checked_text, parsed, read_json
from pytest_upskill.importers.function_case import FoundFunction
from pytest_upskill.importers.names import operator_name
from pytest_upskill.importers.sandbox import Failed, Sandbox
from pytest_upskill.importers.sol_axes import Axes, axes_of
from pytest_upskill.records import FLOATING, ITEM_SIZE
from pytest_upskill.sandbox.findings import clean

ENTRY = "run"
_LARGEST = 4096
_ELEMENTS = 1 << 20
"""The most elements of the tensors of a small example. If there are more, constant axes are made smaller."""
_FACTORS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SCALARS = {"bool": "bool", "int": "int", "float": "float"}


def definitions(path: Path) -> list[Foreign]:
    """The definitions in a file, or in the JSON files below a folder. Raises UsageError."""
    if path.is_file():
        found = read_json(path)
        listed = found if isinstance(found, list) else [found]
        if not any(_is_definition(one) for one in listed):
            raise UsageError(
                f"{shown_path(path)} is not a definition, an object with 'name', 'axes', 'inputs', 'outputs' and "
                "'reference'"
            )
        if not isinstance(found, list):
            return [_foreign(path, found, path.name)]
        return [_foreign(path, one, f"{path.name}, definition {number}") for number, one in enumerate(listed, 1)]
    found = []
    for file in sorted(path.rglob("*.json")):
        try:
            data = read_json(file)
        except UsageError as error:
            if file.name == "definition.json" or "definitions" in file.parts:
                found.append(Foreign(str(file.relative_to(path)), file.stem, file, str(error)))
            continue
        if _is_definition(data):
            found.append(_foreign(file, data, str(file.relative_to(path))))
    if not found:
        raise UsageError(f"{shown_path(path)} holds no definition: a JSON file with 'axes', 'inputs' and 'reference'")
    return found


def _is_definition(data: Any) -> bool:
    return isinstance(data, Mapping) and "axes" in data and "reference" in data


def _foreign(path: Path, data: Any, label: str) -> Foreign:
    name = data.get("name") if isinstance(data, Mapping) else None
    return Foreign(label, name if isinstance(name, str) and name.strip() else path.stem, path, data)


def read(definition: Foreign, name: str, sandbox: Sandbox) -> str:
    """The text of the case. Raises NotImported with the reason, SandboxError."""
    data = definition.data
    if isinstance(data, str):
        raise NotImported(data)
    if not isinstance(data, Mapping):
        raise NotImported(f"it is not an object but {type(data).__name__}")
    source = checked_text(data.get("reference"), "'reference'")
    tree = parsed(source, "'reference'")
    check_depth([tree], "'reference'")
    exact = with_exact_casts(source)
    if not any(isinstance(one, ast.FunctionDef) and one.name == ENTRY for one in tree.body):
        raise NotImported(f"'reference' defines no function '{ENTRY}'")
    maker, defined = data.get("custom_inputs_entrypoint"), [getattr(one, "name", None) for one in tree.body]
    if maker and maker not in defined:
        raise NotImported(f"'custom_inputs_entrypoint' is {maker!r}, and 'reference' defines no such function")
    inputs, _ = (_tensors(data, key) for key in ("inputs", "outputs"))
    workloads = _workloads(definition)
    for factor in _FACTORS:
        axes = axes_of(data, inputs, factor)
        arguments, common = _arguments(inputs, axes, workloads)
        if factor > 1 and axes.constants == axes_of(data, inputs, 1).constants:
            break
        if factor < _FACTORS[-1] and _elements(arguments, axes) > _ELEMENTS:
            continue
        try:
            exact = without_size_checks(exact) if _smaller(data, axes) else exact
            found = _study(data, exact, arguments, axes, common, workloads, sandbox)
        except NotImported as reason:
            if not (smaller := _smaller(data, axes)):
                raise
            raise NotImported(f"{reason} (with {smaller}, since its own sizes are too large)") from None
        try:
            return _case(definition, name, data, source, exact, axes, found, arguments, common)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NotImported("its code gave an answer that cannot be used") from None
    raise NotImported(f"its constant axes give tensors of more than {_ELEMENTS:,} elements, and cannot be made smaller")


def _tensors(data: Mapping[str, Any], key: str) -> Mapping[str, Mapping[str, Any]]:
    found = data.get(key)
    if not isinstance(found, Mapping) or not found:
        raise NotImported(f"'{key}' is missing or empty")
    for name, one in found.items():
        if not isinstance(one, Mapping) or "dtype" not in one:
            raise NotImported(f"'{name}' of '{key}' has no dtype")
        if not isinstance(one["dtype"], str) or one["dtype"] not in ITEM_SIZE:
            raise NotImported(f"'{name}' is {one['dtype']}, which kernels here do not take ({', '.join(ITEM_SIZE)})")
        shape = one.get("shape")
        if shape is not None and not (isinstance(shape, list) and all(isinstance(axis, str | int) for axis in shape)):
            raise NotImported(f"the shape of '{name}' is {shape!r}, not a list of axes")
        if shape is None and key == "outputs":
            raise NotImported(f"'{name}' is a number; a kernel returns tensors")
    return found


def _arguments(
    inputs: Mapping[str, Mapping[str, Any]], axes: Axes, workloads: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], str]:
    """The arguments as plain data, and the dtype that most floating-point arguments have."""
    floats = [one["dtype"] for one in inputs.values() if one.get("shape") is not None and one["dtype"] in FLOATING]
    common = max(dict.fromkeys(floats), key=floats.count) if floats else "float32"
    found: list[dict[str, Any]] = []
    for name, one in inputs.items():
        if (why := refusal(name)) is not None:
            raise NotImported(f"the input '{name}' {why}")
        if one.get("shape") is None:
            found.append({"name": name, "scalar": _scalar(name, str(one["dtype"]), workloads)})
            continue
        shape = [axes.text(str(axis)) for axis in one["shape"]]
        found.append({"name": name, "shape": shape, "dtype": None if one["dtype"] == common else one["dtype"]})
    if all("scalar" in one for one in found):
        raise NotImported("it has no tensor among its inputs")
    return found, common


def _scalar(name: str, dtype: str, workloads: Sequence[Mapping[str, Any]]) -> float | int | bool:
    """A value for a scalar: the first value in a workload or, without one, a usual value."""
    kind = next((kind for start, kind in _SCALARS.items() if dtype.lstrip("ub").startswith(start)), "float")
    kind = "bool" if dtype == "bool" else kind
    for one in workloads:
        inputs = one.get("inputs")
        given = inputs.get(name) if isinstance(inputs, Mapping) else None
        value = given.get("value") if isinstance(given, Mapping) else None
        if isinstance(value, bool | int | float):
            return float(value) if kind == "float" else value
    if kind != "float":
        raise NotImported(f"the values of the number '{name}' are not known: no workload gives one")
    return 1e-6 if "eps" in name.lower() else 1.0


def _workloads(definition: Foreign) -> list[Mapping[str, Any]]:
    """The workloads beside a definition, or in FlashInfer-Bench's folder for workloads. Lines that are not JSON are
    left out.
    """
    path = definition.path
    places = [path.with_name("workload.jsonl"), path.with_name("workloads.jsonl")]
    parts = list(path.parts)
    if "definitions" in parts:
        at = len(parts) - 1 - parts[::-1].index("definitions")
        places.append(Path(*parts[:at], "workloads", *parts[at + 1 :]).with_suffix(".jsonl"))
    found: list[Mapping[str, Any]] = []
    for place in places:
        try:
            lines = place.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            continue
        for line in lines[:200]:
            try:
                one = json.loads(line)
            except (ValueError, RecursionError):
                continue
            one = one.get("workload", one) if isinstance(one, Mapping) else None
            if isinstance(one, Mapping):
                found.append(one)
    return found


def _elements(arguments: Sequence[Mapping[str, Any]], axes: Axes) -> int:
    small = dict.fromkeys(axes.dims.values(), 4)
    try:
        shapes = [[int(parse(text).evaluate(small)) for text in one["shape"]] for one in arguments if "shape" in one]
    except ValueError as error:
        raise NotImported(f"a shape has no value: {error}") from None
    return sum(map(prod, shapes))


def _study(
    data: Mapping[str, Any],
    exact: str,
    arguments: list[dict[str, Any]],
    axes: Axes,
    common: str,
    workloads: Sequence[Mapping[str, Any]],
    sandbox: Sandbox,
) -> Mapping[str, Any]:
    maker = data.get("custom_inputs_entrypoint") or ""
    largest = dict.fromkeys(axes.dims.values(), _LARGEST)
    bases = [
        {axes.dims[axis]: size for axis, size in one["axes"].items() if axis in axes.dims and isinstance(size, int)}
        for one in workloads[:4]
        if isinstance(one.get("axes"), Mapping)
    ]
    try:
        found = sandbox.ask(
            "sandboxed_function:study",
            source=exact,
            name=ENTRY,
            arguments=arguments,
            dims=largest,
            where=axes.where,
            dtype=common,
            maker=str(maker),
            axes=axes.all(),
            halves=False,
            bases=[one for one in bases if one.keys() == largest.keys()],
        )
    except Failed as error:
        raise NotImported(str(error)) from None
    if not isinstance(found, Mapping):
        raise NotImported("its code gave an answer that cannot be used")
    if "reason" in found:
        raise NotImported(clean(str(found["reason"]))[:600])
    return found


def _case(
    definition: Foreign,
    name: str,
    data: Mapping[str, Any],
    source: str,
    exact: str,
    axes: Axes,
    found: Mapping[str, Any],
    arguments: Sequence[Mapping[str, Any]],
    common: str,
) -> str:
    outputs = [
        one for one in data["outputs"] if refusal(one) is None and one not in {*data["inputs"], *axes.dims.values()}
    ]
    maker = data.get("custom_inputs_entrypoint") or ""
    function = FoundFunction(exact, ENTRY, arguments, found, common)
    names = outputs if len(outputs) == len(data["outputs"]) else []
    if int(found["outputs"]) != len(data["outputs"]):
        raise NotImported(f"'{ENTRY}' returns {found['outputs']} results, and 'outputs' names {len(data['outputs'])}")
    return function.case(
        operator_name(name),
        _task(data, source, axes),
        where=axes.where,
        results=names,
        returns=_returns(data["outputs"], found["results"]) if names else None,
        inputs=function.inputs(str(maker), axes.all()) if maker else "",
        notes=_notes(definition, data, axes),
    )


def _returns(outputs: Mapping[str, Mapping[str, Any]], found: Sequence[object]) -> dict[str, str]:
    """The definition's dtypes of the results for which the reference returns another dtype."""
    pairs = zip(outputs.items(), found, strict=True)
    return {name: str(one["dtype"]) for (name, one), own in pairs if own != one["dtype"]}


def _task(data: Mapping[str, Any], source: str, axes: Axes) -> str:
    told = data.get("description")
    lines = [told.strip()] if isinstance(told, str) and told.strip() else []
    lines.append(f"Compute what `{ENTRY}` below returns.")
    described = [
        f"- `{name}`: {one['description'].strip()}"
        for key in ("inputs", "outputs")
        for name, one in data[key].items()
        if isinstance(one.get("description"), str) and one["description"].strip()
    ]
    text = "\n\n".join(filter(None, ["\n".join(lines), "\n".join(described)]))
    if problem := refused_characters(text):
        raise NotImported(problem)
    return f"{text}\n\n{fenced(source, 'python')}"


def _notes(definition: Foreign, data: Mapping[str, Any], axes: Axes) -> str:
    smaller = _smaller(data, axes)
    text = f"Imported from `{definition.label}` (the definition `{definition.wanted}`)."
    return text + (f" Made smaller: {smaller}." if smaller else "")


def _smaller(data: Mapping[str, Any], axes: Axes) -> str:
    """Say which constant axes have been made smaller than in the definition."""
    own = {name: data["axes"][name]["value"] for name in axes.constants}
    return ", ".join(
        f"{name} = {size} instead of {own[name]}" for name, size in axes.constants.items() if size != own[name]
    )
