"""``from-function``: the shapes and dtypes that are found, what is taken over, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pytest_upskill.cases.case import Case, Range, ScalarSpec
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.commands.generate.main import main
from pytest_upskill.importers import sandbox
from tests.unit.in_process_sandbox import InProcess

SKILL = Path("skills/mine")
HEAD = "import torch\nimport torch.nn.functional as F\n\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sandbox, "Sandbox", InProcess)


def run(source: str, name: str, *more: str, head: str = HEAD) -> Result:
    Path("own.py").write_text(head + source, encoding="utf-8")
    return CliRunner().invoke(main, ("from-function", f"own:{name}", f"--into={SKILL}", "--no-prove", "--json", *more))


def case_of(source: str, name: str = "f", *more: str, head: str = HEAD) -> Case:
    done = run(source, name, *more, head=head)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["new"] == [name], found
    return load_case(SKILL / "evals" / f"{name}.md", "mine")


def shapes(case: Case) -> dict[str, str]:
    return {one.name: ", ".join(size.text for size in one.shape) for one in case.tensors}


FUNCTIONS = {
    "rows": ("def f(x):\n    return torch.softmax(x, -1)\n", {"x": "rows, cols"}),
    "norm": (
        "def f(x, weight):\n    return F.rms_norm(x, x.shape[-1:]) * weight\n",
        {"x": "rows, cols", "weight": "cols"},
    ),
    "two_alike": ("def f(x, y):\n    return x + y\n", {"x": "rows, cols", "y": "rows, cols"}),
    "matmul": ("def f(a, b):\n    return a @ b\n", {"a": "rows, cols", "b": "cols, m"}),
    "linear": ("def f(x, w, b):\n    return F.linear(x, w, b)\n", {"x": "rows, cols", "w": "m, cols", "b": "m"}),
    "attention": (
        "def f(q, k, v):\n    return torch.softmax(q @ k.T, -1) @ v\n",
        {"q": "rows, cols", "k": "m, cols", "v": "m, k_size"},
    ),
    "conv": ("def f(x, w):\n    return F.conv1d(x, w)\n", {"x": "batch, rows, cols", "w": "m, rows, 3"}),
    "image": (
        "def f(x):\n    return F.avg_pool2d(x[None], 2)[0] if x.dim() == 3 else None\n",
        {"x": "batch, rows, cols"},
    ),
    "outer": ("def f(x, y):\n    return torch.outer(x, y)\n", {"x": "n", "y": "m"}),
    "square": ("def f(x):\n    return torch.linalg.inv(x)\n", {"x": "n, n"}),
    "indices": ("def f(table, ids):\n    return table[ids]\n", {"table": "rows, cols", "ids": "m"}),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_shapes_are_found_by_calling_the_function(name: str) -> None:
    source, expected = FUNCTIONS[name]
    assert shapes(case_of(source)) == expected


def test_indices_are_those_of_the_first_axis() -> None:
    (ids,) = [one for one in case_of(FUNCTIONS["indices"][0]).tensors if one.name == "ids"]
    assert isinstance(ids.values, Range)
    assert (ids.dtype, ids.values.high.text) == ("int64", "rows-1")


def test_dtypes_are_those_in_which_the_function_works() -> None:
    assert case_of("def f(x):\n    return x * 2\n").dtypes == ("float32", "float16", "bfloat16")
    source = "def g(x):\n    assert x.dtype is not torch.bfloat16\n    return x * 2\n"
    assert case_of(source, "g").dtypes == ("float32", "float16")


def test_numbers_are_arguments_and_other_defaults_are_kept() -> None:
    case = case_of(
        "def f(x, factor: float, dim=-1, eps=1e-6):\n    return x * factor / (x.abs().amax(dim, keepdim=True) + eps)\n"
    )
    assert {one.name for one in case.arguments if isinstance(one, ScalarSpec)} == {"factor", "eps"}
    assert case.op is not None
    assert "dim" not in case.op.text
    assert "`dim`, which keeps its default" in case.task


def test_a_numpy_function_becomes_a_reference_in_torch() -> None:
    source = "def f(x, y):\n    '''Largest of both.'''\n    return np.maximum(x, y).sum(0)\n"
    case = case_of(source, head="import numpy as np\n\n")
    assert shapes(case) == {"x": "rows, cols", "y": "rows, cols"}
    assert case.reference is not None
    assert "torch.from_numpy" in case.reference.source
    assert case.task.startswith("Largest of both.")


def test_what_the_function_needs_from_its_module_is_taken_over_and_nothing_else() -> None:
    source = (
        "SCALE = 2.0\nSIDE = open('gone', 'w')\n\n\ndef inner(x):\n    return x * SCALE\n\n\n"
        "def other():\n    return SIDE\n\n\n"
        "class Unused:\n    pass\n\n\ndef f(x):\n    '''Double.\n\n    ## Not a section\n    '''\n    return inner(x)\n"
    )
    case = case_of(source)
    assert case.reference is not None
    assert "SCALE = 2.0" in case.reference.source
    assert "def inner" in case.reference.source
    assert "SIDE" not in case.text
    assert "Unused" not in case.text
    assert not Path("gone").exists()


def test_given_shapes_are_used_and_the_rest_is_found() -> None:
    case = case_of("def f(x, w):\n    return x.view(-1, 64) @ w\n", "f", "--shape", "x=n, 64")
    assert shapes(case) == {"x": "n, 64", "w": "64, m"}
    again = case_of("def g(x, at):\n    return x.take(at)\n", "g", "--shape=x=n", "--shape=at:int64=m")
    (at,) = [one for one in again.tensors if one.name == "at"]
    assert at.dtype == "int64"


def test_decorators_that_only_speed_a_function_up_are_left_out() -> None:
    case = case_of("@torch.compile\n@torch.no_grad()\ndef f(x):\n    return x.square()\n")
    assert case.reference is not None
    assert "compile" not in case.reference.source
    assert "torch.compile" in case.task


def test_a_function_that_changes_its_argument_gets_a_copy() -> None:
    case = case_of("def f(x, y):\n    x += y\n    return x\n")
    assert case.reference is not None
    assert "x=x.clone()" in case.reference.source


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def f(x):\n    return torch.zeros_like(x)\n", "is the same whatever its arguments are"),
        ("def f(x):\n    return torch.dropout(x, 0.5, True)\n", "its result is random"),
        ("def f(x):\n    return x.view(-1, 1000)\n", "--shape ARGUMENT=SIZES"),
        ("def f(x):\n    return x.tolist()\n", "returns list, where a kernel returns tensors"),
        ("def f(x):\n    raise RuntimeError('never')\n", "RuntimeError: never"),
        ("x = 1 / 0\n\n\ndef f(y):\n    return y * x\n", "its code raises ZeroDivisionError"),
    ],
)
def test_a_function_that_makes_no_case_is_refused_with_the_reason(source: str, reason: str) -> None:
    done = run(source, "f")
    assert done.exit_code == 1
    assert reason in json.loads(done.stdout)["not_imported"]["own:f"]
    assert not SKILL.exists()


@pytest.mark.parametrize(
    ("source", "spec", "reason"),
    [
        ("def f(*x):\n    return x\n", "own:f", "'/', '*args' or '**kwargs'"),
        ("def f(n: int):\n    return n\n", "own:f", "no parameter that may be a tensor"),
        ("def f(register):\n    return register\n", "own:f", "'register' is a C++ keyword"),
        ("from .near import g\ndef f(x):\n    return g(x)\n", "own:f", "from .near import g"),
        ("import helper\ndef f(x):\n    return helper.g(x)\n", "own:f", "import helper"),
        ("def f(x):\n    return x\n", "own:g", "defines no function 'g'"),
        ("class A:\n    def f(self):\n        pass\n", "own:A.f", "is not a plain function"),
        ("def f(x:\n", "own:f", "is not Python"),
        ("", "nowhere.at_all:f", "there is no module 'nowhere.at_all'"),
        ("", "own.txt.py:f", "there is no file own.txt.py"),
        ("", "own", "names no function: write module:function"),
        ("def f(x):\n    return '\u202e'\n", "own:f", "U+202E"),
        (f"def f(x):\n    return {' + '.join(['x'] * 900)}\n", "own:f", "nests more than 100 levels in line 2"),
        (f"def f(x):\n    return {'-' * 5000}x\n", "own:f", "nested"),
        (f"def f(x):\n    return {'(' * 5000}x{')' * 5000}\n", "own:f", "nested"),
        (f"def f(x):\n    return x{'.T' * 300}\n", "own:f", "nests more than 100 levels in line 2"),
        (f"def f(x: {'list[' * 150}int{']' * 150}):\n    return x\n", "own:f", "nests more than 100 levels in line 1"),
        ("", f"{'m' * 5000}:f", "there is no module 'mmm"),
        ("", f"{'.'.join(['m'] * 5000)}:f", "there is no module 'm.m"),
        ("", f"{'m' * 5000}.py:f", "there is no file mmm"),
        ("", "a\0b.py:f", "there is no file a"),
        ("", f"{'?' * 5000}:f", "is not a module: write it as in an import"),
    ],
)
def test_what_is_no_function_for_a_case_is_a_usage_error(source: str, spec: str, reason: str) -> None:
    Path("own.py").write_text(source, encoding="utf-8")
    Path("helper.py").write_text("def g(x): return x\n", encoding="utf-8")
    done = CliRunner().invoke(main, ("from-function", spec, f"--into={SKILL}"))
    assert done.exit_code == 2, done.output
    assert reason in done.output


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("x", "write the sizes of an argument"),
        ("y=n", "has no parameter 'y'"),
        ("x=x", "'x' is a parameter"),
        ("x:int9=n", "'int9' is not a dtype"),
        ("x=a b c/2", "--shape"),
        ("x=n > 1", "is a condition"),
        ("x=0", "the size is 0; a size is a name, or a whole number of at least 1"),
        ("x=-1", "the size is -1; a size is a name, or a whole number of at least 1"),
        ("x=n,00", "the size is 00;"),
        ("x=2.5", "the size is 2.5;"),
        ("x=2*n", "the size is 2*n;"),
        ("x=4-4", "the size is 4-4;"),
        ("x=n,,m", "a size is empty;"),
        ("x=n n", "'n n' cannot be read"),
        ("x=n --shape x=m", "has a shape already; give it once"),
    ],
)
def test_a_wrong_shape_is_a_usage_error(shape: str, reason: str) -> None:
    words = [word for one in shape.split(" --shape ") for word in ("--shape", one)]
    done = run("def f(x):\n    return x\n", "f", *words)
    assert (done.exit_code, reason in done.output) == (2, True), done.output


def test_a_function_of_a_package_is_found_without_importing_it() -> None:
    Path("src/package").mkdir(parents=True)
    Path("src/package/__init__.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    Path("src/package/ops.py").write_text("def twice(x):\n    return x * 2\n", encoding="utf-8")
    done = CliRunner().invoke(main, ("from-function", "package.ops:twice", f"--into={SKILL}", "--no-prove"))
    assert done.exit_code == 0, done.output


def test_what_is_deep_elsewhere_in_the_module_does_not_matter() -> None:
    source = f"def f(x):\n    return x * 2\n\n\ndef g(x):\n    return {' + '.join(['x'] * 300)}\n"
    assert case_of(source).reference is not None
