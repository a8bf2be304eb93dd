"""Measures the oracle: false rejections of correct algorithms, surviving mutants, and the cost of judging.

    python -m benchmarks.oracle [--rows 256] [--repeats 2] [--sizes 1,2,33,257,1025] [--seeds 3] [--dtypes
    float32,float16]

Correct algorithms (serial, blocked, pairwise, Welford, two-pass; low-precision inputs accumulated in float) are
emulated row by row in float32; each row counts as one example. The goal is 400,000 examples without a rejection, and
every mutant killed within the default number of examples. Prints the largest ratio of error to bound of each correct
algorithm.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.contracts.launcher.signature import derive
from pytest_upskill.oracle.compare import judge, read
from pytest_upskill.oracle.explore import EXAMPLES, explore
from pytest_upskill.oracle.families import FAMILIES, INTEGERS
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import GivenUp, Preparation, Prepared, as_bytes
from pytest_upskill.oracle.reference import result_dtypes
from pytest_upskill.oracle.values import DTYPE
from pytest_upskill.records import Answer, Call, Example, TensorArgument

Tensor = torch.Tensor
Inputs = Mapping[str, Tensor | float]
Algorithm = Callable[..., Tensor]
Adder = Callable[[Tensor], Tensor]


# ------------------------------------------------------------------------------------------- ways to add


def serial(x: Tensor) -> Tensor:
    """One accumulator from the first to the last element of each row."""
    total = torch.zeros(x.shape[:-1], dtype=x.dtype)
    for column in x.unbind(-1):
        total = total + column
    return total


def blocked(x: Tensor, threads: int = 64) -> Tensor:
    """Each thread adds every 64th element, then a tree adds the threads: a usual block reduction."""
    missing = -x.shape[-1] % threads
    strided = torch.nn.functional.pad(x, (0, missing)).reshape(*x.shape[:-1], -1, threads)
    return pairwise(serial(strided.transpose(-1, -2)))


def pairwise(x: Tensor) -> Tensor:
    """A tree over all elements."""
    while x.shape[-1] > 1:
        if x.shape[-1] % 2:
            x = torch.nn.functional.pad(x, (0, 1))
        x = x[..., 0::2] + x[..., 1::2]
    return x[..., 0] if x.shape[-1] else torch.zeros(x.shape[:-1], dtype=x.dtype)


def half_serial(x: Tensor) -> Tensor:
    """Wrong: accumulates in float16."""
    return serial(x.to(torch.float16)).to(torch.float32)


def drop_last(add: Adder) -> Adder:
    """Wrong: leaves the last element out."""
    return lambda x: add(x[..., :-1])


ADDERS: Mapping[str, Adder] = {"serial": serial, "blocked": blocked, "pairwise": pairwise}


# ------------------------------------------------------------------------------------------- operators


def total(x: Tensor, add: Adder) -> Tensor:
    return add(x)


def mean(x: Tensor, add: Adder) -> Tensor:
    return add(x) / x.shape[-1]


def softmax(x: Tensor, add: Adder) -> Tensor:
    exponentials = torch.exp(x - x.amax(-1, keepdim=True))
    return exponentials / add(exponentials)[..., None]


def online_softmax(x: Tensor, add: Adder) -> Tensor:
    """One pass: the sum is rescaled whenever the maximum grows."""
    largest, running = torch.full(x.shape[:-1], -torch.inf), torch.zeros(x.shape[:-1])
    for column in x.unbind(-1):
        new = torch.maximum(largest, column)
        running = running * torch.exp(largest - new) + torch.exp(column - new)
        largest = new
    return torch.exp(x - largest[..., None]) / running[..., None]


def layer_norm(x: Tensor, add: Adder, unbiased: int = 0) -> Tensor:
    centred = x - (add(x) / x.shape[-1])[..., None]
    variance = add(centred * centred) / max(x.shape[-1] - unbiased, 1)
    return centred * torch.rsqrt(variance + 1e-5)[..., None]


def welford(x: Tensor, add: Adder) -> Tensor:
    """Mean and squares in one pass, by Welford's update."""
    average, squares = torch.zeros(x.shape[:-1]), torch.zeros(x.shape[:-1])
    for count, column in enumerate(x.unbind(-1), 1):
        delta = column - average
        average = average + delta / count
        squares = squares + delta * (column - average)
    return (x - average[..., None]) * torch.rsqrt(squares / x.shape[-1] + 1e-5)[..., None]


