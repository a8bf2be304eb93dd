"""Finds a function of the user's and the code that it needs from its module, without importing or running anything."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_upskill.documents.identifiers import refusal
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.importers.foreign import NotImported, check_depth, parsed, read_source

_TENSORS = ("tensor", "ndarray", "arraylike", "float[", "float32[", "int64[")
_LONGEST = 200
_NUMBERS: dict[str, Any] = {"float": 1.0, "int": 2, "bool": True}


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """A function with the code that it needs. ``code`` has the function ``name`` and the statements that it depends on.
    ``parameters`` are plain data as in ``sandboxed_shapes``; ``left_out`` are parameters that keep their defaults.
    """

    path: Path
    name: str
    code: str
    text: str
    """The source of the function alone."""
    docstring: str
    parameters: list[dict[str, Any]]
    left_out: list[str]
    numpy: bool


def find(spec: str, folder: Path) -> FunctionSource:
    """Find the function that ``module:function`` or ``file.py:function`` names; paths start at ``folder``.

    Raises UsageError if there is no such function, NotImported if it cannot become a case.
    """
    module, _, name = spec.rpartition(":")
    if not module or not name:
        raise UsageError(f"{spec!r} names no function: write module:function, as in kernels.norms:rms_norm")
    path = _path(module, folder)
    source = read_source(path)
    tree = parsed(source, shown_path(path))
    functions = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
    if name not in functions:
        if any(
            isinstance(one, ast.AsyncFunctionDef | ast.ClassDef) and one.name == name.partition(".")[0]
            for one in tree.body
        ):
            raise UsageError(f"'{name}' is not a plain function: name a function at the top of the module")
        raise UsageError(f"{shown_path(path)} defines no function '{name}' at its top{suggest(name, functions)}")
    node = functions[name]
    needed = list(_needed(tree, name))
    check_depth(needed, "it")
    parameters, left_out = _parameters(node)
    lines = source.split("\n")
    _refuse_local_imports(needed, path)
    code = "\n\n\n".join(_segment(lines, one) for one in needed)
    imports = {root for one in needed for root in _roots(one)}
    return FunctionSource(
        path, name, code + "\n", _segment(lines, node), ast.get_docstring(node) or "", parameters, left_out,
        numpy="numpy" in imports and "torch" not in imports,
    )  # fmt: skip


def _path(module: str, folder: Path) -> Path:
    """The file of a module. The module is not imported."""
    if module.endswith(".py"):
        path = folder / module
        if not _is_file(path):
            raise UsageError(f"there is no file {_short(shown_path(path))}")
        return path
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        raise UsageError(
            f"'{_short(module)}' is not a module: write it as in an import, or name its file: path/to/file.py:function"
        )
    roots = [folder, folder / "src", *(Path(one) for one in sys.path if one)]
    for root in roots:
        base = root.joinpath(*parts)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if _is_file(path):
                return path
    raise UsageError(f"there is no module '{_short(module)}' in {shown_path(folder)}, its 'src' or the Python path")


def _is_file(path: Path) -> bool:
    """Whether the file exists. For names that no file can have, the answer is False, without an error."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text):,} characters)"


def _parameters(node: ast.FunctionDef) -> tuple[list[dict[str, Any]], list[str]]:
    arguments = node.args
    if arguments.posonlyargs or arguments.vararg or arguments.kwarg:
        raise NotImported("it has '/', '*args' or '**kwargs': give it named parameters, or wrap it")
    positional = [*([None] * (len(arguments.args) - len(arguments.defaults))), *arguments.defaults]
    pairs = [
        *zip(arguments.args, positional, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    found: list[dict[str, Any]] = []
    left_out: list[str] = []
    for one, default in pairs:
        annotation = ast.unparse(one.annotation).lower() if one.annotation else ""
        if default is not None:
            value = _number(default)
            if type(value) is not float:
                left_out.append(one.arg)
                continue
            found.append({"name": one.arg, "scalar": value})
        elif annotation in _NUMBERS:
            found.append({"name": one.arg, "scalar": _NUMBERS[annotation]})
        else:
            found.append({"name": one.arg, "kind": "tensor" if any(word in annotation for word in _TENSORS) else ""})
        if (why := refusal(one.arg)) is not None:
            raise NotImported(f"its parameter '{one.arg}' {why}: rename it")
    if not any("kind" in one for one in found):
        raise NotImported("it has no parameter that may be a tensor")
    return found, left_out


def _number(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _needed(tree: ast.Module, name: str) -> Iterator[ast.stmt]:
    """The module-level statements that the function needs, in their order. Statements that define no needed name are
    left out.
    """
    defined: dict[str, list[ast.stmt]] = {}
    for one in tree.body:
        for bound in _bound(one):
            defined.setdefault(bound, []).append(one)
    needed: set[int] = set()
    waiting = [name]
    seen: set[str] = set()
    while waiting:
        if (current := waiting.pop()) in seen:
            continue
        seen.add(current)
        for one in defined.get(current, ()):
            needed.add(id(one))
            waiting += [found.id for found in ast.walk(one) if isinstance(found, ast.Name)]
    for one in tree.body:
        future = isinstance(one, ast.ImportFrom) and one.module == "__future__"
        if id(one) in needed or future:
            yield one


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    else:
        stored = (one for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
        yield from (one.id for one in stored)


def _roots(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield (node.module or "").partition(".")[0]


def _refuse_local_imports(needed: Sequence[ast.stmt], path: Path) -> None:
    """Raise NotImported for an import of a module that lies beside the function's module."""
    for one in needed:
        relative = isinstance(one, ast.ImportFrom) and one.level > 0
        local = [root for root in _roots(one) if root and any(
            (folder / f"{root}.py").is_file() or (folder / root / "__init__.py").is_file()
            for folder in (path.parent, Path.cwd(), Path.cwd() / "src"))]  # fmt: skip
        if relative or local:
            text = ast.unparse(one)
            raise NotImported(
                f"it needs '{text}', a module of yours that a case cannot import: put what it needs into its own module"
            )


def _segment(lines: Sequence[str], node: ast.stmt) -> str:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(one.lineno for one in decorators)])
    return "\n".join(lines[first - 1 : node.end_lineno])
