"""Sizes and examples: drawn where kernels break, within every bound; written out and read back."""

from __future__ import annotations

import math
from math import prod
from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.example_text import single
from pytest_upskill.cases.sizes import problem
from pytest_upskill.errors import UsageError
from pytest_upskill.oracle import search, size_distribution
from pytest_upskill.oracle.draw import LARGEST, examples, parse_example
from pytest_upskill.oracle.required_examples import required_examples
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.records import Example
from tests.unit.oracle_kernels import make_case

SAME = "def f(x):\n    return x"


def drawn(case: Case, count: int = 60, seed: int = 5, dtype: str = "float32", *, large: bool = False) -> list[Example]:
    found: list[Example] = []
    strategy = examples(case, OutputSize(), dtype, large=large)
    for index in range(0, count, search.BATCH):
        search.generate(search.Batch(dtype, index, search.BATCH, large), strategy, seed, found.append)
    return found


@pytest.fixture
def case(tmp_path: Path) -> Case:
    front = "dims:\n  rows: 1..512\n  cols: 1..4096\nargs:\n  x: [rows, cols]\ndtypes: [float32, float16]\n"
    return make_case(tmp_path, "f(Tensor x) -> Tensor", front, SAME)


def test_a_higher_step_never_gives_a_smaller_size() -> None:
    rungs = size_distribution.of_range(0, 5000)
    sizes = [rungs.pick(step) for step in range(0, size_distribution.STEPS, 4001)]
    assert sizes == sorted(sizes) and sizes[0] == 0 and sizes[-1] == 5000


def test_the_size_distribution_favours_sizes_around_warps_and_bounds_and_leaves_out_none() -> None:
    rungs = size_distribution.of_range(1, 40)
    sizes = [rungs.pick(step) for step in range(0, size_distribution.STEPS, 997)]
    assert set(sizes) == set(range(1, 41))
    assert min(sizes.count(size) for size in (31, 32, 33, 1, 40, 39)) > 2 * sizes.count(20)


def test_drawn_sizes_are_small_legal_and_varied(case: Case) -> None:
    found = drawn(case)
    assert all(problem(case, one.dims, one.scalars) is None for one in found)
    assert max(prod(one.dims.values()) for one in found) <= 1 << 14
    assert len({one.dims["cols"] for one in found}) > 20
    assert max(one.dims["cols"] for one in found) > 1025 and max(one.dims["rows"] for one in found) > 128


def test_large_examples_reach_far_beyond_the_small_ones(case: Case) -> None:
    sizes = [prod(one.dims.values()) for one in drawn(case, 18, large=True)]
    assert max(sizes) > 1 << 17 and max(sizes) <= 1 << 20


def test_a_device_with_more_room_gets_larger_examples_and_longer_grids(tmp_path: Path) -> None:
    front = "dims:\n  rows: 1..200000\n  cols: 1..4096\nargs:\n  x: [rows, cols]\n"
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", front, SAME)
    found: list[Example] = []
    strategy = examples(case, OutputSize(), "float32", large=True, largest=1 << 22)
    for index in range(3):
        search.generate(search.Batch("float32", index, search.BATCH, large=True), strategy, 5, found.append)
    sizes = [prod(one.dims.values()) for one in found]
    assert 1 << 20 < max(sizes) <= 1 << 22
    assert max(one.dims["rows"] for one in found) > 65_535


def test_the_same_seed_draws_the_same_examples_and_another_seed_others(case: Case) -> None:
    assert drawn(case, 18) == drawn(case, 18)
    assert drawn(case, 18) != drawn(case, 18, seed=6)


def test_seeds_do_not_repeat(case: Case) -> None:
    seeds = [one.seed for one in drawn(case, 45) if one.seed]
    assert len(set(seeds)) == len(seeds)


def test_the_first_example_is_the_simplest(case: Case) -> None:
    assert str(drawn(case, 9)[0]) == "rows=1 cols=1 dtype=float32 seed=0 values=normal"


