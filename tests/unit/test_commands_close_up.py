"""The table around one element: rows that show the same thing use the same form."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pytest_upskill.commands.close_up import Seen, shapes, table_lines
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import Preparation, Prepared
from pytest_upskill.records import Example
from pytest_upskill.reporting.text_style import TextStyle
from tests.unit.oracle_kernels import make_case, signature_of

STYLE = TextStyle(80, color=False, unicode=True)
FRONT = "dims:\n  n: 1..8\nargs:\n  x: {shape: [n], dtype: int32, values: -1..1}\n"


@pytest.mark.parametrize(("written", "shown"), [([1, 0, 1], ["True", "False", "True"]), ([1, 0, 2], ["1", "0", "2"])])
def test_flags_are_shown_as_such_unless_a_kernel_wrote_other_bytes(
    tmp_path: Path, written: list[int], shown: list[str]
) -> None:
    case = make_case(tmp_path, "f(Tensor x) -> Tensor keep", FRONT, "def f(x):\n    return x >= 0")
    with isolated():
        found = Preparation(case, signature_of(case).layout).prepare(Example({"n": 3}, "float32", 1, "normal"))
    assert isinstance(found, Prepared)
    outputs = {"keep": bytes(torch.tensor(written, dtype=torch.uint8).numpy())}
    rows = {line.split()[0]: line.split()[1:] for line in table_lines(Seen(found, outputs, "keep", (0,)), STYLE)}
    assert set(rows["expected"]) <= {"True", "False"}
    assert rows["got"] == shown


def test_each_shape_is_shown_with_the_dims_that_it_is_made_of(tmp_path: Path) -> None:
    front = "dims:\n  n: 1..8\nargs:\n  x: {shape: [3, n, n * 2]}\n"
    case = make_case(tmp_path, "f(Tensor x) -> Tensor out", front, "def f(x):\n    return x.sum()")
    with isolated():
        found = Preparation(case, signature_of(case).layout).prepare(Example({"n": 5}, "float32", 1, "normal"))
    assert isinstance(found, Prepared)
    text = shapes(Seen(found, {}, "out", (), sizes={"x": ["3", "n", "n * 2"]}))
    assert text == "x [3, n=5, n * 2=10], out []"