def cross_entropy(x: Tensor, add: Adder) -> Tensor:
    largest = x.amax(-1)
    return torch.log(add(torch.exp(x - largest[..., None]))) + largest - x[..., 0]


def cumsum(x: Tensor, add: Adder) -> Tensor:
    running, columns = torch.zeros(x.shape[:-1]), []
    for column in x.unbind(-1):
        running = running + column
        columns.append(running)
    return torch.stack(columns, -1)


def chunked_cumsum(x: Tensor, add: Adder) -> Tensor:
    """Scans chunks of 32 and adds what went before each chunk: a scan by warps."""
    chunks = [cumsum(chunk, add) for chunk in torch.split(x, 32, -1)]
    before = torch.zeros(x.shape[:-1])
    done = []
    for chunk in chunks:
        done.append(chunk + before[..., None])
        before = before + chunk[..., -1]
    return torch.cat(done, -1)


def matmul(x: Tensor, y: Tensor, add: Adder) -> Tensor:
    return torch.stack([add(x * column) for column in y.T], -1)


def biased(x: Tensor, add: Adder) -> Tensor:
    return layer_norm(x, add, unbiased=1)


@dataclass(frozen=True)
class Operator:
    """An operator as a case, and how honest and wrong kernels compute it. ``pairs`` adds to all adders."""

    schema: str
    reference: str
    honest: Mapping[str, Algorithm]
    shape: str = "[rows]"
    arguments: str = "  x: [rows, cols]\n"
    dims: str = "  rows: 1..512\n  cols: 1..4096\n"
    wrong: Mapping[str, Algorithm] = field(default_factory=dict)
    adders: tuple[str, ...] = ("serial", "blocked", "pairwise")
    extra: Mapping[str, int] = field(default_factory=dict)


_LAYER_NORM = "(x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, keepdim=True, correction=0) + 1e-5)"
OPERATORS: Mapping[str, Operator] = {
    "sum": Operator("Tensor x", "x.sum(-1)", {"sum": total}),
    "mean": Operator("Tensor x", "x.mean(-1)", {"mean": mean}),
    "softmax": Operator("Tensor x", "torch.softmax(x, -1)", {"two-pass": softmax, "online": online_softmax}),
    "layer_norm": Operator(
        "Tensor x", _LAYER_NORM, {"two-pass": layer_norm, "welford": welford}, wrong={"unbiased": biased}
    ),
    "cross_entropy": Operator("Tensor x", "torch.logsumexp(x, -1) - x[:, 0]", {"two-pass": cross_entropy}),
    "cumsum": Operator("Tensor x", "x.cumsum(-1)", {"serial": cumsum, "chunked": chunked_cumsum}, adders=("serial",)),
    "matmul": Operator(
        "Tensor x, Tensor y",
        "x @ y",
        {"dot": matmul},
        arguments="  x: [rows, cols]\n  y: [cols, n]\n",
        dims="  rows: 1..512\n  cols: 1..4096\n  n: 1..16\n",
        extra={"n": 5},
    ),
}


def build_case(name: str, operator: Operator, dtypes: Iterable[str], folder: Path) -> Case:
    """The operator's case, by way of a file."""
    text = (
        f"---\nop: {name}({operator.schema}) -> Tensor\ndims:\n{operator.dims}args:\n{operator.arguments}"
        f"dtypes: [{', '.join(dtypes)}]\n---\nBenchmark.\n\n## Reference\n\n```python\n"
        f"def {name}({operator.schema.replace('Tensor ', '')}):\n    return {operator.reference}\n```\n\n"
        f"## Solution\n\n```cuda\nvoid {name}();\n```\n"
    )
    path = folder / f"{name}.md"
    path.write_text(text, encoding="utf-8")
    return load_case(path, "benchmark")