def test_conditions_lists_and_bounds_by_earlier_dims_are_kept(tmp_path: Path) -> None:
    front = (
        "dims:\n  heads: [1, 2, 4, 6]\n  width: 1..512\n  window: 1..width\n"
        "where: ['width % heads == 0', 'window * size <= 600']\n"
        "args:\n  x: [heads, width]\n  size: {values: 1..9}\n  flag: {values: [true, false]}\n"
    )
    op = "f(Tensor x, int size, bool flag) -> Tensor"
    case = make_case(tmp_path, op, front, "def f(x, size, flag):\n    return x")
    found = drawn(case)
    assert len(found) >= 30
    for one in found:
        assert one.dims["heads"] in (1, 2, 4, 6) and one.dims["width"] % one.dims["heads"] == 0
        assert 1 <= one.dims["window"] <= one.dims["width"] and one.dims["window"] * one.scalars["size"] <= 600
    assert {one.scalars["flag"] for one in found} == {0, 1}


@pytest.mark.parametrize("front", ["dims:\n  n: 1..64\nzero: true\n", "dims:\n  n: 0..64\n"])
def test_a_dim_is_zero_only_where_the_case_allows_it(tmp_path: Path, front: str) -> None:
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", front + "args:\n  x: [n]\n", SAME)
    assert 0 in {one.dims["n"] for one in drawn(case)}
    other = make_case(tmp_path, "f(Tensor x) -> Tensor", "dims:\n  n: 1..64\nargs:\n  x: [n]\n", SAME)
    assert 0 not in {one.dims["n"] for one in drawn(other)}


