"""``import-sol``: axes, constraints, dtypes and workloads of definitions, good and broken, as cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from pytest_upskill.cases.case import Case, Choices, Range, ScalarSpec
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.commands.generate.main import main
from pytest_upskill.generator import proving
from pytest_upskill.importers import sandbox
from pytest_upskill.importers.exact_source import with_exact_casts
from pytest_upskill.oracle.isolation import default_dtype
from tests.unit.in_process_sandbox import InProcess, InProcessReferences

VAR = {"type": "var"}
SKILL = Path("skills/sol-execbench")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sandbox, "Sandbox", InProcess)
    monkeypatch.setattr(proving, "References", InProcessReferences)


def const(value: object) -> dict[str, object]:
    return {"type": "const", "value": value}


def tensor(*shape: str, dtype: str = "float32") -> dict[str, object]:
    return {"shape": list(shape), "dtype": dtype}


def definition(reference: str = "return x * 2", **changed: Any) -> dict[str, Any]:
    """A definition of a function of ``x``, with other entries where they are given."""
    made = {
        "name": "scaled",
        "axes": {"n": VAR, "m": VAR},
        "inputs": {"x": tensor("n", "m")},
        "outputs": {"y": tensor("n", "m")},
        **changed,
    }
    inputs = made["inputs"] if isinstance(made["inputs"], dict) else {}
    lines = "\n".join(f"    {line}" for line in reference.split("\n"))
    return {"reference": f"import torch\n\n\ndef run({', '.join(inputs)}):\n{lines}\n", **made}


def put(*definitions: Any, folder: str = "definitions") -> None:
    Path(folder).mkdir(exist_ok=True, parents=True)
    for number, one in enumerate(definitions):
        text = one if isinstance(one, str) else json.dumps(one)
        name = one.get("name", "x") if isinstance(one, dict) else "broken"
        Path(folder, f"{name}_{number}.json").write_text(text, encoding="utf-8")


def imported(path: str = "definitions") -> dict[str, Any]:
    done = CliRunner().invoke(main, ("import-sol", path, "--no-prove", "--json"))
    assert done.stdout, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def case_of(one: dict[str, Any]) -> Case:
    put(one)
    found = imported()
    assert not found["not_imported"]
    return load_case(SKILL / "evals" / f"{found['new'][0]}.md", "sol-execbench")


def reason_for(one: Any) -> str:
    put(one)
    (reason,) = imported()["not_imported"].values()
    return str(reason)


def shapes(case: Case) -> dict[str, str]:
    return {one.name: ", ".join(size.text for size in one.shape) for one in case.tensors}


def test_var_axes_are_dims_and_const_axes_numbers() -> None:
    case = case_of(definition(axes={"n": VAR, "m": const(96)}, description="Doubles x."))
    assert [dim.name for dim in case.dims] == ["n"]
    assert shapes(case) == {"x": "n, 96"}
    assert case.op is not None
    assert case.op.text == "scaled(Tensor x) -> Tensor y"
    assert case.task.startswith("Doubles x.\n")
    assert not case.trusted


def test_expr_axes_and_equalities_become_expressions_and_other_constraints_conditions() -> None:
    axes = {"n": VAR, "h": VAR, "k": VAR, "r": const(4), "nh": {"type": "expr", "expression": "n * k"}, "d": const(8)}
    inputs = {"q": tensor("n", "h", "d"), "keys": tensor("nh", "d")}
    reference = "return (q.reshape(-1, 4, 8) * keys[:, None]).sum(1)"
    case = case_of(
        definition(
            reference,
            axes=axes,
            inputs=inputs,
            outputs={"y": tensor("nh", "d")},
            constraints=["h == k * r", "k % 2 == 0"],
        )
    )
    assert shapes(case) == {"q": "n, k * 4, 8", "keys": "n * k, 8"}
    assert {dim.name for dim in case.dims} == {"n", "k"}
    assert "k % 2 == 0" in [one.text for one in case.where]


def test_the_most_frequent_floating_dtype_is_that_of_the_case() -> None:
    inputs = {"x": tensor("n", "m", dtype="bfloat16"), "w": tensor("m", dtype="bfloat16"), "s": tensor("m")}
    case = case_of(
        definition(
            "return ((x * w).float() * s).to(x.dtype)", inputs=inputs, outputs={"y": tensor("n", "m", dtype="bfloat16")}
        )
    )
    assert case.dtypes == ("bfloat16",)
    assert {one.name: one.dtype for one in case.tensors} == {"x": None, "w": None, "s": "float32"}


def test_numbers_get_the_value_of_a_workload_or_a_usual_one() -> None:
    inputs = {"x": tensor("n", "m"), "k": {"shape": None, "dtype": "int32"}, "eps": {"shape": None, "dtype": "float32"}}
    one = definition("return x * k + eps", inputs=inputs, name="numbers")
    put(one, folder="bench/definitions/a")
    workload = {
        "definition": "numbers",
        "workload": {"uuid": "u", "axes": {"n": 3, "m": 5}, "inputs": {"k": {"type": "scalar", "value": 7}}},
    }
    Path("bench/workloads/a").mkdir(parents=True)
    Path("bench/workloads/a/numbers_0.jsonl").write_text("no JSON\n" + json.dumps(workload) + "\n", encoding="utf-8")
    found = imported("bench")
    case = load_case(SKILL / "evals" / f"{found['new'][0]}.md", "x")
    k, eps = (one for one in case.arguments if isinstance(one, ScalarSpec))
    assert isinstance(k.values, Choices)
    assert k.values.options == (7,)
    assert isinstance(eps.values, Range)


def test_indices_stay_within_an_axis_if_others_do_not_work() -> None:
    inputs = {"x": tensor("n", "m"), "ids": tensor("k", dtype="int32")}
    axes = {"n": VAR, "m": VAR, "k": VAR}
    case = case_of(
        definition(
            "assert ids.min() >= 0\nreturn x[ids.long()]", inputs=inputs, axes=axes, outputs={"y": tensor("k", "m")}
        )
    )
    (ids,) = [one for one in case.tensors if one.name == "ids"]
    assert isinstance(ids.values, Range)
    assert (ids.values.low.text, ids.values.high.text) == ("0", "n-1")


def test_a_function_that_makes_the_inputs_becomes_the_section_inputs() -> None:
    one = definition(inputs={"x": tensor("n", "m"), "at": tensor("n", dtype="int64")}, custom_inputs_entrypoint="make")
    one["reference"] = (
        "import torch\n\n\ndef make(sizes, device):\n    n, m = sizes['n'], sizes['m']\n"
        "    return {'x': torch.randn(n, m, device=device), 'at': torch.randperm(n, device=device)}\n\n\n"
        "@torch.no_grad()\ndef run(x, at):\n    x.mul_(2)\n    return x[at]\n"
    )
    case = case_of(one)
    assert case.inputs is not None
    assert "def inputs(generator, dtype, n, m):" in case.inputs.source
    assert case.reference is not None
    assert "x.clone()" in case.reference.source
    assert "no_grad" not in case.reference.source


def test_constant_axes_that_are_too_large_are_made_smaller_and_the_notes_say_so() -> None:
    inputs = {"a": tensor("n", "k"), "b": tensor("m", "k")}
    axes = {"n": VAR, "m": const(2048), "k": const(1024)}
    outputs = {"y": tensor("n", "m")}
    case = case_of(definition("return a.sum(1, keepdim=True) + b.sum(1)", inputs=inputs, axes=axes, outputs=outputs))
    assert shapes(case) == {"a": "n, 512", "b": "1024, 512"}
    assert "Made smaller: m = 1024 instead of 2048, k = 512 instead of 1024." in case.text


def test_assertions_on_constant_sizes_do_not_hinder_smaller_ones() -> None:
    inputs = {"x": tensor("n", "m"), "w": tensor("m", "m")}
    reference = "k = x.shape[1]\nassert k == 8192 and x.shape[-1] == 8192\nreturn x + w.sum(0)"
    case = case_of(definition(reference, axes={"n": VAR, "m": const(8192)}, inputs=inputs))
    assert shapes(case) == {"x": "n, 512", "w": "512, 512"}
    assert "assert" in case.task
    assert case.reference is not None
    assert "assert" not in case.reference.source


def test_results_have_the_dtypes_of_the_definition() -> None:
    inputs, outputs = (
        {"x": tensor("n", "m", dtype="bfloat16")},
        {"s": tensor("n"), "y": tensor("n", "m", dtype="bfloat16")},
    )
    case = case_of(definition("return x.sum(1), x.float() * 2", inputs=inputs, outputs=outputs))
    assert case.returns == {"s": "float32", "y": "bfloat16"}


def test_a_function_that_makes_some_inputs_leaves_the_others_to_be_drawn() -> None:
    one = definition(inputs={"x": tensor("n", "m"), "at": tensor("n", dtype="int64")}, custom_inputs_entrypoint="make")
    one["reference"] = (
        "import torch\n\n\ndef make(sizes, device):\n    return {'at': torch.randperm(sizes['n'])}\n\n\n"
        "def run(x, at):\n    return x[at]\n"
    )
    case = case_of(one)
    assert case.inputs is not None
    scope: dict[str, Any] = {}
    exec(case.inputs.source, scope)
    made = scope["inputs"](torch.Generator(), torch.bfloat16, n=3, m=5)
    assert (made["x"].shape, made["x"].dtype, made["at"].dtype) == ((3, 5), torch.bfloat16, torch.int64)


def test_a_reference_that_needs_gradients_gets_them() -> None:
    reference = "y = x.clone().requires_grad_()\ny.square().sum().backward()\nreturn y.grad"
    case = case_of(definition(reference))
    assert case.reference is not None
    scope: dict[str, Any] = {}
    exec(case.reference.source, scope)
    with torch.no_grad():
        (gradient,) = scope["scaled"](x=torch.full((2, 2), 3.0))
    assert torch.equal(gradient, torch.full((2, 2), 6.0))
    assert not gradient.requires_grad


BROKEN = {
    "fp8": (definition(inputs={"x": tensor("n", "m", dtype="float8_e4m3fn")}), "'x' is float8_e4m3fn"),
    "value_constraint": (definition(constraints=["n == indptr[-1].item()"]), "on values, not sizes"),
    "no_var": (definition(axes={"n": const(4), "m": const(4)}), "it has no 'var' axis"),
    "axis_type": (definition(axes={"n": {"type": "dynamic"}, "m": VAR}), "type 'dynamic'"),
    "const_value": (definition(axes={"n": VAR, "m": const("a")}), "has the value 'a'"),
    "unknown_axis": (definition(inputs={"x": tensor("n", "z")}), "the axis 'z'"),
    "loop": (definition(axes={"n": VAR, "m": {"type": "expr", "expression": "m + 1"}}), "refers to itself"),
    "number_out": (definition(outputs={"y": {"shape": None, "dtype": "float32"}}), "'y' is a number"),
    "no_inputs": (definition(inputs={}), "'inputs' is missing or empty"),
    "keyword": (definition(inputs={"register": tensor("n", "m")}), "'register' is a C++ keyword"),
    "syntax": ({**definition(), "reference": "def run(x:\n"}, "'reference' is not Python"),
    "no_run": ({**definition(), "reference": "def go(x): return x"}, "defines no function 'run'"),
    "raises": (definition("raise ValueError('no')"), "it raises ValueError: no"),
    "constant": (definition("return torch.zeros_like(x)"), "is the same whatever its arguments are"),
    "random": (definition("return x + torch.rand(())"), "its result is random"),
    "count": (definition("return x, x * 3"), "returns 2 results, and 'outputs' names 1"),
    "int_number": (
        definition("return x * k", inputs={"x": tensor("n", "m"), "k": {"shape": None, "dtype": "int32"}}),
        "no workload gives one",
    ),
    "maker": (definition(custom_inputs_entrypoint="made"), "'custom_inputs_entrypoint' is 'made', and 'reference'"),
    "maker_list": (definition(custom_inputs_entrypoint=["run"]), "'custom_inputs_entrypoint' is ['run'], and"),
    "deep": (definition(f"return {' + '.join(['x'] * 900)}"), "'reference' nests more than 100 levels in line 5"),
    "deep_axis": (
        definition(axes={"n": VAR, "m": {"type": "expr", "expression": " + ".join(["n"] * 400)}}),
        "it is nested too deeply to be read",
    ),
    "hidden": (definition(description="a\u202eb"), "U+202E"),
    "asserted": (
        definition(
            "return x.view(-1, 8192) @ w.T",
            axes={"n": VAR, "m": const(8192)},
            inputs={"x": tensor("n", "m"), "w": tensor("m", "m")},
        ),
        "since its own sizes are too large",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_definition_that_makes_no_case_is_listed_with_the_reason(name: str) -> None:
    assert BROKEN[name][1] in reason_for(BROKEN[name][0])


def test_a_broken_file_among_definitions_is_listed_and_other_json_is_not() -> None:
    put(definition(), "{")
    Path("definitions/notes.json").write_text('{"a": 1}', encoding="utf-8")
    found = imported()
    assert found["new"] == ["scaled"]
    (label,) = found["not_imported"]
    assert label == "broken_1.json"


def test_definitions_in_a_list_are_told_apart() -> None:
    listed = [definition(), definition("return x * 3", name="scaled"), definition("raise ValueError('a')"), {}, 5]
    Path("all.json").write_text(json.dumps(listed), encoding="utf-8")
    found = imported("all.json")
    assert found["new"] == ["scaled", "scaled_2"]
    assert list(found["not_imported"]) == [f"all.json, definition {number}" for number in (3, 4, 5)]


@pytest.mark.parametrize("text", ["{}", "[1]", "{"])
def test_a_file_without_a_definition_is_a_usage_error(text: str) -> None:
    Path("a.json").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, ("import-sol", "a.json"))
    assert done.exit_code == 2
    assert "is not a definition" in done.output or "is not JSON" in done.output


def test_casts_to_floating_dtypes_are_exact_in_float64_only_and_others_stay() -> None:
    source = (
        "import torch\ndef run(x, i):\n"
        "    y = x.to(torch.float32) + i.float() + x.half().bfloat16().type(torch.float64)\n"
        "    return (y + torch.zeros(1, dtype=torch.float32)).to(x.dtype), i.to(torch.int64), x.to('cpu')\n"
    )
    scope: dict[str, Any] = {"torch": torch}
    exec(with_exact_casts(source), scope)
    x = torch.tensor([1 / 3], dtype=torch.float64)
    with default_dtype(torch.float64):
        y, i, _ = scope["run"](x, torch.tensor([2]))
    assert float(y) == float(x + 2 + x)
    assert (y.dtype, i.dtype) == (torch.float64, torch.int64)
    single = x.float()
    y, _, _ = scope["run"](single, torch.tensor([2]))
    assert float(y) == float((single + 2 + single.half().bfloat16().double()).float())
    plain = "def run(x):\n    return x  # as it is\n"
    assert with_exact_casts(plain) == plain


ILL = [
    ({"inputs": {"x": {"shape": ["n", "m"], "dtype": ["float32"]}}}, "is ['float32']"),
    ({"constraints": 5}, "'constraints' is 5"),
    (
        {"axes": {"n": VAR, "m": {"type": "expr", "expression": "n // (n - n)"}}},
        "a shape has no value: 'n // (n - n)' divides by zero",
    ),
]


@pytest.mark.parametrize(("changed", "why"), ILL)
def test_entries_of_another_form_are_a_reason_and_no_crash(changed: dict[str, Any], why: str) -> None:
    assert why in reason_for(definition(**changed))


@pytest.mark.parametrize("workload", ['{"axes": {"n": 3}, "inputs": [1]}', "[" * 100_000], ids=["list", "deep"])
def test_workloads_that_cannot_be_read_give_no_values(workload: str) -> None:
    inputs = {"x": tensor("n", "m"), "k": {"shape": None, "dtype": "int32"}}
    put(definition("return x * k", inputs=inputs), folder="ill")
    Path("ill/workload.jsonl").write_text(workload + "\n", encoding="utf-8")
    (reason,) = imported("ill")["not_imported"].values()
    assert reason == "the values of the number 'k' are not known: no workload gives one"
