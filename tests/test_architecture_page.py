"""docs/architecture.md is true: its paths exist, its names can be imported, its layers are the tested ones."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_upskill
from tests.test_layers import LAYERS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_upskill"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
DRAWING = next(iter(re.findall(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)))
QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE))))
PATHS = [text for text in QUOTED if "/" in text]
COMMANDS = [text for text in QUOTED if " " in text]
PUBLIC = re.findall(
    r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", PAGE.partition("## Public names")[2], re.MULTILINE))
)


def drawn_layers() -> list[list[str]]:
    """The packages of each line, highest first."""
    return [line.partition("  ")[0].split(", ") for line in DRAWING.splitlines()]


def test_the_drawing_has_every_package_and_every_single_file_once() -> None:
    drawn = [name for layer in drawn_layers() for name in layer]
    packages = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert sorted(drawn) == sorted([*packages, *(path.stem for path in PACKAGE.glob("*.py"))])


def test_the_layers_are_those_that_are_tested() -> None:
    assert [sorted(layer) for layer in drawn_layers()] == [sorted(layer) for layer in LAYERS]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_on_the_page_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", PAGE))
def test_a_link_on_the_page_leads_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_on_the_page_can_be_run(command: str) -> None:
    assert command.startswith("make "), "say here how commands of this kind are checked"
    done = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_has_every_public_name() -> None:
    assert sorted(PUBLIC) == sorted(name for name in pytest_upskill.__all__ if name != "__version__")


@pytest.mark.parametrize("name", pytest_upskill.__all__)
def test_a_public_name_can_be_imported_and_is_known_to_type_checkers(name: str) -> None:
    assert getattr(pytest_upskill, name) is not None
    assert name in dir(pytest_upskill)
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {alias.name for node in typed.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert name in {*imported, "__version__"}


def test_errors_are_all_public() -> None:
    tree = ast.parse((PACKAGE / "errors.py").read_text(encoding="utf-8"))
    assert {node.name for node in tree.body if isinstance(node, ast.ClassDef)} <= set(pytest_upskill.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pytest_upskill.nothing


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    code = "import sys, pytest_upskill; print(*[name for name in sys.modules if name.startswith('pytest_upskill.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []
