"""Exploring kernels: right ones pass in any order of summation, wrong ones fail with a small counterexample."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.launcher.signature import derive
from pytest_upskill.errors import CaseError, SandboxError
from pytest_upskill.oracle.draw import parse_example
from pytest_upskill.oracle.explore import explore
from pytest_upskill.oracle.reference import result_dtypes
from pytest_upskill.records import Answer, Call, Finding, TensorArgument
from tests.unit.oracle_kernels import (
    ROWS_COLS,
    Run,
    Values,
    blocked_sum,
    failed,
    fails_to_run,
    judge_kernel,
    kahan_sum,
    kernel,
    make_case,
    pairwise_sum,
    serial_sum,
    verdicts,
)

OP = "f(Tensor x) -> Tensor"
TWO = ROWS_COLS + "dtypes: [float32, float16]\n"
ALL_CORRECT = ["runs", "correct[float32]", "correct[float16]", "memory", "deterministic", "inputs"]


@pytest.fixture
def sums(tmp_path: Path) -> Case:
    return make_case(tmp_path, OP, TWO, "def f(x):\n    return x.sum(-1)")


@pytest.fixture
def doubles(tmp_path: Path) -> Case:
    return make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    return x * 2")


@pytest.fixture
def thirds(tmp_path: Path) -> Case:
    """No whole coefficients: honest kernels may differ in the last digit."""
    return make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    return x / 3")


def on_x(compute: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    def with_x(values: Values) -> torch.Tensor:
        x = values["x"]
        assert isinstance(x, torch.Tensor)
        return compute(x)

    return kernel(with_x)


def elements(call: Call) -> int:
    return sum(one.elements for one in call.arguments if isinstance(one, TensorArgument))


# ------------------------------------------------------------------------------------------- right kernels


@pytest.mark.parametrize("add", [serial_sum, pairwise_sum, blocked_sum, kahan_sum])
def test_a_right_kernel_passes_every_assertion_whatever_its_order(sums: Case, add: Callable[..., torch.Tensor]) -> None:
    judgement = judge_kernel(sums, on_x(lambda x: add(x.float())))
    assert verdicts(judgement) == dict.fromkeys(ALL_CORRECT, True)
    assert judgement.counterexample is None and judgement.inconclusive is None


def test_a_matrix_product_and_a_scan_pass(tmp_path: Path) -> None:
    front = "dims:\n  m: 1..40\n  n: 1..40\n  k: 1..300\nargs:\n  x: [m, k]\n  y: [k, n]\n"
    case = make_case(tmp_path, "f(Tensor x, Tensor y) -> Tensor", front, "def f(x, y):\n    return x @ y")

    def product(values: Values) -> torch.Tensor:
        x, y = values["x"], values["y"]
        assert isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor)
        return serial_sum(x[:, None, :] * y.T[None, :, :])

    assert failed(judge_kernel(case, kernel(product))) == []

    def scan(x: torch.Tensor) -> torch.Tensor:
        running, columns = torch.zeros(x.shape[0]), []
        for column in x.unbind(-1):
            running = running + column
            columns.append(running)
        return torch.stack(columns, -1)

    scans = make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    return x.cumsum(-1)")
    assert failed(judge_kernel(scans, on_x(scan))) == []


def test_three_results_of_their_own_dtypes_pass_and_a_swapped_pair_fails(tmp_path: Path) -> None:
    op = "f(Tensor x, Tensor ids) -> (Tensor total, Tensor where, Tensor positive)"
    front = ROWS_COLS + "  ids: {shape: [rows], dtype: int64, values: 0..cols-1}\ndtypes: [float32, float16]\n"
    reference = "def f(x, ids):\n    return x.sum(-1), x.argmax(-1) + ids, x.gather(-1, ids[:, None])[:, 0] > 0"

    def compute(values: Values, shift: int = 0) -> dict[str, torch.Tensor]:
        x, ids = values["x"], values["ids"]
        assert isinstance(x, torch.Tensor) and isinstance(ids, torch.Tensor)
        picked = x.gather(-1, ids[:, None])[:, 0] > 0
        return {"total": serial_sum(x.float()), "where": x.argmax(-1) + ids + shift, "positive": picked}

    case = make_case(tmp_path, op, front, reference)
    assert failed(judge_kernel(case, kernel(compute))) == []
    judgement = judge_kernel(case, kernel(lambda values: compute(values, 1)))
    assert failed(judgement) == ["correct[float32]", "correct[float16]"]
    assert judgement.counterexample is not None and judgement.counterexample.worst is not None
    assert judgement.counterexample.worst.output == "where"


def test_the_first_of_equal_elements_is_asked_for_in_ties(tmp_path: Path) -> None:
    front = ROWS_COLS.replace("x: [rows, cols]", "x: {shape: [rows, cols], values: [0.0, 1.0]}")
    case = make_case(tmp_path, OP, front, "def f(x):\n    return x.argmax(-1)")
    assert failed(judge_kernel(case, on_x(lambda x: x.argmax(-1)))) == []
    last = on_x(lambda x: x.shape[-1] - 1 - x.flip(-1).argmax(-1))
    assert failed(judge_kernel(case, last)) == ["correct[float32]"]


def test_an_argument_that_is_updated_in_place_is_judged_like_an_output(tmp_path: Path) -> None:
    op, front = (
        "f(Tensor(a!) x, Tensor y, float rate) -> ()",
        ROWS_COLS + "  y: [rows, cols]\n  rate: {values: 0.1..0.5}\n",
    )
    case = make_case(tmp_path, op, front, "def f(x, y, rate):\n    x.sub_(rate * y)")
    right = kernel(lambda v: {"x": v["x"] - v["rate"] * v["y"]})  # type: ignore[operator]
    assert failed(judge_kernel(case, right)) == []
    untouched = kernel(lambda v: {"x": v["x"]})  # type: ignore[dict-item]
    judgement = judge_kernel(case, untouched)
    assert failed(judgement) == ["correct[float32]"]
    assert judgement.counterexample is not None and judgement.counterexample.worst is not None
    assert judgement.counterexample.worst.output == "x"


def test_dims_of_zero_and_conditions_work_together(tmp_path: Path) -> None:
    front = "dims:\n  heads: [1, 2, 4]\n  width: 0..96\nwhere: ['width % heads == 0']\nargs:\n  x: [heads, width]\n"
    sizes: set[int] = set()

    def run(call: Call) -> Answer:
        sizes.add(elements(call))
        return on_x(lambda x: x + 1)(call)

    case = make_case(tmp_path, OP, front, "def f(x):\n    return x + 1")
    assert failed(judge_kernel(case, run, examples=25)) == []
    assert 0 in sizes and max(sizes) > 64


# ------------------------------------------------------------------------------------------- wrong kernels


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: serial_sum(x[:, :-1]),
        lambda x: serial_sum(x.half()).float() + 0.01,
        lambda x: torch.zeros(x.shape[0]),
        lambda x: torch.ones(x.shape[0]),
        lambda x: serial_sum(x).mean().expand(x.shape[0]) + 0.01,
        lambda x: torch.where(torch.arange(x.shape[0]) == 0, serial_sum(x), torch.nan),
        lambda x: x[:, 0],
        lambda x: x.reshape(-1)[: x.shape[0]],
        lambda x: serial_sum(x[:, :32]),
    ],
)
def test_wrong_values_fail_every_dtype(sums: Case, compute: Callable[[torch.Tensor], torch.Tensor]) -> None:
    assert failed(judge_kernel(sums, on_x(lambda x: compute(x.float())))) == ["correct[float32]", "correct[float16]"]


def test_an_unbiased_variance_fails(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, TWO, "def f(x):\n    return x.var(-1, correction=0)")
    unbiased = on_x(lambda x: x.float().var(-1, correction=1).nan_to_num())
    assert failed(judge_kernel(case, unbiased)) == ["correct[float32]", "correct[float16]"]
    assert failed(judge_kernel(case, on_x(lambda x: x.float().var(-1, correction=0)))) == []


def test_a_kernel_that_is_wrong_from_one_size_on_is_shrunk_to_that_size(doubles: Case) -> None:
    judgement = judge_kernel(
        doubles, on_x(lambda x: torch.where(torch.arange(x.shape[1]) < 700, x * 2, 0.0)), examples=25
    )
    found = judgement.counterexample
    assert found is not None and found.assertion == "correct[float32]" and found.reproducible
    assert dict(found.example.dims) == {"rows": 1, "cols": 701}
    assert found.worst is not None and (found.worst.index, found.worst.got) == ((0, 700), "0")
    assert found.message.startswith(
        "1 of 701 elements of 'out' is wrong (only the last column); the worst is out[0, 700]"
    )


def test_the_message_counts_the_examples_that_fail(doubles: Case) -> None:
    judgement = judge_kernel(doubles, on_x(lambda x: x * 3))
    assert next(a.message for a in judgement.assertions if not a.passed).endswith("(8 of 8 examples fail)")


def test_a_counterexample_replays_from_its_text(doubles: Case) -> None:
    broken = on_x(lambda x: torch.where(torch.arange(x.shape[0])[:, None] < 5, x * 2, x))
    found = judge_kernel(doubles, broken).counterexample
    assert found is not None
    again = judge_kernel(doubles, broken, only=parse_example(str(found.example), doubles)).counterexample
    assert again is not None and again.message == found.message and again.worst == found.worst


def test_only_one_example_is_run_twice_and_judges_its_own_dtype(sums: Case) -> None:
    calls: list[int] = []

    def run(call: Call) -> Answer:
        calls.append(elements(call))
        return on_x(lambda x: x.float().sum(-1))(call)

    example = parse_example("rows=3 cols=5 dtype=float16 seed=7", sums)
    judgement = judge_kernel(sums, run, only=example)
    assert list(verdicts(judgement)) == ["runs", "correct[float16]", "memory", "deterministic", "inputs"]
    assert calls == [18, 18]


# ------------------------------------------------------------------------------------------- state, time, crashes


class Stateful:
    """Right but for every third call, whose first element is off."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, call: Call) -> Answer:
        self.calls += 1
        return on_x(lambda x: x * 2 + (0.5 if self.calls % 3 == 0 else 0.0))(call)


def test_a_kernel_that_errs_now_and_then_fails_and_is_said_not_to_be_reproducible(doubles: Case) -> None:
    run, counter = Stateful(), [0]

    def once(call: Call) -> Answer:
        counter[0] += 1
        return on_x(lambda x: x * 2 + (1.0 if counter[0] == 4 else 0.0))(call)

    assert "correct[float32]" in failed(judge_kernel(doubles, run))
    found = judge_kernel(doubles, once).counterexample
    assert found is not None and not found.reproducible
    assert "not reproducible: the same call passed when it was tried again" in found.message


def test_other_bits_for_the_same_input_fail_deterministic_alone(thirds: Case) -> None:
    noise = random.Random(1)
    judgement = judge_kernel(thirds, on_x(lambda x: x / 3 * (1 + noise.choice((0, 2**-23)))), examples=25)
    assert failed(judgement) == ["deterministic"]
    assert judgement.counterexample is not None
    assert judgement.counterexample.message.startswith("the same input gave other bits: out[")


def test_repeats_are_asked_of_the_function_for_them_each_with_its_number(doubles: Case) -> None:
    run, numbers = on_x(lambda x: x * 2), []

    def repeat(call: Call, time: int) -> Answer:
        numbers.append(time)
        return run(call)

    signature = derive(doubles, result_dtypes(doubles))
    judgement = explore(doubles, signature.layout, run, seed=1, examples=10, only=None, repeat=repeat)
    assert failed(judgement) == []
    assert len(numbers) >= 2
    assert numbers == list(range(len(numbers)))


def test_a_kernel_whose_bits_depend_on_the_order_of_threads_fails_deterministic(doubles: Case) -> None:
    def repeat(call: Call, time: int) -> Answer:
        return on_x(lambda x: x * (2 + 2**-22))(call)

    signature = derive(doubles, result_dtypes(doubles))
    judgement = explore(doubles, signature.layout, on_x(lambda x: x * 2), seed=1, examples=10, only=None, repeat=repeat)
    assert failed(judgement) == ["deterministic"]
    assert judgement.counterexample is not None and judgement.counterexample.reproducible


def test_atomics_allow_other_bits_within_the_bound_but_not_beyond(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, ROWS_COLS + "atomics: true\n", "def f(x):\n    return x / 3")
    noise = random.Random(1)
    assert failed(judge_kernel(case, on_x(lambda x: x / 3 * (1 + noise.choice((0, 2**-23)))), examples=25)) == []
    seen: set[bytes] = set()

    def wrong_when_repeated(call: Call) -> Answer:
        data = b"".join(bytes(one.data) for one in call.arguments if isinstance(one, TensorArgument) and one.data)
        known = data in seen
        seen.add(data)
        return on_x(lambda x: x / (2 if known else 3))(call)

    assert failed(judge_kernel(case, wrong_when_repeated)) == ["correct[float32]"]


