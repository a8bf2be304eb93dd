"""References: how they are called, what their results must be, and where their errors point."""

from __future__ import annotations

import traceback
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pytest_upskill.cases.case import Case, Snippet
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.reference import Reference, load_inputs, measure_outputs, result_dtypes, smallest_example
from tests.unit.oracle_kernels import ROWS_COLS, make_case

DTYPES = "dtypes: [float32, float16, bfloat16]\n"


def error_of(folder: Path, op: str, front: str, reference: str, inputs: str = "") -> CaseError:
    with pytest.raises(CaseError) as caught:
        result_dtypes(make_case(folder, op, front, reference, inputs))
    return caught.value


def test_a_result_that_follows_every_dtype_has_none_of_its_own(tmp_path: Path) -> None:
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS + DTYPES, "def f(x):\n    return x * 2")
    assert result_dtypes(case) == {"out": None}


def test_results_of_fixed_dtypes_are_found_by_running_the_reference(tmp_path: Path) -> None:
    reference = "def f(x):\n    return x.argmax(-1), x.amax(-1), x > 0, x.float().sum(-1)"
    op = "f(Tensor x) -> (Tensor where, Tensor best, Tensor positive, Tensor total)"
    case = make_case(tmp_path, op, ROWS_COLS + DTYPES, reference)
    assert result_dtypes(case) == {"where": "int64", "best": None, "positive": "bool", "total": "float32"}


def test_returns_fixes_a_dtype_without_a_cast_in_the_reference(tmp_path: Path) -> None:
    front = ROWS_COLS + DTYPES + "returns: {out: float32}\n"
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", front, "def f(x):\n    return x.mean(-1)")
    assert result_dtypes(case) == {"out": "float32"}


def test_a_result_that_follows_no_rule_is_an_error_that_names_returns(tmp_path: Path) -> None:
    reference = "def f(x):\n    return x.float() if x.dtype == torch.float16 else x"
    error = error_of(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS + "dtypes: [float16, float32, bfloat16]\n", reference)
    assert "'out' as float32 for float16, float32 for float32, bfloat16 for bfloat16" in error.message
    assert "returns: {out: float32}" in error.message


def test_a_reference_that_raises_is_named_with_its_line_and_circumstances(tmp_path: Path) -> None:
    error = error_of(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    y = x + 1\n    return y.view(-1, 7)")
    assert error.path is not None and error.line is not None
    assert "return y.view(-1, 7)" in error.path.read_text(encoding="utf-8").splitlines()[error.line - 1]
    assert error.message.startswith("the reference raised RuntimeError: ")
    assert "rows=1 cols=1 dtype=float32" in error.message
    assert "; it was given x: [1, 1]; make it work for every size" in error.message


@pytest.mark.parametrize(
    ("body", "says", "not_says"),
    [
        ("x[x[:, 0]]", "index tensors need 'dtype: int64' in 'args', or '.long()' in the reference", "correct"),
        ("x.index_select(0, x[0])", "it was given x: float32; index tensors need", "correct"),
        ("torch.nn.functional.one_hot(x.int())", "index tensors need", "correct"),
        ("x.sort(-1, descending=True, stable=True)", "it was given x: float32; correct the call", "index tensors"),
        ("x[[1][3]]", "make it work for every size", "index tensors"),
        ("x[7000]", "make it work for every size", "index tensors"),
        ("torch.bincount(x[0])", "make it work for every size and dtype", "not written yet"),
    ],
)
def test_what_helps_after_an_error_depends_on_its_cause(tmp_path: Path, body: str, says: str, not_says: str) -> None:
    error = error_of(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, f"def f(x):\n    return {body}")
    assert says in error.message and not_says not in error.message


def test_a_reference_that_is_still_a_skeleton_is_not_written_yet(tmp_path: Path) -> None:
    error = error_of(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    raise NotImplementedError('TODO')")
    assert error.message == "the reference is not written yet: TODO"


def test_a_traceback_shows_the_source_line_of_the_case(tmp_path: Path) -> None:
    error = error_of(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    return x / undefined_name")
    shown = "".join(traceback.format_exception(error))
    assert "f.md" in shown and "return x / undefined_name" in shown


def with_reference(folder: Path, source: str) -> Case:
    """A case whose reference was not read from its file, and so was not looked at before."""
    case = make_case(folder, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    return x")
    return replace(case, reference=Snippet(source, 14, case.path))


def test_a_reference_that_is_not_python_is_an_error_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(CaseError) as caught:
        Reference(with_reference(tmp_path, "def f(x):\n    return x +"))
    assert caught.value.line == 15 and "the reference is not Python" in caught.value.message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f(rows):\n    return torch.zeros(rows)", "takes no 'x'"),
        ("def a(x):\n    return x\n\ndef b(x):\n    return x", "must define a function 'f', or exactly one"),
        ("value = 1 / 0", "raised ZeroDivisionError while it was loaded"),
    ],
)
def test_a_reference_that_cannot_be_called_is_refused(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(CaseError, match=said):
        Reference(with_reference(tmp_path, source))


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("def f(x):\n    return x, x", "returned 2 results where 'op' has 1 (out)"),
        ("def f(x):\n    return 1.0", "returned float for 'out', which must be a tensor"),
        ("def f(x):\n    return x.to(torch.complex64)", "returned dtype complex64 for 'out'"),
        ("def f(x):\n    return x.mul_(2)", "changes its argument 'x' in place; write 'Tensor(a!) x'"),
        ("def f(x, scael):\n    return x", "has a parameter 'scael', which is neither an argument of 'op' nor a dim"),
    ],
)
def test_a_reference_of_the_wrong_kind_is_refused(tmp_path: Path, reference: str, said: str) -> None:
    assert said in error_of(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, reference).message


def test_a_misspelt_parameter_gets_the_nearest_name(tmp_path: Path) -> None:
    error = error_of(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x, row):\n    return x")
    assert "did you mean 'rows'?" in error.message


def test_a_reference_may_ask_for_dims_and_have_another_name(tmp_path: Path) -> None:
    reference = "def anything(x, cols):\n    return x.sum(-1) / cols"
    case = with_reference(tmp_path, reference)
    out = Reference(case).run({"x": torch.ones(2, 4)}, {"rows": 2, "cols": 4}, torch.float32, "")["out"]
    assert out.tolist() == [1.0, 1.0]


def test_the_default_dtype_is_set_for_the_run_and_restored(tmp_path: Path) -> None:
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    return torch.zeros(3) + x.sum()")
    out = Reference(case).run({"x": torch.ones(1, 1, dtype=torch.float64)}, {"rows": 1, "cols": 1}, torch.float64, "")
    assert out["out"].dtype == torch.float64
    assert torch.get_default_dtype() == torch.float32


def test_an_argument_that_is_updated_in_place_is_an_output_and_stays_as_it_was(tmp_path: Path) -> None:
    case = make_case(tmp_path, "f(Tensor(a!) x) -> ()", ROWS_COLS, "def f(x):\n    x.mul_(2)")
    x = torch.ones(2, 3)
    outputs = Reference(case).run({"x": x}, {"rows": 2, "cols": 3}, torch.float32, "")
    assert outputs["x"].sum() == 12 and x.sum() == 6
    assert result_dtypes(case) == {}


def test_a_dtype_that_an_operator_lacks_falls_back_to_float32(tmp_path: Path) -> None:
    reference = """
    def f(x):
        if x.dtype == torch.float16:
            raise RuntimeError("not implemented for 'Half'")
        return x * 2
    """
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS + DTYPES, reference)
    assert result_dtypes(case) == {"out": None}


