"""Values: the same example gives the same bits, families are moderate, and declared values are kept."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.families import FAMILIES
from pytest_upskill.oracle.reference import load_inputs
from pytest_upskill.oracle.values import Value, complete
from pytest_upskill.records import Example
from tests.unit.oracle_kernels import make_case

DIMS = "dims:\n  rows: 1..64\n  cols: 1..1100\n"


def arguments(
    folder: Path, args: str, op: str = "f(Tensor x) -> Tensor", dtype: str = "float32", seed: int = 1, **dims: int
) -> Mapping[str, Value]:
    names = ", ".join(piece.split()[-1] for piece in op[op.index("(") + 1 : op.index(")")].split(","))
    front = f"{DIMS}args:\n{args}dtypes: [float32, float16, bfloat16, float64]\n"
    case = make_case(folder, op, front, f"def f({names}):\n    return x")
    example = complete(case, Example({"rows": 40, "cols": 50, **dims}, dtype, seed))
    return load_inputs(case).arguments(example)


def tensor(folder: Path, spec: str, **options: object) -> torch.Tensor:
    value = arguments(folder, f"  x: {spec}\n", **options)["x"]  # type: ignore[arg-type]
    assert isinstance(value, torch.Tensor)
    return value


@pytest.fixture
def case(tmp_path: Path) -> Case:
    front = DIMS + "args:\n  x: [rows, cols]\n  y: [rows, cols]\ndtypes: [float32, float16]\n"
    return make_case(tmp_path, "f(Tensor x, Tensor y) -> Tensor", front, "def f(x, y):\n    return x + y")


def test_the_same_example_gives_the_same_bits(case: Case) -> None:
    example = Example({"rows": 5, "cols": 7}, "float16", 9, "mixed")
    first, second = (load_inputs(case).arguments(example) for _ in range(2))
    assert torch.equal(first["x"], second["x"]) and torch.equal(first["y"], second["y"])  # type: ignore[arg-type]


def test_seed_size_dtype_family_argument_and_attempt_each_change_the_contents(case: Case) -> None:
    base = Example({"rows": 5, "cols": 7}, "float32", 9, "normal")
    source = load_inputs(case)
    others = [
        source.arguments(replace(base, seed=10))["x"],
        source.arguments(replace(base, dims={"rows": 7, "cols": 7}))["x"],
        source.arguments(replace(base, dtype="float16"))["x"],
        source.arguments(replace(base, values="scaled"))["x"],
        source.arguments(base)["y"],
        source.arguments(base, 1)["x"],
    ]
    first = source.arguments(base)["x"].reshape(-1)[:4].double().round(decimals=2)  # type: ignore[union-attr]
    assert not any(torch.equal(first, other.reshape(-1)[:4].double().round(decimals=2)) for other in others)  # type: ignore[union-attr]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_finite_and_moderate_at_every_size(family: str) -> None:
    for size in ((), (1,), (0, 3), (33,), (4, 65), (2, 3, 5)):
        values = FAMILIES[family](size, torch.Generator().manual_seed(3))
        assert tuple(values.shape) == size and bool(torch.isfinite(values).all())
        assert values.numel() == 0 or float(values.abs().max()) <= (32_000 if family == "far" else 64)


def test_families_are_what_their_names_say() -> None:
    def draw(name: str) -> torch.Tensor:
        return FAMILIES[name]((64, 64), torch.Generator().manual_seed(5))

    assert 1 <= abs(float(draw("shifted").mean())) <= 4.2
    assert float(draw("outliers").abs().max()) >= 16 and float(draw("outliers").abs().median()) < 1
    for name, least in (("one_sign", 0.01), ("far", 100)):
        drawn = [FAMILIES[name]((64,), torch.Generator().manual_seed(seed)) for seed in range(8)]
        assert all(float(one.abs().min()) >= least and len(one.sign().unique()) == 1 for one in drawn)
        assert {float(one[0].sign()) for one in drawn} == {-1.0, 1.0}
    zeros = draw("zeros")
    assert bool(((zeros == 0) & torch.signbit(zeros)).any()) and bool(((zeros == 0) & ~torch.signbit(zeros)).any())
    assert torch.unique(draw("equal")).numel() <= 64


def test_real_ranges_are_kept_in_low_precision_too(tmp_path: Path) -> None:
    values = tensor(tmp_path, "{shape: [rows, cols], values: 0.1..0.3}", dtype="bfloat16", rows=64, cols=1100)
    assert float(values.double().min()) >= 0.1 and float(values.double().max()) <= 0.3


@pytest.mark.parametrize(
    ("dtype", "narrow"), [("int32", torch.float32), ("int64", torch.int32), ("int64", torch.float64)]
)
def test_undeclared_integers_of_some_tensors_do_not_fit_into_a_narrower_type(
    tmp_path: Path, dtype: str, narrow: torch.dtype
) -> None:
    spec = f"{{shape: [rows, cols], dtype: {dtype}}}"
    drawn = [tensor(tmp_path, spec, seed=seed) for seed in range(64)]
    kept = [torch.equal(values.to(narrow).to(values.dtype), values) for values in drawn]
    assert 8 <= sum(not same for same in kept) <= 48  # the others are small, as most programs use them


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
@pytest.mark.parametrize(("values", "least"), [("", None), (", values: nonnegative", 0), (", values: positive", 1)])
def test_integers_of_some_tensors_reach_both_ends_of_what_is_allowed(
    tmp_path: Path, dtype: str, values: str, least: int | None
) -> None:
    spec, limits = f"{{shape: [rows, cols], dtype: {dtype}{values}}}", torch.iinfo(getattr(torch, dtype))
    drawn = [tensor(tmp_path, spec, seed=seed, rows=20, cols=100) for seed in range(32)]
    ends = (limits.min if least is None else least, limits.max)
    assert 2 <= sum((int(one.min()), int(one.max())) == ends for one in drawn) <= 24
    assert all(int(one.min()) >= ends[0] for one in drawn)
    assert sum(int(one.max()) <= 16 for one in drawn) >= 8


@pytest.mark.parametrize("values", ["-2147483648..2147483647", "-1000000..1000000"])
def test_a_wide_range_is_drawn_up_to_both_ends(tmp_path: Path, values: str) -> None:
    low, high = map(int, values.split(".."))
    drawn = tensor(tmp_path, f"{{shape: [rows, cols], dtype: int32, values: {values}}}", rows=20, cols=100)
    assert (int(drawn.min()), int(drawn.max())) == (low, high)


def test_the_whole_range_of_int64_may_be_declared(tmp_path: Path) -> None:
    values = f"{-(2**63)}..{2**63 - 1}"
    drawn = tensor(tmp_path, f"{{shape: [rows, cols], dtype: int64, values: {values}}}", rows=20, cols=100)
    assert (int(drawn.min()), int(drawn.max())) == (-(2**63), 2**63 - 1)


def test_integer_ranges_include_both_ends_and_may_name_dims(tmp_path: Path) -> None:
    values = tensor(tmp_path, "{shape: [rows, cols], dtype: int64, values: 0..rows-1}", rows=3, cols=100)
    assert values.dtype == torch.int64 and torch.unique(values).tolist() == [0, 1, 2]


def test_in_some_integer_ranges_many_elements_are_equal(tmp_path: Path) -> None:
    spec = "{shape: [rows, cols], dtype: int64, values: -2..40}"
    drawn = [tensor(tmp_path, spec, seed=seed, rows=20, cols=100) for seed in range(64)]
    largest = [int(torch.unique(values, return_counts=True)[1].max()) for values in drawn]
    assert 28 <= sum(count > 1000 for count in largest) <= 56
    assert sum(count > 1800 for count in largest) >= 8
    in_a_row = [max(len(list(group)) for _, group in itertools.groupby(values.flatten().tolist())) for values in drawn]
    assert 10 <= sum(count >= 1000 for count in in_a_row) <= 34
    assert (
        sum(
            count >= 1000 and len(set(values.flatten().tolist())) == 43
            for count, values in zip(in_a_row, drawn, strict=True)
        )
        >= 4
    )
    assert all(int(values.min()) >= -2 and int(values.max()) <= 40 for values in drawn)


def test_lists_may_hold_infinity(tmp_path: Path) -> None:
    values = tensor(tmp_path, "{shape: [rows, cols], values: [0.0, -.inf]}", dtype="float16")
    assert set(torch.unique(values).tolist()) == {0.0, float("-inf")}


def test_bools_have_varying_density(tmp_path: Path) -> None:
    spec = "{shape: [rows, cols], dtype: bool}"
    densities = {round(float(tensor(tmp_path, spec, seed=seed).double().mean()), 1) for seed in range(12)}
    assert len(densities) >= 3


def test_named_values_are_what_they_say(tmp_path: Path) -> None:
    assert float(tensor(tmp_path, "{shape: [rows, cols], values: positive}").min()) > 0
    rows = tensor(tmp_path, "{shape: [rows, cols], values: sorted}")
    assert bool((rows.diff(dim=-1) >= 0).all())
    permuted = tensor(tmp_path, "{shape: [rows, cols], dtype: int32, values: permutation}")
    assert bool((permuted.sort(-1).values == torch.arange(50)).all()) and not torch.equal(permuted[0], permuted[1])
    uniform = tensor(tmp_path, "{shape: [rows, cols], values: uniform}")
    assert float(uniform.min()) >= 0 and float(uniform.max()) <= 1


def test_wild_values_hold_large_tiny_denormal_infinite_and_moderate_ones(tmp_path: Path) -> None:
    values = tensor(tmp_path, "{shape: [rows, cols], values: wild}", dtype="float16", rows=64, cols=1100).double()
    tiny, largest = torch.finfo(torch.float16).tiny, torch.finfo(torch.float16).max
    size = values.abs()
    assert bool(torch.isinf(values).any()) and bool(((size > largest / 4) & torch.isfinite(values)).any())
    assert bool(((size > 0) & (size < tiny)).any()) and bool(((size >= tiny) & (size < 3 * tiny)).any())
    assert float(((size > 1e-3) & (size < 1000)).double().mean()) > 0.75


def test_float_scalars_are_float32_values_within_their_range(tmp_path: Path) -> None:
    op, seen = "f(Tensor x, float eps) -> Tensor", []
    for seed in range(20):
        args = "  x: [rows, cols]\n  eps: {values: 1.0e-6..1.0e-3}\n"
        eps = arguments(tmp_path, args, op, seed=seed)["eps"]
        assert isinstance(eps, float) and eps == float(torch.tensor(eps, dtype=torch.float32)) and 1e-6 <= eps <= 1e-3
        seen.append(eps)
    assert min(seen) < 1e-5 < 1e-4 < max(seen)


def test_an_empty_range_is_an_error_that_names_the_sizes(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="values of 'x' run from 5 to 2 for rows=3 cols=4; narrow 'dims'"):
        tensor(tmp_path, "{shape: [rows, cols], dtype: int64, values: 5..rows-1}", rows=3, cols=4)


def test_inputs_replace_what_they_return_and_replay_even_with_torchs_own_generator(tmp_path: Path) -> None:
    inputs = """
    def inputs(generator, dtype, rows, cols):
        return {"x": torch.randn(rows, cols, generator=generator).to(dtype) + torch.rand(rows, cols).to(dtype)}
    """
    front = DIMS + "args:\n  x: [rows, cols]\n  y: [rows, cols]\n"
    case = make_case(tmp_path, "f(Tensor x, Tensor y) -> Tensor", front, "def f(x, y):\n    return x", inputs)
    example = Example({"rows": 5, "cols": 7}, "float32", 9, "normal")
    first, second = (load_inputs(case).arguments(example) for _ in range(2))
    assert torch.equal(first["x"], second["x"]) and list(first) == ["x", "y"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "shown"),
    [("1 << 63", "9223372036854775808"), ("-(1 << 63) - 1", "-9223372036854775809"), ("float('inf')", "inf"),
     ("torch.tensor(torch.nan)", "nan"), ("10**9999", "a longer int")],
)  # fmt: skip
def test_int_of_inputs_that_int64_cannot_hold_is_an_error_of_the_case(tmp_path: Path, value: str, shown: str) -> None:
    front = "dims:\n  n: 1..8\nargs:\n  x: [n]\n  k: {values: 1..8}\n"
    inputs = f"def inputs(generator, dtype, n):\n    return {{'k': {value}}}"
    case = make_case(tmp_path, "f(Tensor x, int k) -> Tensor", front, "def f(x, k):\n    return x", inputs)
    with pytest.raises(CaseError) as caught:
        load_inputs(case).arguments(complete(case, Example({"n": 2}, "float32", 9)))
    assert f"returned {shown} for 'k', which is an int64_t, from -2^63 to 2^63 - 1; return a number" in str(
        caught.value
    )
    assert "n=2" in str(caught.value) and caught.value.line is not None