def test_a_crash_ends_the_exploration_and_what_was_not_tried_fails(sums: Case) -> None:
    calls: list[int] = []

    def run(call: Call) -> Answer:
        calls.append(elements(call))
        if elements(call) > 300:
            return fails_to_run("crash", "the kernel's process died of a segmentation fault")
        return on_x(lambda x: x.float().sum(-1))(call)

    judgement = judge_kernel(sums, run)
    assert failed(judgement) == ALL_CORRECT
    assert judgement.assertions[0].message == "the kernel's process died of a segmentation fault"
    assert judgement.assertions[2].message == "not tried to the end: the kernel did not run"
    found = judgement.counterexample
    assert found is not None and found.assertion == "runs" and found.reproducible
    smallest = found.example.dims["rows"] * (found.example.dims["cols"] + 1)
    assert 300 < smallest < 305


def test_a_dtype_that_was_tried_to_the_end_keeps_its_verdict_when_another_crashes(sums: Case) -> None:
    def run(call: Call) -> Answer:
        return fails_to_run("crash", "died") if call.instantiation == 1 else on_x(lambda x: x.sum(-1))(call)

    assert failed(judge_kernel(sums, run)) == ["runs", "correct[float16]", "memory", "deterministic", "inputs"]


def test_a_hang_is_met_once_and_not_shrunk(doubles: Case) -> None:
    hangs: list[int] = []

    def run(call: Call) -> Answer:
        if elements(call) > 100:
            hangs.append(elements(call))
            return fails_to_run("timeout", "no answer within 10 s")
        return on_x(lambda x: x * 2)(call)

    judgement = judge_kernel(doubles, run)
    assert len(hangs) == 1 and judgement.counterexample is not None
    assert judgement.counterexample.message == "no answer within 10 s"


def test_findings_of_the_device_fail_their_assertion_and_keep_their_line(doubles: Case) -> None:
    def run(call: Call) -> Answer:
        answer = on_x(lambda x: x * 2)(call)
        if elements(call) < 40:
            return answer
        finding = Finding("memory", "out-of-bounds", "writes 4 bytes behind 'out'", line=12)
        return Answer(answer.outputs, (finding, Finding("inputs", "changed", "'x' was changed")))

    judgement = judge_kernel(doubles, run)
    assert failed(judgement) == ["memory", "inputs"]
    found = judgement.counterexample
    assert found is not None and (found.assertion, found.line) == ("memory", 12)
    assert 40 <= 2 * found.example.dims["rows"] * found.example.dims["cols"] <= 42


def test_shrinking_stops_after_a_hundred_runs(doubles: Case) -> None:
    runs = [0]

    def run(call: Call) -> Answer:
        runs[0] += 1
        return on_x(lambda x: x * 2 + (x.numel() % 7 == 3))(call)

    judge_kernel(doubles, run, examples=25)
    assert runs[0] <= 25 + 10 + 100 + 2


# ------------------------------------------------------------------------------------------- the judge itself


def test_the_same_seed_asks_the_same_calls_and_another_seed_others(sums: Case) -> None:
    def asked(seed: int) -> list[tuple[int, bytes]]:
        calls: list[tuple[int, bytes]] = []

        def run(call: Call) -> Answer:
            calls.append((call.instantiation, bytes(call.arguments[1].data)))  # type: ignore[union-attr]
            return on_x(lambda x: x.float().sum(-1))(call)

        judge_kernel(sums, run, seed=seed)
        return calls

    first = asked(3)
    assert first == asked(3) and first != asked(4)
    assert len(set(first)) > 12 and len(first) > len(set(first))


def test_torchs_and_pythons_global_state_is_left_alone(tmp_path: Path) -> None:
    inputs = "def inputs(generator, dtype, **dims):\n    return {'x': torch.rand(dims['rows'], dims['cols']).to(dtype)}"
    case = make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    torch.manual_seed(1)\n    return x * 2", inputs)
    torch.manual_seed(5)
    random.seed(5)
    before, python, threads = torch.get_rng_state(), random.getstate(), torch.get_num_threads()
    assert failed(judge_kernel(case, on_x(lambda x: x * 2))) == []
    assert torch.equal(torch.get_rng_state(), before) and random.getstate() == python
    assert torch.get_default_dtype() == torch.float32 and torch.get_num_threads() == threads


