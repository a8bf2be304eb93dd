"""The shapes of results, as a prompt states them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.cases.case_file import load_case
from pytest_upskill.contracts.launcher.signature import derive
from pytest_upskill.execution.prompt_rendering import build_prompt
from pytest_upskill.oracle.reference import result_dtypes, result_shapes

CASES = Path(__file__).parents[2] / "skills" / "cuda-kernels" / "evals"


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("transpose", {"out": ("cols", "rows")}),
        ("layer_norm", {"out": ("rows", "cols"), "mean": ("rows",), "rstd": ("rows",)}),
        ("rotary", {"out": ("tokens", "heads", "2 * half_dim")}),
        ("adamw_step", {}),
    ],
)
def test_sizes_are_told_in_terms_of_the_dims(name: str, shapes: dict[str, tuple[str, ...]]) -> None:
    assert result_shapes(load_case(CASES / f"{name}.md", "cuda-kernels")) == shapes


def test_a_size_that_is_no_term_of_the_case_is_left_to_the_task(tmp_path: Path) -> None:
    text = (CASES / "vector_add.md").read_text(encoding="utf-8")
    path = tmp_path / "vector_add.md"
    path.write_text(text.replace("return x + y", "return (x + y)[::3]"), encoding="utf-8")
    case = load_case(path, "tmp")
    assert result_shapes(case) == {}
    signature = derive(case, result_dtypes(case), result_shapes(case))
    assert (
        "- `out`: the output to write, of the shape that the task gives it." in build_prompt(case, signature, None).user
    )


def test_the_prompt_states_the_shape() -> None:
    case = load_case(CASES / "transpose.md", "cuda-kernels")
    signature = derive(case, result_dtypes(case), result_shapes(case))
    assert "- `out`: shape [cols, rows], the output to write." in build_prompt(case, signature, None).user
