"""What stands in the process with Python kernels: what it imports, and which operators it sees."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import pytest_upskill.languages.python as package

FOLDER = Path(package.__file__).parent
ALLOWED = {"torch", "seccomp", "worker_kernel", "worker_watch"}


@pytest.fixture(scope="module")
def watch() -> Any:
    spec = importlib.util.spec_from_file_location("worker_watch", FOLDER / "worker_watch.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["worker.py", "worker_kernel.py", "worker_watch.py"])
def test_the_worker_imports_torch_the_standard_library_and_what_lies_beside_it(name: str) -> None:
    tree = ast.parse((FOLDER / name).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {one.split(".")[0] for one in names} <= {*sys.stdlib_module_names, *ALLOWED}


@pytest.mark.parametrize(
    "name", ["softmax", "_softmax", "softmax_", "aten::softmax.int", "aten::_softmax.out", "special_softmax"]
)
def test_an_operator_has_one_bare_name(watch: Any, name: str) -> None:
    assert watch.bare(name) == "softmax"


def test_another_operator_has_another_bare_name(watch: Any) -> None:
    assert {watch.bare(name) for name in ("log_softmax", "aten::_log_softmax", "softplus")} == {
        "log_softmax",
        "softplus",
    }


X = torch.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.softmax(X, -1),
        lambda: X.softmax(-1),
        lambda: torch.nn.functional.softmax(X, -1),
        lambda: torch._softmax(X, -1, False),
        lambda: torch.special.softmax(X, -1),
        lambda: torch.ops.aten.softmax.int(X, -1),
        lambda: torch.ops.aten._softmax.default(X, -1, False),
        lambda: torch.softmax(X, -1, out=torch.empty_like(X)),
        lambda: torch.nn.functional.gumbel_softmax(X),
        lambda: torch.nn.Softmax(-1)(X),
        lambda: torch.vmap(lambda row: row.softmax(0))(X),
        lambda: torch.Tensor.softmax(X.double(), 1),
    ],
)
def test_softmax_is_seen_however_it_is_called(watch: Any, call: Any) -> None:
    seen: dict[str, tuple[str, int | None]] = {}
    with watch.Watcher(frozenset(["softmax"]), seen):
        call()
    assert set(seen) == {"softmax"}


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.log_softmax(X, -1),
        lambda: X.exp() / X.exp().sum(-1, keepdim=True),
        lambda: torch.nn.functional.cross_entropy(X, torch.tensor([0, 1, 2])),
    ],
)
def test_what_is_no_softmax_is_not_taken_for_it(watch: Any, call: Any) -> None:
    seen: dict[str, tuple[str, int | None]] = {}
    with watch.Watcher(frozenset(["softmax"]), seen):
        call()
    assert seen == {}


def test_what_an_operator_uses_inside_is_not_called_by_the_kernel(watch: Any) -> None:
    seen: dict[str, tuple[str, int | None]] = {}
    with watch.Watcher(frozenset(["sum", "div"]), seen):
        X.mean()
    assert seen == {}


def test_a_record_that_somebody_ended_is_seen(watch: Any) -> None:
    seen: dict[str, tuple[str, int | None]] = {}
    end: Any = torch.autograd
    with watch.Watcher(frozenset(["sum"]), seen):
        end._disable_profiler_legacy()
    assert seen == {"": ("", None)}
