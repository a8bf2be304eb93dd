"""The architecture, read from the sources: layers, cycles, sizes, and the cost of loading the plugin.

All imports count: at the top of a module, inside functions, under ``TYPE_CHECKING``, and relative ones.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_upskill"
NATIVE = PACKAGE / "native"

LAYERS = (
    ("__main__", "plugin"),
    ("hookspecs",),
    ("__init__",),
    ("session", "commands"),
    ("configuration",),
    ("importers",),
    ("generator",),
    ("execution",),
    ("reporting",),
    ("export",),
    ("history",),
    ("case_quality",),
    ("replies", "judging"),
    ("oracle", "students"),
    ("contracts",),
    ("languages",),
    ("devices",),
    ("build",),
    ("sandbox",),
    ("native",),
    ("statistics", "skills", "cases"),
    ("documents", "records"),
    ("errors", "paths"),
)
"""Highest first. A package imports packages of lower lines only: no other package of its own line."""

SINGLE_FILES = {"__init__", "__main__", "plugin", "hookspecs", "errors", "paths"}
STANDALONE = (
    "sandbox/worker.py", "sandbox/kernel_isolation.py", "sandbox/seccomp.py", "students/serving/supervisor.py",
    "devices/gpu_probe.py",
)  # fmt: skip
"""Programs that start without our package: they import the standard library, and the first two their seccomp filter."""

HEAVY = (
    "torch", "numpy", "scipy", "hypothesis", "openai", "anthropic", "pydantic", "rich", "click", "ruamel",
    "tree_sitter", "system_calls", "jinja2", "matplotlib",
)  # fmt: skip
LOADED_WITH_THE_PLUGIN = {
    "pytest_upskill", "pytest_upskill.plugin", "pytest_upskill.hookspecs", "pytest_upskill.errors",
    "pytest_upskill.session", "pytest_upskill.session.options",
    "pytest_upskill.configuration", "pytest_upskill.configuration.values",
}  # fmt: skip
"""Every pytest that has us installed loads these, whether it is about skills or not."""

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60


# --------------------------------------------------------------------------------------------- reading the sources


def python_files(folder: Path = PACKAGE) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


@cache
def own_modules() -> frozenset[str]:
    return frozenset(map(name_of, python_files()))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path, root: Path = ROOT) -> str:
    """The dotted name of a module; a package's ``__init__.py`` has the package's name."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def imported_names(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Dotted names of all imports of a file, ``from a import b`` as ``a.b``."""
    package = name_of(path, root).split(".") if path.stem == "__init__" else name_of(path, root).split(".")[:-1]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def longest_known(name: str, modules: Iterable[str]) -> str | None:
    """The module of an imported name: ``a.b`` of ``from a import b`` is a module, or a name in ``a``."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def import_graph(folder: Path, root: Path) -> dict[str, set[str]]:
    """The imports between modules of a folder. Implicit loading of a package before its modules does not count."""
    modules = {name_of(path, root): path for path in python_files(folder)}
    return {
        name: {other for found in imported_names(path, root) if (other := longest_known(found, modules))} - {name}
        for name, path in modules.items()
    }


def part_of(module: str) -> str:
    """The entry of LAYERS that a module of ours belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one node (Tarjan's algorithm)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in number:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], number[other])
        if lowest[node] == number[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in number:
            visit(node)
    return found


# --------------------------------------------------------------------------------------------- layers


def test_every_package_has_a_layer_and_every_layer_its_packages() -> None:
    listed = [part for line in LAYERS for part in line]
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(listed) == sorted(packages | {path.stem for path in PACKAGE.glob("*.py")})


def test_at_the_top_level_only_a_few_modules_are_single_files() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} <= SINGLE_FILES


@pytest.mark.parametrize("path", python_files(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_package_imports_lower_layers_only(path: Path) -> None:
    level = {part: number for number, line in enumerate(LAYERS) for part in line}
    own = part_of(name_of(path))
    used = {
        longest_known(name, own_modules()) or name
        for name in imported_names(path)
        if name.startswith("pytest_upskill.")
    }
    wrong = sorted(name for name in used if part_of(name) != own and level[part_of(name)] <= level[own])
    assert not wrong, f"{path.relative_to(ROOT)}: {', '.join(wrong)} is not below {own} in LAYERS"


def test_click_is_imported_by_the_commands_alone() -> None:
    assert {part_of(name_of(path)) for path in python_files() if "click" in {*imported_names(path)}} == {"commands"}


# --------------------------------------------------------------------------------------------- cycles


def test_no_modules_import_each_other() -> None:
    assert not cycles(import_graph(PACKAGE, ROOT))


def test_no_packages_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for module, others in import_graph(PACKAGE, ROOT).items():
        graph.setdefault(part_of(module), set()).update({part_of(other) for other in others} - {part_of(module)})
    assert not cycles(graph)


@pytest.mark.parametrize("folder", ["benchmarks", "tools"])
def test_no_scripts_import_each_other(folder: str) -> None:
    assert not cycles(import_graph(ROOT / folder, ROOT / folder))
    assert not cycles(import_graph(ROOT / folder, ROOT))


def native_files() -> list[Path]:
    return sorted(path for path in NATIVE.rglob("*") if path.suffix in (".h", ".cpp", ".cu"))


def included(path: Path) -> Iterator[Path]:
    """Our own files that a C++ file includes."""
    for name in re.findall(r'^\s*#\s*include\s*["<]([^">]+)[">]', path.read_text(encoding="utf-8"), re.MULTILINE):
        folders = (path.parent, NATIVE, NATIVE / "cpu/include", NATIVE / "cpu/src")
        found = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if found is not None:
            yield found.resolve()


def test_no_cpp_files_include_each_other() -> None:
    graph = {str(path): {str(other) for other in included(path)} for path in native_files()}
    assert not cycles(graph)


def test_no_parts_of_the_native_code_use_each_other() -> None:
    """``x.h`` and ``x.cpp`` of a folder are one part: what includes the header calls into the source.

    Read from includes alone. It does not see calls by ``extern "C"`` declarations and linker names, nor into a source
    whose functions another part's header declares (``warp.cpp``, declared in ``block.h``).
    """
    graph: dict[str, set[str]] = {}
    for path in native_files():
        part = str(path.with_suffix(""))
        others = {str(other.with_suffix("")) for other in included(path)}
        graph.setdefault(part, set()).update(others - {part})
    assert not cycles(graph)


# --------------------------------------------------------------------------------------------- sizes and docstrings


@pytest.mark.parametrize("path", python_files(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_files_and_functions_are_short_and_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), f"{path} has no docstring"
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES_OF_A_FILE, f"{path} has {lines} lines: split it"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            assert lines <= MOST_LINES_OF_A_FUNCTION, f"{path}: {node.name} has {lines} lines"


# --------------------------------------------------------------------------------------------- what is loaded


@pytest.mark.parametrize("name", STANDALONE)
def test_a_standalone_program_imports_nothing_of_ours_but_its_seccomp_filter(name: str) -> None:
    path = PACKAGE / name
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree_of(path)))
    allowed = {*sys.stdlib_module_names}
    if path.parent.name == "sandbox" and path.stem != "seccomp":
        allowed.add("seccomp")
    assert {found.split(".")[0] for found in imported_names(path)} <= allowed


def loaded(*modules: str) -> set[str]:
    """All modules that a new process has loaded after these imports."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_loading_the_plugin_imports_nothing_heavy_and_little_of_ours() -> None:
    found = loaded("pytest_upskill.plugin", "pytest_upskill.hookspecs")
    assert not found & set(HEAVY)
    assert {name for name in found if name.partition(".")[0] == "pytest_upskill"} <= LOADED_WITH_THE_PLUGIN


# --------------------------------------------------------------------------------------------- of this test itself


def test_cycles_are_found_wherever_they_are() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [["b", "c"]]
    assert cycles({"a": {"b"}, "b": set()}) == []


def test_imports_are_seen_inside_functions_under_type_checking_and_when_relative(tmp_path: Path) -> None:
    package = tmp_path / "p" / "q"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from . import a\n")
    (package / "a.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p import r\ndef f():\n    from ..q import b\n"
        "    import p.s\n"
    )
    assert list(imported_names(package / "__init__.py", tmp_path)) == ["p.q.a"]
    assert set(imported_names(package / "a.py", tmp_path)) == {"typing.TYPE_CHECKING", "p.r", "p.q.b", "p.s"}
