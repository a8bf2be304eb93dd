"""Every declaration that narrows the inputs of a case is told to the student, in the prompts of both contracts, and
what is told is kept by what is drawn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from pytest_upskill.build.nvcc import LANGUAGE_FLAGS
from pytest_upskill.cases import case_file
from pytest_upskill.cases.case import NAMED_VALUES
from pytest_upskill.contracts.registry import find
from pytest_upskill.errors import CaseError
from pytest_upskill.execution.prompt_rendering import build_prompt
from pytest_upskill.languages.cuda.gpu_build import STUDENT_FLAGS
from pytest_upskill.oracle.reference import load_inputs
from pytest_upskill.oracle.values import complete
from pytest_upskill.records import Example, ResultFacts

DEFAULTS = {
    "op": "f(Tensor x, Tensor index, float alpha, int step, bool flag) -> Tensor",
    "dims": "{rows: 1..40, cols: 2..50}",
    "dtypes": "[float32, float16]",
}
ARGS = {
    "x": "[rows, cols]",
    "index": "{shape: [rows], dtype: int64}",
    "alpha": "{values: -2.5..3.5}",
    "step": "{values: 3..9}",
    "flag": "{values: [true, false]}",
}


def case_of(inputs: str = "", task: str = "Do it.", args: dict[str, str] | None = None, **keys: str) -> case_file.Case:
    front = "".join(f"{key}: {value}\n" for key, value in {**DEFAULTS, **keys}.items())
    front += "args:\n" + "".join(f"  {name}: {spec}\n" for name, spec in {**ARGS, **(args or {})}.items())
    names = "x, index, alpha, step, flag"
    own = f"\n## Inputs\n\n```python\n{inputs}\n```\n" if inputs else ""
    text = f"---\n{front}---\n{task}\n\n## Reference\n\n```python\ndef f({names}):\n    return x\n```\n{own}"
    return case_file.parse_case(text, Path("f.md"), "skill")


def prompt_of(case: case_file.Case) -> str:
    contract = find(case.contract)
    assert contract is not None
    facts = ResultFacts(dict.fromkeys(case.op.results), {"out": ("rows", "cols")})  # type: ignore[union-attr]
    return build_prompt(case, contract.signature(case, facts), None).user


def python(case: dict[str, str]) -> dict[str, str]:
    return {**case, "language": "python", "contract": "function"}


@dataclass(frozen=True)
class Told:
    """A declaration, and what both prompts then contain; without a text, why the key narrows no input."""

    keys: dict[str, str]
    text: str = ""
    why_not: str = ""


TOLD = {
    "op": Told({}, "flag"),
    "dims": Told({"dims": "{rows: 1..40, cols: [8, 24]}"}, "one of 8, 24"),
    "where": Told({"where": "['cols % step == 0', 'rows < cols']"}, "`cols % step == 0`; `rows < cols`"),
    "args": Told({}, "shape [rows, cols]"),
    "dtypes": Told({"dtypes": "[bfloat16]"}, "bfloat16"),
    "zero": Told({"zero": "true"}, "1 to 40, or 0"),
    "speed": Told({"speed": "{rows: 4000, cols: 7}"}, "1 to 40, or 4000"),
    "language": Told({}, "```"),
    "contract": Told({}, "Define exactly this function"),
    "returns": Told({"returns": "{out: float64}"}, why_not="the results' dtype, in the declaration"),
    "tolerance": Told({"tolerance": "{rtol: 0.1, atol: 0.1}"}, why_not="accepts more results"),
    "always": Told(
        {"always": "['rows=2 cols=24 dtype=float32 seed=1']"}, why_not="some of the allowed inputs, always tried"
    ),
    "examples": Told({"examples": "3"}, why_not="how many inputs, not which"),
    "at_least": Told({"speed": "{rows: 4, cols: 7}", "at_least": "2.0"}, why_not="about the time, which is not judged"),
    "xfail": Told({"xfail": "known"}, why_not="about the report"),
    "tags": Told({"tags": "[a]"}, why_not="for -k"),
    "atomics": Told({"atomics": "true"}, why_not="accepts more results"),
    "forbid": Told({"forbid": "[softmax]"}, why_not="forbids operators"),
    "vectorised": Told({"vectorised": "true"}, why_not="forbids loops"),
    "gradients": Told(
        {"gradients": "[x]"}, why_not="further results that are compared, for projects of kernel-builder"
    ),
    "hub": Told({"hub": "{op: silu}"}, why_not="which operator of a published kernel is judged"),
}


def test_each_key_is_either_told_or_narrows_no_input() -> None:
    """A new key must be added to TOLD."""
    assert set(TOLD) == set(case_file.KERNEL_KEYS)
    assert all(bool(one.text) != bool(one.why_not) for one in TOLD.values())


@pytest.mark.parametrize("key", [key for key, one in TOLD.items() if one.text])
def test_a_key_that_narrows_the_inputs_is_told(key: str) -> None:
    for keys in (TOLD[key].keys, python(TOLD[key].keys)):
        text = prompt_of(case_of(**keys))
        assert TOLD[key].text.replace("bfloat16", "__nv_bfloat16" if "language" not in keys else "bfloat16") in text


VALUES = {
    "0..cols-1": "0 to cols-1",
    "[4, 7, 4]": "one of 4, 7",
    "[5]": "always 5",
    "uniform": "0 or above",
    "positive": "above 0",
    "nonnegative": "0 or above",
    "sorted": "ascending along the last dimension",
    "permutation": "along the last dimension, each of the numbers from 0 below rows once, in any order",
    "bool": "0 or 1",
}
REAL_VALUES = {
    "-0.5..1.5": "-0.5 to 1.5",
    "[-.inf, 0.5]": "one of -inf, 0.5",
    "normal": "finite",
    "uniform": "0 to 1",
    "positive": "finite, above 0",
    "nonnegative": "finite, 0 or above",
    "sorted": "finite, ascending along the last dimension",
    "bool": "0 or 1",
    "wild": "any, also very large, denormal and infinite ones and zeros of both signs, but no NaN",
}


def test_all_named_values_are_tried_here() -> None:
    assert set(NAMED_VALUES) <= set(VALUES) | set(REAL_VALUES)


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [*(("index", *pair) for pair in VALUES.items()), *(("x", *pair) for pair in REAL_VALUES.items())],
)
def test_the_values_of_a_tensor_are_told_and_kept(name: str, values: str, text: str) -> None:
    spec = "shape: [rows], dtype: int64" if name == "index" else "shape: [rows, cols]"
    case = case_of(args={name: f"{{{spec}, values: {values}}}"})
    for keys in ({}, python({})):
        shown = prompt_of(case_of(args={name: f"{{{spec}, values: {values}}}"}, **keys))
        assert re.search(rf"- `{name}`: .*only read\. Values: {re.escape(text)}\.\n", shown), shown
    for dtype in case.dtypes:
        drawn = load_inputs(case).arguments(complete(case, Example({"rows": 33, "cols": 40}, dtype, 5)))[name]
        # The values that are drawn could as well be the case's own: those are held against the declaration.
        load_inputs(own_inputs(values, name, drawn)).arguments(
            complete(case, Example({"rows": 33, "cols": 40}, dtype, 1))
        )


def own_inputs(values: str, name: str, made: object) -> case_file.Case:
    """A case whose ``## Inputs`` return a given tensor, whatever the example is."""
    GIVEN[name] = made
    spec = "shape: [rows], dtype: int64" if name == "index" else "shape: [rows, cols]"
    inputs = (
        f"from {__name__} import GIVEN\ndef inputs(generator, dtype, **dims):\n    return {{'{name}': GIVEN['{name}']}}"
    )
    return case_of(inputs, args={name: f"{{{spec}, values: {values}}}"})


