"""Wrong results and what becomes of them: every mutant dies in a sound case, and lives where a case is weak."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch

from pytest_upskill.case_quality import quality
from pytest_upskill.case_quality.result import CaseQuality
from pytest_upskill.case_quality.result_mutants import MUTANTS, Context, right_result
from pytest_upskill.cases.case import Case
from pytest_upskill.execution.case_gate import subject_of
from pytest_upskill.oracle.draw import parse_example
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import Preparation, Prepared
from pytest_upskill.oracle.reference import load_inputs
from tests.sampling import every
from tests.unit.oracle_kernels import ROWS_COLS, Run, kernel, make_case, signature_of

OP = "f(Tensor x) -> Tensor"
TWO = ROWS_COLS + "dtypes: [float32, float16]\n"
DOUBLE = "def f(x):\n    return x * 2"


def checked(case: Case, run: Run | None = None) -> CaseQuality:
    return quality.check(subject_of(case), run, None, 1 << 14)


def rejected(found: CaseQuality) -> set[str]:
    return {one.name for one in found.assertions if one.passed}


def spoiled(case: Case, example: str, previous: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    """What each mutant makes of the first output of an example; those that do not apply are left out."""
    with isolated():
        prepared = Preparation(case, signature_of(case).layout).prepare(parse_example(example, case))
    assert isinstance(prepared, Prepared)
    expected = prepared.expected[0]
    nothing = torch.empty(0)
    context = Context(
        prepared.call, expected, right_result(expected), nothing if previous is None else previous, nothing
    )
    made = {mutant.name: mutant.make(context) for mutant in MUTANTS}
    return {name: value for name, value in made.items() if value is not None}


@pytest.fixture
def doubles(tmp_path: Path) -> Case:
    return make_case(tmp_path, OP, TWO, DOUBLE)


def test_a_sound_case_rejects_every_mutant_that_applies(doubles: Case) -> None:
    found = checked(doubles)
    assert found.problem is None
    names = {"varies", *(f"rejects[{mutant.name}]" for mutant in MUTANTS)} - {
        "rejects[other-inputs]",
        "rejects[single]",
    }
    assert rejected(found) == names


def test_mutants_spoil_what_they_say(doubles: Case) -> None:
    old = torch.full((6,), 7.0)
    made = spoiled(doubles, "rows=2 cols=40 dtype=float32 seed=5 values=normal", old)
    with isolated():
        prepared = Preparation(doubles, signature_of(doubles).layout).prepare(
            parse_example("rows=2 cols=40 dtype=float32 seed=5 values=normal", doubles)
        )
    assert isinstance(prepared, Prepared)
    right = right_result(prepared.expected[0])
    assert torch.equal(made["zeros"], torch.zeros(2, 40)) and torch.equal(made["ones"], torch.ones(2, 40))
    assert torch.equal(made["input"] * 2, right)
    assert made["mean"].unique().numel() == 1 and torch.allclose(made["mean"][0, 0], right.mean(), atol=1e-5)
    assert torch.equal(made["last-row"][0], right[0]) and bool((made["last-row"][1] == 7).all())
    tile = made["last-tile"].reshape(-1)
    assert torch.equal(tile[:64], right.reshape(-1)[:64]) and bool((tile[64:] == 7).all())
    first = made["first-element"].reshape(-1)
    assert first[0] == right[0, 0] and bool((first[1:] == 7).all())
    assert int((made["first-tile"] == 7).sum()) == 80 - 32
    assert torch.equal(made["last-column"][:, :39], right[:, :39])
    assert torch.equal(made["last-column"][:, 39], right[:, 38])
    assert torch.equal(made["half"], right.half().float()) and not torch.equal(made["half"], right)
    assert torch.equal(made["previous"], torch.full((2, 40), 7.0))


def test_mutants_that_would_be_right_do_not_apply(doubles: Case) -> None:
    made = spoiled(doubles, "rows=1 cols=1 dtype=float16 seed=5 values=normal")
    assert set(made) == {"zeros", "ones", "input"}


def test_an_in_place_tensor_that_is_left_alone_is_a_mutant(tmp_path: Path) -> None:
    case = make_case(
        tmp_path, "f(Tensor x, Tensor(a!) y) -> ()", "dims: {n: 1..200}\nargs:\n  x: [n]\n  y: [n]\n",
        "def f(x, y):\n    y.add_(x)",
    )  # fmt: skip
    made = spoiled(case, "n=50 dtype=float32 seed=1 values=normal")
    with isolated():
        prepared = Preparation(case, signature_of(case).layout).prepare(
            parse_example("n=50 dtype=float32 seed=1 values=normal", case)
        )
    assert isinstance(prepared, Prepared)
    own = next(one for one in prepared.call.arguments if one.name == "y")
    assert made["input"].numpy().tobytes() == bytes(own.data)  # type: ignore[union-attr]
    assert checked(case).problem is None


WEAK: dict[str, tuple[str, str, str, str, str]] = {
    "tolerance": (
        OP, TWO + "tolerance: {rtol: 1.0, atol: 9.0}\n", DOUBLE, "rejects[input]", "without the case's own 'tolerance'",
    ),
    "tolerance-of-one-dtype": (
        OP, TWO + "tolerance: {float16: {rtol: 1.0, atol: 9.0}}\n", DOUBLE, "rejects[input]", "(float16); this is",
    ),
    "equal-elements": (
        OP, TWO, "def f(x):\n    return torch.softmax(x, -1).mean(-1, keepdim=True).expand(x.shape)", "varies",
        "change the reference",
    ),
    "mean-of-softmax": (OP, TWO, "def f(x):\n    return torch.softmax(x, -1).mean()", "varies", "hardly varies"),
    "zero-weights": (OP, TWO, "def f(x):\n    return x * 0.0", "varies", "change the reference"),
    "one-value": (
        OP, "dims: {n: 1..300}\nargs:\n  x: {shape: [n], values: [2.0]}\n", DOUBLE, "rejects[mean]",
        "drawn without 'values' of 'x'",
    ),
    "identity": (OP, TWO, "def f(x):\n    return x * 1", "rejects[input]", "change the reference"),
    "bools": (OP, TWO, "def f(x):\n    return x > 1e6", "varies", "change the reference"),
}  # fmt: skip


@pytest.mark.parametrize("weak", every(2, list(WEAK), str))
def test_a_weak_case_is_refused_with_the_mutant_that_lived(tmp_path: Path, weak: str) -> None:
    op, front, reference, name, advice = WEAK[weak]
    found = checked(make_case(tmp_path, op, front, reference))
    failed = {one.name: one.message for one in found.assertions if not one.passed}
    assert name in failed
    assert advice in failed[name], failed[name]
    assert found.problem in failed.values()
    assert found.advice == () and found.more == ()


SOUND: dict[str, tuple[str, str, str]] = {
    "several-outputs": (
        "f(Tensor x) -> (Tensor values, Tensor indices)", TWO, "def f(x):\n    return x.max(-1)",
    ),
    "integers": (
        OP, "dims: {n: 1..300}\nargs:\n  x: {shape: [n], dtype: int32, values: -99..99}\n",
        "def f(x):\n    return x * 3 + 1",
    ),
    "bools": (OP, TWO, "def f(x):\n    return x > 0.25"),
    "one-number": (OP, TWO, "def f(x):\n    return x.sum()"),
    "fixed-dims": (OP, "dims: {n: 16}\nargs:\n  x: [n]\n", DOUBLE),
    "float64": (OP, ROWS_COLS + "dtypes: [float64]\n", DOUBLE),
    "zero-sizes": (OP, "dims: {n: 0..300}\nargs:\n  x: [n]\n", DOUBLE),
    "with-inputs": (OP, ROWS_COLS, "def f(x):\n    return x.cumsum(-1)"),
}  # fmt: skip


@pytest.mark.parametrize(("op", "front", "reference"), SOUND.values(), ids=SOUND.keys())
def test_a_sound_case_is_worth_asking(tmp_path: Path, op: str, front: str, reference: str) -> None:
    assert checked(make_case(tmp_path, op, front, reference)).problem is None


def test_one_weak_output_of_two_is_named(tmp_path: Path) -> None:
    case = make_case(
        tmp_path, "f(Tensor x) -> (Tensor twice, Tensor flag)", ROWS_COLS,
        "def f(x):\n    return x * 2, torch.zeros_like(x, dtype=torch.int32)",
    )  # fmt: skip
    assert "writes zeros passes: 'flag'" in str(checked(case).problem)


def twice(factor: float) -> Run:
    def compute(values: dict[str, object]) -> torch.Tensor:
        x = values["x"]
        assert isinstance(x, torch.Tensor)
        return x * factor

    return kernel(compute)


@pytest.mark.parametrize(("factor", "problem"), [(2.0, None), (2.5, "its own solution fails correct[float32]")])
def test_the_solution_must_pass(doubles: Case, factor: float, problem: str | None) -> None:
    found = checked(doubles, twice(factor))
    assert found.assertions[0].name == "solution"
    assert found.problem is None if problem is None else problem in str(found.problem)


def test_the_verdict_is_the_same_each_time(doubles: Case) -> None:
    assert checked(doubles) == checked(doubles)


def test_every_example_is_watched_once(doubles: Case) -> None:
    seen: list[str] = []
    watch: Callable[[Prepared], None] = lambda prepared: seen.append(str(prepared.example))  # noqa: E731
    quality.check(subject_of(doubles), twice(2.0), None, 1 << 14, watch)
    assert len(seen) == len(set(seen)) > 40


WHOLE = "dims: {n: 1..300}\nargs:\n  x: {shape: [n], values: [0.0, 1.0, 2.0, 3.0]}\n"
TOLERANT = TWO + "tolerance: {float32: {rtol: 1.0e-3, atol: 1.0e-3}}\n"
NARROW_RANGE = "dims: {n: 1..300}\nargs:\n  x: {shape: [rows, n], values: 0.0..1.0}\n".replace("{n:", "{rows: 1..9, n:")
AMAX = "def f(x):\n    return x.amax(-1)"
EPSILON = "def f(x):\n    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()"

ALLOWED: dict[str, tuple[str, str, str]] = {
    "half-of-small-whole-numbers": (WHOLE, DOUBLE, "in half precision passes*drawn without 'values' of 'x'"),
    "results-of-one-tile": (
        "dims: {n: 1..16}\nargs:\n  x: [n]\n", DOUBLE, "its first 32 elements only*dims, such as 'n: 1..64'",
    ),
    "maximum-of-nothing-below-0": (
        NARROW_RANGE, AMAX, "starts its maximum at 0 or -1 or -100 passes*'values' of 'x'",
    ),
    "minimum-of-nothing-above-1": (NARROW_RANGE, AMAX.replace("max", "min"), "starts its minimum at 1 or 100 passes*"),
    "halves-that-are-never-drawn": (
        NARROW_RANGE, "def f(x):\n    return x.round()", "rounds halves away from zero passes*",
    ),
    "epsilon-beside-large-numbers": (
        NARROW_RANGE.replace("0.0..1.0", "1.0..2.0"), EPSILON.replace("1e-5", "1e-10"),
        "does not add 1e-10 passes*",
    ),
    "no-ties": (
        "dims: {n: 33..300}\nargs:\n  x: {shape: [n], dtype: int32, values: permutation}\n",
        "def f(x):\n    return x.sort(-1).indices",
        "takes the last of equal elements passes*",
    ),
}  # fmt: skip


@pytest.mark.parametrize("allowed", every(2, list(ALLOWED), str))
def test_a_mutant_that_no_allowed_input_kills_is_advice(tmp_path: Path, allowed: str) -> None:
    front, reference, advice = ALLOWED[allowed]
    found = checked(make_case(tmp_path, OP, front, reference))
    assert found.problem is None
    assert any(fnmatch(one, f"advice: a kernel that *{advice}") for one in found.advice), found.advice


def test_a_mutant_that_only_the_cases_own_tolerance_lets_pass_is_refused(tmp_path: Path) -> None:
    found = checked(make_case(tmp_path, OP, TOLERANT, DOUBLE))
    assert "computes in half precision passes" in str(found.problem)
    assert "without the case's own 'tolerance'" in str(found.problem)


KILLED: dict[str, tuple[str, str]] = {
    "extremes": (ROWS_COLS, "def f(x):\n    return x.amax(-1) + x.amin(-1)"),
    "ties": (ROWS_COLS, "def f(x):\n    return x.argmax(-1)"),
    "ties-of-topk": (ROWS_COLS.replace("1..1100", "2..1100"), "def f(x):\n    return x.topk(2).indices"),
    "halves": (
        ROWS_COLS.replace("[rows, cols]", "{shape: [rows, cols], values: [0.5, 1.5, 2.25, -2.5, 3001.0]}"),
        "def f(x):\n    return x.round()"
    ),
    "epsilon": (ROWS_COLS, EPSILON),
    "epsilon-of-layer-norm": (
        ROWS_COLS, "def f(x):\n    return torch.nn.functional.layer_norm(x, x.shape[-1:])"
    ),
    "wide-integers": (
        "dims: {n: 1..300}\nargs:\n  x: {shape: [n], dtype: int64}\n", "def f(x):\n    return x * 3"
    ),
    "the-same-in-another-way": (
        ROWS_COLS,
        "def f(x):\n    y = (x - x.amax(-1, keepdim=True)).exp()\n    return y / y.sum(-1, keepdim=True)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("killed", every(2, list(KILLED), str))
def test_mutants_of_the_reference_that_examples_kill_are_no_advice(tmp_path: Path, killed: str) -> None:
    front, reference = KILLED[killed]
    found = checked(make_case(tmp_path, OP, front, reference))
    assert found.problem is None
    assert found.advice == ()


RARE = "dims: {n: 1..%s}\nargs:\n  x: {shape: [n], values: [%s]}\nexamples: 3\n"
ADDED: dict[str, tuple[str, str, float]] = {
    "half": (RARE % (4, ", ".join(map(str, (*range(1, 40), 4097.0)))), DOUBLE, 4097.0),
    "maximum": (RARE % (2, ", ".join(map(str, (*range(1, 16), -200.0)))), AMAX, -200.0),
}


@pytest.mark.parametrize(("front", "reference", "rare"), ADDED.values(), ids=ADDED.keys())
def test_an_allowed_input_that_kills_a_survivor_is_added_and_the_solution_must_pass_it(
    tmp_path: Path, front: str, reference: str, rare: float
) -> None:
    case = make_case(tmp_path, OP, front, reference)
    watched: list[str] = []
    reference_of: dict[str, object] = {}
    exec("import torch\n" + reference, reference_of)

    def solution(wrong: bool) -> Run:
        def compute(values: dict[str, object]) -> torch.Tensor:
            x = values["x"]
            assert isinstance(x, torch.Tensor)
            right = reference_of["f"](x)  # type: ignore[operator]
            return right * 3 if wrong and bool((x == rare).any()) else right

        return kernel(compute)

    found = quality.check(
        subject_of(case), solution(False), None, 1 << 14, lambda one: watched.append(str(one.example))
    )
    assert found.problem is None
    assert found.more
    assert set(found.more) <= set(watched)
    with isolated():
        drawn = [load_inputs(case).arguments(parse_example(text, case))["x"] for text in found.more]
    assert any(bool((x == rare).any()) for x in drawn if isinstance(x, torch.Tensor))
    assert "its own solution fails correct[float32]" in str(
        quality.check(subject_of(case), solution(True), None, 1 << 14).problem
    )


def test_a_larger_size_that_the_dims_allow_is_added(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, "dims: {n: 1..40}\nargs:\n  x: [n]\nexamples: 2\n", DOUBLE)
    found = checked(case)
    assert found.problem is None and found.advice == ()
    assert any(parse_example(text, case).dims["n"] > 32 for text in found.more)
