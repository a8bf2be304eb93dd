"""Makes cases from problems of KernelBench. The module's weights become arguments, and the sizes of its inputs become
dims.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_upskill.documents.identifiers import refusal
from pytest_upskill.documents.syntax import parse_module
from pytest_upskill.importers.case_text import Sizes, fenced, kernel_case
from pytest_upskill.importers.foreign import (
    MOST_SOURCE,
    Foreign,
    NotImported,
    check_depth,
    parsed,
    read_source,
    read_start,
)
from pytest_upskill.importers.names import operator_name
from pytest_upskill.importers.problem_source import INPUTS, MODEL, RESIZE, SETTINGS, ProblemSource, read_problem
from pytest_upskill.importers.sandbox import Failed, Sandbox
from pytest_upskill.sandbox.findings import clean

_DEFINED = (MODEL, INPUTS, SETTINGS)
_UNUSABLE = "its code gave an answer that cannot be used"


def problems(path: Path) -> list[Foreign]:
    """The problems in a file, or in the Python files below a folder, in the order of their numbers.

    Files in a folder that define none of the names of a KernelBench problem are left out.
    """
    if path.is_file():
        return [Foreign(path.name, _wanted(path), path)]
    files = [one for one in path.rglob("*.py") if "__pycache__" not in one.parts and not one.name.startswith("_")]
    found = [one for one in files if _looks_like_one(one)]
    return [
        Foreign(str(one.relative_to(path)), _wanted(one), one)
        for one in sorted(found, key=lambda one: (one.parent, _number(one), one.name))
    ]


def _wanted(path: Path) -> str:
    """The name of a file, without the number at its beginning."""
    return re.sub(r"^\d+[_-]", "", path.stem).strip("_") or path.stem


def _number(path: Path) -> int:
    found = re.match(r"\d+", path.stem)
    return int(found[0]) if found else 0


def _looks_like_one(path: Path) -> bool:
    try:
        data = read_start(path, MOST_SOURCE).replace(b"\0", b"")  # also finds names in UTF-16
    except OSError:
        return True  # reading it later fails again, and the reason is listed
    return any(name.encode() in data for name in (f"class {MODEL}", f"def {INPUTS}", f"def {SETTINGS}"))


def read(problem: Foreign, name: str, sandbox: Sandbox) -> str:
    """The text of the case ``name``. Raises NotImported with the reason, SandboxError."""
    source = read_source(problem.path)
    tree = parsed(source, "it")
    check_depth([tree], "it")
    defined = _names(tree)
    if missing := [one for one in _DEFINED if one not in defined]:
        raise NotImported(f"it defines no '{missing[0]}': a problem has 'class Model', 'get_inputs', 'get_init_inputs'")
    try:
        found = sandbox.ask("sandboxed_study:study", source=source)
    except Failed as error:
        raise NotImported(str(error)) from None
    if isinstance(found, dict) and isinstance(found.get("reason"), str):
        raise NotImported(clean(found["reason"])[:600])
    try:
        return _case(problem, name, read_problem(source, tied=found["tied"] is True), found, defined)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, SyntaxError):
        raise NotImported(_UNUSABLE) from None


def _names(tree: ast.Module) -> set[str]:
    found = {one.name for one in tree.body if isinstance(one, ast.ClassDef | ast.FunctionDef)}
    found |= {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    imports = [one for one in tree.body if isinstance(one, ast.Import | ast.ImportFrom)]
    return found | {(alias.asname or alias.name).partition(".")[0] for one in imports for alias in one.names}


def _case(problem: Foreign, name: str, source: ProblemSource, found: Mapping[str, Any], defined: set[str]) -> str:
    operator = operator_name(name)
    used = {*defined, *(one["name"] for one in found["inputs"]), *(given for _, given, _ in found["dims"])}
    operator = f"{operator}_op" if operator in used else operator
    inputs: Sequence[Mapping[str, Any]] = found["inputs"]
    parameters = [(str(own), _name(given), _shape(shape)) for own, given, shape in found["parameters"]]
    dims = {int(site): _name(given) for site, given, _ in found["dims"]}
    floats = [one["dtype"] for one in inputs if "float" in str(one.get("dtype"))] + ["float32"] * bool(parameters)
    common = max(dict.fromkeys(floats or ["float32"]), key=(floats or ["float32"]).count)
    args: dict[str, object] = {_name(one["name"]): _argument(one, common) for one in inputs}
    args |= {given: shape if common == "float32" else {"shape": shape, "dtype": "float32"}
             for _, given, shape in parameters}  # fmt: skip
    kinds = {one["name"]: _kind(one) for one in inputs}
    schema = ", ".join(f"{kinds.get(given, 'Tensor')} {given}" for given in args)
    count = int(found["outputs"])
    results = "Tensor" if count == 1 else f"({', '.join(['Tensor'] * count)})"
    keys: dict[str, object] = {
        "op": f"{operator}({schema}) -> {results}",
        "dims": {_name(given): Sizes(sizes) for _, given, sizes in found["dims"]},
        **({"where": list(map(str, found["where"]))} if found["where"] else {}),
        "args": args,
        "dtypes": [common],
    }
    values = [int(value) for value in found["values"]]
    resize = source.resize({site: f"_{given}" for site, given in dims.items()}, values)
    reference = _reference(operator, source.code, resize, found, parameters, list(dims.values()))
    return kernel_case(
        keys, _task(source.code, inputs, parameters), reference, notes=_notes(problem, source, dims, values)
    )


def _name(text: object) -> str:
    if not isinstance(text, str) or refusal(text) is not None:
        raise ValueError(text)
    return text


def _shape(sizes: Sequence[object]) -> list[object]:
    return [int(str(one)) if str(one).isdigit() else str(one) for one in sizes]


def _kind(one: Mapping[str, Any]) -> str:
    if "scalar" not in one:
        return "Tensor"
    return "bool" if isinstance(one["scalar"], bool) else "int" if isinstance(one["scalar"], int) else "float"


def _argument(one: Mapping[str, Any], common: str) -> object:
    if "scalar" in one:
        value = one["scalar"]
        if isinstance(value, bool):
            return {"values": [True, False]}
        if isinstance(value, int):
            return {"values": value}
        low, high = sorted((value / 2, value * 2)) if value else (-1.0, 1.0)
        return {"values": Sizes(f"{low:g}..{high:g}")}
    shape, values = _shape(one["shape"]), one["values"]
    if one["dtype"] == common and values is None:
        return shape
    told = {"shape": shape, **({} if one["dtype"] == common else {"dtype": str(one["dtype"])})}
    return told if values is None else {**told, "values": Sizes(values)}


def _reference(
    operator: str,
    code: str,
    resize: str,
    found: Mapping[str, Any],
    parameters: Sequence[tuple[str, str, Sequence[object]]],
    dims: Sequence[str],
) -> str:
    inputs = [_name(one["name"]) for one in found["inputs"]]
    given = [*inputs, *(name for _, name, _ in parameters), *dims]
    passed = [f"{one['name']}.clone()" if found["mutates"] and "scalar" not in one else one["name"]
              for one in found["inputs"]]  # fmt: skip
    lines = [
        f"def {operator}({', '.join(given)}):",
        f"    {RESIZE}({', '.join(dims)})",
        f"    _settings = {SETTINGS}()",
        f"    _model = {MODEL}(**_settings) if isinstance(_settings, dict) else {MODEL}(*_settings)",
    ]
    if parameters:
        weights = ", ".join(f"{own!r}: {name}" for own, name, _ in parameters)
        lines.append(f"    return torch.func.functional_call(_model, {{{weights}}}, ({', '.join(passed)},))")
    else:
        lines.append(f"    return _model({', '.join(passed)})")
    text = f"{code.rstrip()}\n\n\n{resize}\n\n" + "\n".join(lines) + "\n"
    parse_module(text)
    return text


def _task(
    code: str, inputs: Sequence[Mapping[str, Any]], parameters: Sequence[tuple[str, str, Sequence[object]]]
) -> str:
    given = ", ".join(f"`{one['name']}`" for one in inputs)
    lines = [f"Compute what `{MODEL}` below returns for {given}. The module is in training mode, as it is made."]
    if parameters:
        weights = ", ".join(f"`{name}` is `{own}`" if name != own else f"`{name}`" for own, name, _ in parameters)
        lines.append(f"Its weights are arguments of the kernel: {weights}.")
    lines.append("The sizes below are examples: they may be any that are stated for the arguments.")
    return "\n".join(lines) + "\n\n" + fenced(code, "python")


def _notes(problem: Foreign, source: ProblemSource, dims: Mapping[int, str], values: Sequence[int]) -> str:
    own = [f"{given} = {source.sites[site].value}" for site, given in dims.items()]
    other = [
        f"{one.name} = {values[site]} instead of {one.value}"
        for site, one in enumerate(source.sites)
        if site not in dims and values[site] != one.value
    ]
    text = f"Imported from `{problem.label}` (KernelBench), where the sizes are {', '.join(own)}."
    return text + (f" Made smaller: {', '.join(other)}." if other else "")