def test_inputs_of_another_shape_are_an_error_that_names_both(tmp_path: Path) -> None:
    inputs = "def inputs(generator, dtype, rows, cols):\n    return {'x': torch.ones(cols, rows + 1, dtype=dtype)}"
    error = error_of(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    return x", inputs)
    assert "returned 'x' with shape [1, 2] and dtype float32; 'args' says [1, 1] and float32" in error.message


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("[1]", "returned list; it must return a dict"),
        ("{'y': 1}", "returned 'y', which is not an argument of 'op'; the arguments are x"),
        ("{'x': 1.5}", "returned float for 'x'; it must be a tensor of shape [1, 1]"),
    ],
)
def test_inputs_that_return_something_else_are_refused(tmp_path: Path, returned: str, said: str) -> None:
    inputs = f"def inputs(generator, dtype, **dims):\n    return {returned}"
    assert said in error_of(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    return x", inputs).message


def test_the_smallest_example_meets_the_conditions(tmp_path: Path) -> None:
    front = (
        "dims:\n  heads: 2..8\n  cols: 1..64\nwhere: ['cols % heads == 0', 'cols > heads']\nargs:\n  x: [heads, cols]\n"
    )
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", front, "def f(x):\n    return x")
    assert smallest_example(case, "float32").dims == {"heads": 2, "cols": 4}


def test_conditions_that_nothing_meets_are_an_error(tmp_path: Path) -> None:
    front = "dims:\n  rows: 1..8\n  cols: 10..20\nwhere: ['cols < rows']\nargs:\n  x: [rows, cols]\n"
    assert (
        "no sizes were found" in error_of(tmp_path, "f(Tensor x) -> Tensor", front, "def f(x):\n    return x").message
    )


def test_the_outputs_growth_is_measured(tmp_path: Path) -> None:
    front = "dims:\n  m: 1..4096\n  n: 1..4096\nargs:\n  x: [m]\n  y: [n]\n"
    case = make_case(tmp_path, "f(Tensor x, Tensor y) -> Tensor", front, "def f(x, y):\n    return torch.outer(x, y)")
    assert measure_outputs(Reference(case), load_inputs(case)).guess({"m": 100, "n": 7}) == 700