def test_a_reference_that_is_unstable_too_often_is_inconclusive(tmp_path: Path) -> None:
    reference = "def f(x):\n    return (x * 200).exp() / (x * 200).exp().sum(-1, keepdim=True)"
    front = ROWS_COLS.replace("x: [rows, cols]", "x: {shape: [rows, cols], values: 0.5..1.0}").replace(
        "cols: 1..", "cols: 40.."
    )
    judgement = judge_kernel(make_case(tmp_path, OP, front, reference), on_x(lambda x: x))
    assert judgement.inconclusive is not None
    assert "of 8 examples cannot be judged" in judgement.inconclusive


def test_a_reference_that_raises_on_some_size_is_a_case_error(tmp_path: Path) -> None:
    reference = "def f(x):\n    if x.shape[1] > 32:\n        raise ValueError('too wide')\n    return x * 2"
    case = make_case(tmp_path, OP, ROWS_COLS, reference)
    with pytest.raises(CaseError, match="the reference raised ValueError: too wide"):
        judge_kernel(case, on_x(lambda x: x * 2))


def test_what_run_raises_passes_through(doubles: Case) -> None:
    def run(call: Call) -> Answer:
        raise SandboxError("no room on the disk")

    with pytest.raises(SandboxError, match="no room on the disk"):
        judge_kernel(doubles, run)


def test_a_cases_own_tolerance_is_noted(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, ROWS_COLS + "tolerance: {rtol: 0.1, atol: 0.1}\n", "def f(x):\n    return x * 2")
    judgement = judge_kernel(case, on_x(lambda x: x * 2.05))
    assert failed(judgement) == [] and judgement.notes == ("judged with the case's own tolerance",)


def test_the_case_and_the_user_say_how_many_examples(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, ROWS_COLS + "examples: 6\n", "def f(x):\n    return x * 2")
    seen: set[bytes] = set()

    def run(call: Call) -> Answer:
        seen.add(bytes(call.arguments[1].data))  # type: ignore[union-attr]
        return on_x(lambda x: x * 2)(call)

    judge_kernel(case, run, examples=None)
    assert len(seen) == 6
    seen.clear()
    judge_kernel(case, run, examples=9)
    assert len(seen) == 9


def test_explore_is_what_the_pipeline_calls(doubles: Case) -> None:
    from pytest_upskill.contracts.launcher.signature import derive
    from pytest_upskill.oracle.reference import result_dtypes

    signature = derive(doubles, result_dtypes(doubles))
    judgement = explore(doubles, signature.layout, on_x(lambda x: x * 2), seed=1, examples=4, only=None)
    assert [assertion.name for assertion in judgement.assertions][:2] == ["runs", "correct[float32]"]


def test_a_dtype_that_could_not_be_tried_is_inconclusive_and_never_a_pass(tmp_path: Path) -> None:
    front = ROWS_COLS + "dtypes: [float32, bfloat16, float16, float64]\n"
    case = make_case(tmp_path, OP, front, "def f(x):\n    return x * 0 + 50000")
    judgement = judge_kernel(case, on_x(lambda x: x * 0 + 50000))
    assert judgement.inconclusive is not None
    assert "the exact result exceeds half of the dtype's range" in judgement.inconclusive


def test_sizes_that_conditions_hardly_allow_are_tried_all_the_same(tmp_path: Path) -> None:
    front = "dims:\n  a: 1..500\n  b: 1..500\nwhere: ['a * 7 == b * 11 + 5']\nargs:\n  x: [a, b]\n"
    calls: list[int] = []

    def run(call: Call) -> Answer:
        calls.append(elements(call))
        return on_x(lambda x: x * 2)(call)

    assert failed(judge_kernel(make_case(tmp_path, OP, front, "def f(x):\n    return x * 2"), run)) == []
    assert calls


def test_a_cell_that_dies_while_shrinking_does_not_hide_the_verdict(doubles: Case) -> None:
    calls = [0]

    def run(call: Call) -> Answer:
        calls[0] += 1
        if calls[0] > 11:
            raise SandboxError("gone")
        return on_x(lambda x: x * 3)(call)

    judgement = judge_kernel(doubles, run)
    assert failed(judgement) == ["correct[float32]"] and judgement.counterexample is not None
