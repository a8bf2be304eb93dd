"""Imports point one way: a room may import its own layer and lower ones, at module level and inside functions."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pytest_upskill"

LAYERS = (
    ("errors", "records"),
    ("expression", "markdown", "frontmatter", "identifiers", "spelling", "case", "case_file", "case_fields",
     "case_sections", "contract", "cuda_source", "source_mutants", "reply_blocks", "schema", "signature", "skill",
     "skill_advice", "prompt", "extract", "arms", "disclosure", "prompts", "text_case", "task"),
    ("students",),
    ("native", "build", "cell", "machine", "cuda_machine"),
    ("oracle",),
    ("store", "book", "presence", "ledger"),
    ("reporting",),
    ("pipeline", "questions", "outcome", "turns", "replies", "builders", "budget", "self_check", "mutation_run"),
    ("settings", "hookspecs", "run", "collect", "progress", "cassettes", "failure_repr", "session", "plugin"),
)  # fmt: skip

HEAVY = ("torch", "numpy", "scipy", "hypothesis", "openai", "anthropic", "pydantic", "rich", "ruamel", "tree_sitter")


def layer_of(room: str) -> int:
    for number, rooms in enumerate(LAYERS):
        if room in rooms:
            return number
    raise AssertionError(f"room {room!r} has no layer yet: add it to LAYERS in {__file__}")


def imports_of(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "pytest_upskill":
                rooms |= {alias.name for alias in node.names}
            elif node.module.startswith("pytest_upskill."):
                rooms.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("pytest_upskill.")}
    return rooms


def module_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", module_files(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_room_imports_only_its_own_layer_and_lower_ones(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    higher = {other for other in imports_of(path) if layer_of(other) > layer_of(room)}
    assert not higher, f"{path.name} imports from above: {sorted(higher)}"


@pytest.mark.parametrize("path", module_files(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"


@pytest.mark.parametrize("name", ["worker.py", "kernel_isolation.py", "seccomp.py"])
def test_the_process_in_the_cell_imports_nothing_of_ours_but_its_seal_and_the_standard_library(name: str) -> None:
    tree = ast.parse((PACKAGE / "sandbox" / name).read_text(encoding="utf-8"))
    names = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    names |= {(node.module or ".").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= {*sys.stdlib_module_names, "seccomp"}
    assert name != "seccomp.py" or "seccomp" not in names


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest_upskill.plugin, pytest_upskill.hookspecs; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
