"""The Python part of a project, ``torch-ext/<name>/``: what it imports, and what it offers. Runs none of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping

from pytest_upskill.documents.syntax import parse_module
from pytest_upskill.languages.torch_extension.project import ProjectError


def folder_of(package: str) -> str:
    """The package's folder, with a slash at the end."""
    return f"torch-ext/{package}/"


def modules(files: Mapping[str, str], package: str) -> dict[str, str]:
    """The package's files by their paths inside the package. Raises ProjectError if there is no package."""
    folder = folder_of(package)
    found = {path.removeprefix(folder): text for path, text in files.items() if path.startswith(folder)}
    if "__init__.py" not in found:
        other = next((path for path in files if path.endswith("/__init__.py")), None)
        hint = f"; there is '{other}': its folder is 'name' of build.toml, with '_' for '-'" if other else ""
        raise ProjectError(f"the project has no '{folder}__init__.py'{hint}")
    return found


def problem(files: Mapping[str, str], package: str, operator: str) -> str | None:
    """What the package does that the contract forbids, with its place; None if nothing."""
    folder = folder_of(package)
    for path, text in modules(files, package).items():
        if path.endswith(".py") and (wrong := _module_problem(folder + path, text, package)):
            return wrong
    if not (offered := _offered(modules(files, package)["__init__.py"])):
        return f"{folder}__init__.py: it offers nothing; import 'ops' from '._ops', and define '{operator}' there"
    if operator not in offered and "*" not in offered:
        how = f"define a function of this name, which calls ops.{operator}"
        return f"{folder}__init__.py: it does not offer '{operator}'; {how}"
    return None


def _module_problem(path: str, text: str, package: str) -> str | None:
    try:
        tree = parse_module(text)
    except SyntaxError as error:
        return f"{path}:{error.lineno or 1}: this is no Python: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{path}: this is no Python: {type(error).__name__}: {error}"
    for line, name in _imports(tree):
        top = name.partition(".")[0]
        if top == package or (name.startswith(("_ops", "torch_ext")) and top != "torch"):
            rule = "a kernel is loaded under another name: 'from . import ...'"
            return f"{path}:{line}: it imports '{name}' absolutely; {rule}"
        if top not in ("torch", "__future__") and top not in sys.stdlib_module_names:
            return f"{path}:{line}: it imports '{name}', and only torch and Python's standard library are there"
    return None


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the name of each absolute import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""


def _offered(text: str) -> set[str]:
    """The names that a module defines or imports at its top level; ``*`` for all of another module."""
    found: set[str] = set()
    for node in _top_level(parse_module(text).body):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            found.update(name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, also those under ``if`` and ``try``."""
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _top_level(getattr(node, name, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _top_level(handler.body)
