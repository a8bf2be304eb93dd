"""The key ``always``: examples that are read with the case, and tried before those that are drawn."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from random import Random

import pytest
import torch

from pytest_upskill.case_quality import quality
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.cases.example_text import FAMILIES, single
from pytest_upskill.cases.plain_case import to_plain
from pytest_upskill.contracts.launcher.contract import LauncherContract
from pytest_upskill.errors import CaseError
from pytest_upskill.judging.signatures import language_of
from pytest_upskill.oracle import families
from pytest_upskill.oracle.explore import Judgement, explore
from pytest_upskill.records import Answer, Call, Prompt, ResultFacts
from tests.unit.oracle_kernels import kernel, make_case, signature_of, values_of

FRONT = """dims:
  rows: 1..64
  cols: 32..1024
  heads: [1, 2, 4]
where: [cols % heads == 0]
args:
  x: [rows, cols]
  n: {values: 1..9}
  alpha: {values: 0.5..2.0}
dtypes: [float32, float16]
"""
OP = "f(Tensor x, int n, float alpha) -> Tensor"
LEGAL = "rows=1 cols=33 heads=1 dtype=float16 seed=7"


def read(always: str, front: str = FRONT) -> Case:
    code = "```python\ndef f(x, n, alpha):\n    return x\n```\n"
    text = f"---\nop: {OP}\n{front}{always}---\nDo it.\n\n## Reference\n\n{code}"
    return parse_case(text, Path("f.md"), "skill")


def problem(always: str, front: str = FRONT) -> tuple[str, int]:
    with pytest.raises(CaseError) as caught:
        read(always, front)
    assert caught.value.line is not None
    return caught.value.message, caught.value.line


def test_examples_are_read_in_every_form_that_a_failure_prints() -> None:
    texts = (LEGAL, f"{LEGAL} n=3 alpha=0.75 values=outliers", "seed=0 dtype=float32 heads=4 cols=1024 rows=64")
    assert read("always:\n" + "".join(f"  - '{text}'\n" for text in texts)).always == texts
    assert read(f"always: ['{LEGAL}']\n").always == (LEGAL,)
    assert read("").always == ()


@pytest.mark.parametrize(
    ("always", "message"),
    [
        ("always: yes\n", "'always' is 'yes'; it must be a list such as"),
        ("always: []\n", "'always' is an empty list"),
        ("always: [7]\n", "'always' holds '7', which is not a text"),
        ("always: ['row=1 cols=33 heads=1 dtype=float16 seed=7']\n", "'always' holds 'row=1' in 'row=1 cols=33"),
        ("always: ['cols=33 heads=1 dtype=float16 seed=7']\n", "'always' holds 'rows' in 'cols=33 heads=1"),
        ("always: ['rows=65 cols=33 heads=1 dtype=float16 seed=7']\n", "'rows' must be 1 to 64"),
        ("always: ['rows=0 cols=33 heads=1 dtype=float16 seed=7']\n", "'rows' must be 1 to 64"),
        ("always: ['rows=1 cols=33 heads=3 dtype=float16 seed=7']\n", "'heads' must be one of 1, 2, 4"),
        ("always: ['rows=1 cols=33 heads=2 dtype=float16 seed=7']\n", "the case says 'where: cols % heads == 0'"),
        ("always: ['rows=1 cols=33 heads=1 dtype=bfloat16 seed=7']\n", "the case has float32, float16"),
        ("always: ['rows=1 cols=33 heads=1 seed=7']\n", "'always' holds 'dtype' in"),
        ("always: ['rows=1 cols=33 heads=1 dtype=float16']\n", "'always' holds 'seed' in"),
        (f"always: ['{LEGAL} n=10']\n", "'n' must be 1 to 9"),
        (f"always: ['{LEGAL} alpha=3']\n", "'alpha' must be 0.5 to 2"),
        (f"always: ['{LEGAL} alpha=nan']\n", "'alpha' must be 0.5 to 2"),
        (f"always: ['{LEGAL} values=odd']\n", "'values' must be one of normal"),
        (f"always: ['{LEGAL} rows=2']\n", "'rows' is given twice"),
        (f"always: ['{LEGAL}', '{LEGAL}']\n", "'always' holds 'rows=1 cols=33 heads=1 dtype=float16 seed=7' twice"),
    ],
)
def test_what_the_case_does_not_allow_is_refused_with_its_line(always: str, message: str) -> None:
    said, line = problem(always)
    assert message in said and line == FRONT.count("\n") + 3


def test_the_error_is_at_the_line_of_the_example_and_has_the_next_step() -> None:
    said, line = problem(f"always:\n  - '{LEGAL}'\n  - 'rows=99 cols=33 heads=1 dtype=float16 seed=7'\n")
    assert line == FRONT.count("\n") + 5
    assert "write it as 'rows=33 cols=33 heads=33 dtype=float32 seed=7'" in said
    said, _ = problem(f"always:\n  - '{LEGAL}'\n  - 'seed=7 dtype=float16 heads=1 cols=33 rows=1'\n")
    assert f"the same example as '{LEGAL}'; keep one" in said


@pytest.mark.parametrize("bound", ["alpha: {values: 0..64 // (rows - 1)}", "n: {values: 1..64 // (rows - 1)}"])
def test_a_bound_that_cannot_be_computed_for_its_sizes_is_an_error_in_the_example(bound: str) -> None:
    name = bound.partition(":")[0]
    front = re.sub(rf"  {name}: .*", f"  {bound}", FRONT)
    text = "rows={} cols=33 heads=1 dtype=float16 seed=7 n=1 alpha=0.5"
    assert read(f"always: ['{text.format(2)}']\n", front).always
    said, _ = problem(f"always: ['{text.format(1)}']\n", front)
    assert "zero" in said and "write it as" in said


def test_a_text_case_has_no_examples() -> None:
    with pytest.raises(CaseError, match="'always' has no meaning in a case without 'op'"):
        parse_case("---\nexpect: {contains: [a]}\nalways: ['n=1']\n---\nSay a.\n", Path("f.md"), "skill")


def test_neither_the_prompt_nor_what_a_reference_gets_changes() -> None:
    def prompt(case: Case) -> Prompt:
        contract = LauncherContract()
        return Prompt(contract.system_text(), contract.user_text(case, contract.signature(case, ResultFacts({}, {}))))

    plain, more = read("tags: [one]\n"), read(f"always: ['{LEGAL}']\n")
    assert prompt(plain).digest == prompt(more).digest
    assert to_plain(plain) == to_plain(more)


SMALL = "dims:\n  rows: 1..16\n  cols: 1..900\nargs:\n  x: [rows, cols]\ndtypes: [float32, float16]\n"
NAMED = "rows=2 cols=733 dtype=float16 seed=5 values=normal"


def sums(folder: Path, always: str = f"always: ['{NAMED}']\n") -> Case:
    return make_case(folder, "f(Tensor x) -> Tensor", SMALL + always, "def f(x):\n    return x * 2")


def explored(case: Case, cols: int, calls: list[Call] | None = None) -> Judgement:
    """The judgement of a kernel that is wrong for that many columns only."""
    right = kernel(lambda values: values["x"] * 2)  # type: ignore[operator,arg-type,return-value]
    wrong = kernel(lambda values: values["x"] * 3)  # type: ignore[operator,arg-type,return-value]

    def run(call: Call) -> Answer:
        if calls is not None:
            calls.append(call)
        return wrong(call) if values_of(call)["cols"] == cols else right(call)

    return explore(case, signature_of(case).layout, run, seed=3, examples=4, only=None)


def test_a_named_example_is_tried_first_among_those_of_its_dtype_and_once(tmp_path: Path) -> None:
    calls: list[Call] = []
    found = explored(sums(tmp_path), 0, calls)
    assert all(one.passed for one in found.assertions) and not found.notes
    halves = [values_of(call)["cols"] for call in calls if call.instantiation == 1]
    assert halves[0] == 733
    assert halves.count(733) <= 2, "the example, and perhaps its repeat"


def test_a_kernel_that_only_a_named_example_fails_is_found_and_the_example_stays_the_counterexample(
    tmp_path: Path,
) -> None:
    assert all(one.passed for one in explored(sums(tmp_path, ""), 733).assertions)
    found = explored(sums(tmp_path), 733)
    assert [one.name for one in found.assertions if not one.passed] == ["correct[float16]"]
    assert found.counterexample is not None
    shown = found.counterexample.example
    assert (shown.dims["cols"], shown.dims["rows"], shown.seed) == (733, 1, 0), "shrunk as far as it fails"
    assert found.notes == (f"fails an example of 'always': {NAMED}",)


def test_the_self_check_tries_it_too(tmp_path: Path) -> None:
    case, seen = sums(tmp_path), []
    quality.check(
        Subject(case, language_of(case), signature_of(case)), None, None, 1 << 10,
        watch=lambda prepared: seen.append(str(prepared.example)),
    )  # fmt: skip
    assert NAMED in seen


def test_the_names_of_families_are_those_that_are_drawn() -> None:
    assert (*families.FAMILIES, families.INTEGERS) == FAMILIES


def test_numbers_are_rounded_to_single_precision_as_pytorch_does_and_within_the_bounds() -> None:
    random = Random(1)
    for _ in range(2000):
        (value,) = struct.unpack("<d", random.randbytes(8))
        if math.isnan(value):
            continue
        rounded = float(torch.tensor(value, dtype=torch.float64).to(torch.float32))
        assert single(value) == rounded
        if math.isinf(rounded):
            continue
        below = float(torch.nextafter(torch.tensor(rounded), torch.tensor(-math.inf)))
        above = float(torch.nextafter(torch.tensor(rounded), torch.tensor(math.inf)))
        assert single(value, high=value) == (below if rounded > value else rounded)
        assert single(value, low=value) == (above if rounded < value else rounded)
    assert (single(0.0, low=1e-50), single(0.0, high=-1e-50)) == (2.0**-149, -(2.0**-149))
    assert re.fullmatch("inf", str(single(1e300)))