def test_nothing_is_left_in_the_folder_where_tests_run(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    drawn(case, 45)
    assert list(here.iterdir()) == []


def test_an_examples_text_reads_back_to_the_same_example(case: Case) -> None:
    for example in drawn(case, 18):
        assert parse_example(str(example), case) == example


def test_what_a_text_leaves_out_comes_from_the_seed(case: Case) -> None:
    first = parse_example("rows=1 cols=33 dtype=float16 seed=7", case)
    assert first == parse_example("seed=7 cols=33 rows=1 dtype=float16", case)
    assert first.values and parse_example(str(first), case) == first


def test_a_dim_of_one_size_and_a_sole_dtype_may_be_left_out(tmp_path: Path) -> None:
    front = "dims:\n  n: 1..9\n  width: 64\nargs:\n  x: [n, width]\n"
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", front, SAME)
    example = parse_example("n=3 seed=1", case)
    assert example.dims == {"n": 3, "width": 64} and example.dtype == "float32"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows=1 cols dtype=float16 seed=7", "'cols' of case 'f': each piece must be name=value"),
        ("rows=1 cosl=3 dtype=float16 seed=7", "did you mean 'cols'?"),
        ("rows=1 rows=2 cols=3 dtype=float16 seed=7", "'rows' is given twice"),
        ("rows=1 dtype=float16 seed=7", "'cols' of case 'f': it is missing"),
        ("rows=1 cols=-3 dtype=float16 seed=7", "'cols' must be a whole number, not negative"),
        ("rows=0 cols=3 dtype=float16 seed=7", "'rows' must be 1 to 512"),
        ("rows=1 cols=3 dtype=float16 seed=9999999999999999999", "'seed' has more than 18 digits"),
        ("rows=1 cols=3 dtype=float64 seed=7", "the case has float32, float16"),
        ("rows=1 cols=3 seed=7", "'dtype' of case 'f': it is missing"),
        ("rows=1 cols=3 dtype=float16", "'seed' of case 'f': it is missing"),
        ("rows=1 cols=3 dtype=float16 seed=7 values=odd", "'values' must be one of normal, uniform"),
    ],
)
def test_a_bad_text_is_refused_with_its_piece_the_rule_and_the_form(case: Case, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_example(text, case)
    assert said in str(caught.value)
    assert "Write it as 'rows=33 cols=33 dtype=float32 seed=7'" in str(caught.value)


@pytest.mark.parametrize(("values", "legal", "illegal", "rule"), [
    ("-4.0..0.3", ["-4", "0.3", "-1e-3", "0"], ["0.31", "nan", "inf", "1e99"], "'alpha' must be -4 to 0.3"),
    ("[0.1, .inf]", ["0.1", "inf"], ["0.2", "nan"], "'alpha' must be one of 0.1, inf"),
])  # fmt: skip
def test_a_floating_scalar_is_read_as_a_float32_value_of_the_case(
    tmp_path: Path, values: str, legal: list[str], illegal: list[str], rule: str
) -> None:
    front = f"dims:\n  n: 1..9\nargs:\n  x: [n]\n  alpha: {{values: {values}}}\n"
    case = make_case(tmp_path, "f(Tensor x, float alpha) -> Tensor", front, "def f(x, alpha):\n    return x * alpha")
    assert "alpha" not in parse_example("n=3 seed=1", case).scalars
    for text in legal:
        example = parse_example(f"n=3 alpha={text} seed=1", case)
        (alpha,) = example.scalars.values()
        assert math.isclose(alpha, float(text), rel_tol=1e-7) and alpha == single(alpha)
        assert parse_example(str(example), case) == example
    for text in illegal:
        with pytest.raises(UsageError) as caught:
            parse_example(f"n=3 alpha={text} seed=1", case)
        assert f"example 'alpha={text}' of case 'f': {rule}" in str(caught.value)
    with pytest.raises(UsageError, match="'alpha' must be a number"):
        parse_example("n=3 alpha=half seed=1", case)


def test_a_text_that_breaks_a_condition_is_refused(tmp_path: Path) -> None:
    front = "dims:\n  rows: 1..64\n  cols: 1..64\nwhere: ['cols % rows == 0']\nargs:\n  x: [rows, cols]\n"
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", front, SAME)
    with pytest.raises(UsageError, match="the case says 'where: cols % rows == 0'"):
        parse_example("rows=2 cols=3 seed=1", case)


def test_a_plan_has_the_asked_number_and_two_large_ones() -> None:
    for count in (1, 3, 5, 25, 100):
        batches = search.plan("float32", count)
        assert sum(batch.count for batch in batches) == count
    assert sum(batch.count for batch in search.plan("float32", 25) if batch.large) == 2


def test_a_plan_with_a_forced_family_has_it_in_small_examples_and_in_a_large_one() -> None:
    for count in (1, 3, 4, 5, 8, 25, 100):
        batches = search.plan("float32", count, "outliers")
        assert sum(batch.count for batch in batches) == count
        assert [batch.index for batch in batches] == list(range(len(batches))) and all(
            batch.count > 0 for batch in batches
        )
        assert sum(batch.count for batch in batches if batch.large and batch.family) == (count >= 3)
    assert sum(batch.count for batch in batches if batch.family and not batch.large) == 11


def test_large_examples_of_one_family_alone_are_never_small(case: Case) -> None:
    found: list[Example] = []
    strategy = examples(case, OutputSize(), "float32", large=True, among=("outliers",))
    for index in range(6):
        search.generate(search.Batch("float32", index, 1, large=True, family="outliers"), strategy, 5, found.append)
    assert len(found) == 6 and min(prod(one.dims.values()) for one in found) > 1 << 16
    assert {one.values for one in found} == {"outliers"}


def required(case: Case, dtype: str, known: dict[str, int], largest: int = LARGEST, count: int = 25) -> list[Example]:
    tried = [(Example(known, dtype, seed), prod(known.values())) for seed in range(count)]
    return list(required_examples(case, OutputSize(), largest, dtype, 5, tried))


def test_each_dim_is_tried_at_its_largest_size_in_one_dtype(case: Case) -> None:
    known = {"rows": 2, "cols": 99}
    ends = [one.dims for dtype in case.dtypes for one in required(case, dtype, known) if one.values != "far"]
    assert ends == [{"rows": 512, "cols": 1}, {"rows": 2, "cols": 4096}]  # 512 x 99 is no small example


def test_a_largest_size_that_was_drawn_or_is_beyond_the_limit_is_not_tried_again(case: Case) -> None:
    end, few = {"rows": 512, "cols": 3}, {"rows": 2, "cols": 3}
    assert end in [one.dims for one in required(case, "float32", few)]
    assert [one.values for one in required(case, "float32", end) if one.dims == end] == ["far"] * 3
    assert {**end, "cols": 1} not in [one.dims for one in required(case, "float32", {"rows": 2, "cols": 99}, 500)]
    assert end not in [one.dims for one in required(case, "float32", few, count=8)]


def test_sizes_beyond_the_limits_of_a_grid_are_drawn_more_often() -> None:
    rungs = size_distribution.of_range(1, 70000)
    sizes = [rungs.pick(step) for step in range(0, size_distribution.STEPS, 997)]
    assert min(sizes.count(size) for size in (65535, 65536, 65537)) > 10 * max(sizes.count(60000), 1)