# ------------------------------------------------------------------------------------------- kernels


def inputs_of(call: Call) -> dict[str, Tensor]:
    """The tensors of a call, in float32: what a kernel that accumulates in float works with."""
    return {
        argument.name: read(argument.data, argument.dtype, argument.shape).to(torch.float32)
        for argument in call.arguments
        if isinstance(argument, TensorArgument) and argument.role == "input"
    }


def output_of(call: Call) -> TensorArgument:
    return next(one for one in call.arguments if isinstance(one, TensorArgument) and one.role == "output")


def kernel(compute: Callable[[Mapping[str, Tensor], TensorArgument], Tensor]) -> Callable[[Call], Answer]:
    """A run function for the oracle from a computation on float32 tensors."""

    def run(call: Call) -> Answer:
        output = output_of(call)
        return Answer({output.name: bytes(as_bytes(compute(inputs_of(call), output).to(DTYPE[output.dtype])))})

    return run


def mutants(operator: Operator) -> dict[str, Callable[[Call], Answer]]:
    """Wrong kernels of an operator."""
    algorithm = next(iter(operator.honest.values()))

    def right(inputs: Mapping[str, Tensor]) -> Tensor:
        return algorithm(**inputs, add=blocked)

    def spoiled(change: Callable[[Tensor, Mapping[str, Tensor]], Tensor]) -> Callable[[Call], Answer]:
        return kernel(lambda inputs, output: change(right(inputs).clone(), inputs))

    def first_only(value: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        value.reshape(-1)[1:] = 0
        return value

    def last_row_stale(value: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        value[-1:] = torch.nan
        return value

    def last_column_off(value: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        value[..., -1:] = value[..., :1] + 0.01
        return value

    def like_input(value: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        flat = next(iter(inputs.values())).reshape(-1)
        return flat.repeat(1 + value.numel() // max(flat.numel(), 1))[: value.numel()].reshape(value.shape)

    def other(wrong: Algorithm) -> Callable[[Call], Answer]:
        return kernel(lambda inputs, _: wrong(**inputs, add=blocked))

    made = {
        "zeros": spoiled(lambda value, _: torch.zeros_like(value)),
        "ones": spoiled(lambda value, _: torch.ones_like(value)),
        "input": spoiled(like_input),
        "constant": spoiled(lambda value, _: value.mean().expand(value.shape)),
        "first-only": spoiled(first_only),
        "last-row": spoiled(last_row_stale),
        "last-column": spoiled(last_column_off),
        **{name: other(wrong) for name, wrong in operator.wrong.items()},
    }
    if "serial" in operator.adders and len(operator.adders) > 1:
        made["drop-last"] = kernel(lambda i, _: algorithm(**i, add=drop_last(blocked)))
        made["half"] = kernel(lambda i, _: algorithm(**i, add=half_serial))
    return made


# ------------------------------------------------------------------------------------------- measurements


@dataclass
class Tally:
    """Results of the correct kernels."""

    examples: int = 0
    rejected: int = 0
    worst: float = 0.0
    given_up: int = 0
    unsure: int = 0


def hold(prepared: Prepared, out: Tensor) -> Tensor:
    """Error over bound of every element, for an output that was computed in float32."""
    expected = prepared.expected[0]
    got = out.to(DTYPE[expected.dtype]).to(torch.float64)
    assert expected.bound is not None
    error = (got - expected.gold).abs()
    ratio = torch.where(error == 0, 0.0, error / expected.bound)  # in the exact lane, bounds are 0
    return torch.where(torch.isfinite(got), ratio, torch.inf)


def honest(options: argparse.Namespace, folder: Path) -> Tally:
    """Compare every correct algorithm with the bound."""
    all_seen = Tally()
    for name, operator in OPERATORS.items():
        case = build_case(name, operator, options.dtypes, folder)
        preparation = Preparation(case, derive(case, result_dtypes(case)).layout)
        for algorithm_name, algorithm in operator.honest.items():
            adders = operator.adders if algorithm_name in ("two-pass", "sum", "mean", "dot") else ("serial",)
            for adder in adders:
                seen = _honest_one(options, preparation, operator, algorithm, ADDERS[adder])
                print(
                    f"{name:14} {algorithm_name:9} {adder:9} {seen.examples:8} examples, {seen.rejected} rejected, "
                    f"at most {seen.worst:.2f} of the bound, {seen.unsure} drawn again, {seen.given_up} given up",
                    flush=True,
                )
                all_seen.examples += seen.examples
                all_seen.rejected += seen.rejected
                all_seen.worst = max(all_seen.worst, seen.worst)
    return all_seen


def _honest_one(
    options: argparse.Namespace, preparation: Preparation, operator: Operator, algorithm: Algorithm, add: Adder
) -> Tally:
    seen = Tally()
    for dtype in options.dtypes:
        for size in options.sizes:
            for family in (*FAMILIES, *((INTEGERS,) if preparation.linear(dtype) else ())):
                for repeat in range(options.repeats):
                    dims = {"rows": options.rows, "cols": size, **operator.extra}
                    prepared = preparation.prepare(Example(dims, dtype, options.seed + repeat, family))
                    if isinstance(prepared, GivenUp):
                        seen.given_up += 1
                        continue
                    seen.unsure += prepared.unsure
                    ratio = hold(prepared, algorithm(**inputs_of(prepared.call), add=add))
                    worst = ratio.reshape(options.rows, -1).amax(-1)
                    seen.examples += options.rows
                    seen.rejected += int((~(worst <= 1)).sum())
                    seen.worst = max(seen.worst, float(worst.max()))
    return seen


def survived(options: argparse.Namespace, folder: Path) -> list[str]:
    """The mutants that passed an item, over several seeds."""
    alive = []
    for name, operator in OPERATORS.items():
        case = build_case(name, operator, options.dtypes, folder)
        signature = derive(case, result_dtypes(case))
        for mutant, run in mutants(operator).items():
            for seed in range(options.seeds):
                judgement = explore(case, signature.layout, run, seed=seed, examples=None, only=None)
                missed = [a.name for a in judgement.assertions if a.name.startswith("correct") and a.passed]
                if len(missed) == len(case.dtypes):
                    alive.append(f"{name}/{mutant} (seed {seed})")
                elif missed and options.verbose:
                    print(f"{name}/{mutant} (seed {seed}) passes {', '.join(missed)}")
    return alive


def cost(folder: Path) -> None:
    """Processor time of judging one small example; and of an item of three dtypes and 25 examples each, without any
    kernel's."""
    for name, operator in OPERATORS.items():
        case = build_case(name, operator, ("float32", "float16", "bfloat16"), folder)
        signature = derive(case, result_dtypes(case))
        small = _small(Preparation(case, signature.layout), operator)
        inside = [0.0]
        algorithm = next(iter(operator.honest.values()))

        def run(call: Call, inside: list[float] = inside, algorithm: Algorithm = algorithm) -> Answer:
            start = time.process_time()
            answer = kernel(lambda inputs, _: algorithm(**inputs, add=pairwise))(call)
            inside[0] += time.process_time() - start
            return answer

        start = time.process_time()
        judgement = explore(case, signature.layout, run, seed=1, examples=None, only=None)
        seconds = time.process_time() - start - inside[0]
        passed = all(assertion.passed for assertion in judgement.assertions)
        each = f"{1000 * small:.1f} ms for a small example, {1000 * seconds / 75:.1f} ms for one of an item's"
        print(f"{name:14} {each}, {seconds:.2f} s for an item, passed: {passed}", flush=True)


def _small(preparation: Preparation, operator: Operator) -> float:
    """Processor seconds to prepare and judge an example of 8 rows of 33, the least of some."""
    seconds = []
    for seed in range(30):
        example = Example({"rows": 8, "cols": 33, **operator.extra}, "float32", seed, "normal")
        start = time.process_time()
        prepared = preparation.prepare(example)
        assert isinstance(prepared, Prepared)
        judge(prepared.expected, {one.name: bytes(as_bytes(one.gold.float())) for one in prepared.expected})
        seconds.append(time.process_time() - start)
    return min(seconds)


def detected(options: argparse.Namespace, folder: Path) -> None:
    """Print the smallest relative error that every item rejects, for each operator and dtype.

    An item rejects results that are all off by a relative error, if one element of its examples shows it.
    """
    print("smallest relative error of all results that is surely rejected:")
    for name, operator in OPERATORS.items():
        row = []
        for dtype in ("float32", "float16", "bfloat16"):
            case = build_case(name, operator, (dtype,), folder)
            preparation = Preparation(case, derive(case, result_dtypes(case)).layout)
            row.append(max(_least_error(preparation, operator, dtype, seed) for seed in range(options.seeds)))
        print(f"{name:14} " + "  ".join(f"{error:9.1e}" for error in row), flush=True)


def _least_error(preparation: Preparation, operator: Operator, dtype: str, seed: int) -> float:
    least = math.inf
    for number in range(EXAMPLES):
        dims = {"rows": 4, "cols": (1, 3, 33, 129, 257)[number % 5], **operator.extra}
        prepared = preparation.prepare(Example(dims, dtype, 1000 * seed + number, ""))
        if isinstance(prepared, Prepared):
            expected = prepared.expected[0]
            assert expected.bound is not None
            shown = (expected.gold != 0) & (expected.bound > 0) & torch.isfinite(expected.gold)
            rounding = torch.finfo(DTYPE[dtype]).eps / 2
            errors = expected.bound[shown] / expected.gold[shown].abs() + rounding
            least = min(least, float(errors.min())) if errors.numel() else least
    return least


def _numbers(text: str) -> list[int]:
    return [int(piece) for piece in text.split(",")]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.oracle", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=256, help="rows of a tensor; each counts as one example")
    parser.add_argument("--repeats", type=int, default=1, help="tensors per algorithm, dtype, size and family")
    parser.add_argument("--sizes", default=[1, 2, 33, 257, 1025], type=_numbers, help="lengths of a row")
    parser.add_argument("--seeds", type=int, default=2, help="items per mutant")
    parser.add_argument("--seed", type=int, default=1, help="seed of the honest examples")
    parser.add_argument("--dtypes", type=lambda text: text.split(","), default=["float32", "float16"])
    parser.add_argument("--only", choices=("honest", "mutants", "cost", "errors"), help="one measurement of the four")
    parser.add_argument("--verbose", action="store_true", help="name the dtypes in which a mutant passed")
    parser.add_argument("--quick", action="store_true", help="one operator and small tensors, to try the benchmark out")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rows, options.sizes, options.seeds = 2, [33], 1
        for name in list(OPERATORS)[1:]:
            del OPERATORS[name]
    failed = False
    with tempfile.TemporaryDirectory() as name, isolated():
        folder = Path(name)
        if options.only in (None, "cost"):
            cost(folder)
        if options.only in (None, "mutants"):
            alive = survived(options, folder)
            print(f"mutants that survived: {', '.join(alive) or 'none'}", flush=True)
            failed |= bool(alive)
        if options.only in (None, "errors"):
            detected(options, folder)
        if options.only in (None, "honest"):
            seen = honest(options, folder)
            print(f"honest: {seen.examples} examples, {seen.rejected} rejected, at most {seen.worst:.2f} of the bound")
            failed |= bool(seen.rejected)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