GIVEN: dict[str, object] = {}


@pytest.mark.parametrize(
    ("name", "values", "made"),
    [
        ("index", "0..cols-1", [0, 40] * 16),
        ("index", "[4, 7]", [4, 6] * 16),
        ("index", "sorted", [*range(31), 3]),
        ("index", "permutation", [*range(31), 3]),
        ("index", "positive", [0] * 32),
        ("x", "-0.5..1.5", 1.75),
        ("x", "-0.5..1.5", torch.nan),
        ("x", "uniform", 1.5),
        ("x", "normal", torch.inf),
        ("x", "bool", 0.5),
    ],
)
def test_inputs_that_break_what_the_prompt_promises_are_an_error_of_the_case(
    name: str, values: str, made: list[int] | float
) -> None:
    tensor = torch.tensor(made) if isinstance(made, list) else torch.full((32, 40), made)
    case = own_inputs(values, name, tensor)
    with pytest.raises(CaseError) as caught:
        load_inputs(case).arguments(complete(case, Example({"rows": 32, "cols": 40}, "float32", 1)))
    assert f"returned '{name}' with values that are not " in caught.value.message
    assert f"change or remove 'values' of '{name}'" in caught.value.message


def test_a_range_is_kept_by_values_that_were_rounded_to_their_dtype() -> None:
    case = own_inputs("0.1..0.3", "x", torch.full((32, 40), 0.3).to(torch.float16))
    load_inputs(case).arguments(complete(case, Example({"rows": 32, "cols": 40}, "float16", 1)))


def test_arguments_of_the_cases_own_inputs_promise_what_is_declared_and_nothing_else() -> None:
    inputs = (
        "def inputs(generator, dtype, rows, cols):\n    return {'x': torch.rand(rows, cols).to(dtype), 'alpha': 9.0}"
    )
    text = prompt_of(case_of(inputs))
    assert "- `x`: shape [rows, cols], only read. Values: as the task says.\n" in text
    assert "- `alpha`: as the task says.\n" in text and "- `step`: 3 to 9.\n" in text
    assert "- `index`: shape [rows], only read. Values: any.\n" in text


def test_scalars_and_sizes_are_told_with_their_ranges() -> None:
    for keys in ({}, python({})):
        text = prompt_of(case_of(zero="true", dims="{rows: 1..40, cols: rows..50}", **keys))
        assert all(
            f"- `{piece}.\n" in text for piece in ("alpha`: -2.5 to 3.5", "step`: 3 to 9", "flag`: one of true, false")
        )
        assert "rows to 50, or 0 where rows is 1" in text


@pytest.mark.parametrize(
    ("task", "text"), [("NaN may occur.", "zeros of both signs, and NaN"), ("Do it.", "but no NaN")]
)
def test_nan_is_told_where_it_is_drawn(task: str, text: str) -> None:
    assert text in prompt_of(case_of(task=task, args={"x": "{shape: [rows, cols], values: wild}"}))


def test_the_flags_of_nvcc_are_told_and_no_other_one_changes_the_language() -> None:
    assert f"`{' '.join(LANGUAGE_FLAGS)}`" in prompt_of(case_of())
    about_output = ("-O2", "-w", "-lineinfo", "-Xptxas=-v", "-Xcompiler=-fPIC,-fvisibility=hidden")
    assert set(STUDENT_FLAGS) == {*LANGUAGE_FLAGS, *about_output}, (
        "a new flag belongs into launcher.md, or into this list"
    )
