"""Turns an example into a call and its expected results. See ``oracle`` for the words *gold* and *eager*.

On some values no kernel can be judged: gold exceeds half of the dtype's range, eager is off by more than a tenth of the
tensor's scale, or a discrete result depends on a near-tie. Then another attempt draws other values for the same
example. The example's text does not name the attempt, and still gives the same values each time. Later attempts use the
simplest values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle import exact, reference
from pytest_upskill.oracle.families import INTEGERS
from pytest_upskill.oracle.isolation import stable_hash
from pytest_upskill.oracle.reference import Reference, cast, load_inputs, run_eager
from pytest_upskill.oracle.reference_mutants import MutatedRun, mutated_runs
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.oracle.tolerance import Bound, Runs, Unstable, bounds
from pytest_upskill.oracle.values import DTYPE, Arguments, Source, Value, complete, dtype_name, wild
from pytest_upskill.records import (
    FLOATING,
    Call,
    CallLayout,
    Example,
    ResultFacts,
    ScalarArgument,
    ScalarParameter,
    TensorArgument,
)

ATTEMPTS = 8
"""The number of attempts to draw values for an example before it is given up."""

OFF = "PyTorch's own result is off by more than a tenth of the output's scale"
"""The reason to draw other values that counts: if it is frequent, the item is inconclusive."""

_SIMPLE = 3
"""Attempts from this number on draw their values from the normal family."""

_COMPARED, _ELEMENTS = 8, 256
"""A reference counts as deterministic once it repeated its results on that many examples, or for that many elements."""

Outputs = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Expected:
    """What one output must hold. ``gold`` is float64 for a floating output, and of the output's dtype for any other.

    ``bound`` (float64) is the largest error that passes; None means that the output must be equal to gold. If no error
    is allowed, ``exact`` says why. If ``signed_zeros``, a zero must have the right sign.
    """

    name: str
    dtype: str
    gold: torch.Tensor
    bound: torch.Tensor | None
    exact: str = ""
    signed_zeros: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.gold.shape)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call and what it must return.

    ``unsure`` is true if eager itself was off on the values that were drawn first. ``unmodelled`` names operations
    whose rounding is not known, so that bounds are wide."""

    example: Example
    call: Call
    expected: tuple[Expected, ...]
    unsure: bool = False
    unmodelled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An example on which no kernel can be judged, with the reason."""

    example: Example
    reason: str


class Preparation:
    """Prepares the examples of one case in this process: the ``ReferenceRunner`` of cases whose Python is trusted.

    The case's Python is loaded on first use.
    """

    def __init__(self, case: Case, layout: CallLayout | None = None) -> None:
        self.case, self.layout = case, layout
        self._wild = wild(case)
        self._compared, self._elements = 0, 0
        self._latest: tuple[Example, Arguments] | None = None

    @cached_property
    def reference(self) -> Reference:
        """The case's reference, loaded."""
        return Reference(self.case)

    @cached_property
    def source(self) -> Source:
        """The source of the case's values. If the case has its own function for values, the function is loaded."""
        return load_inputs(self.case)

    def results(self) -> ResultFacts:
        return ResultFacts(reference.result_dtypes(self.case), reference.result_shapes(self.case))

    def for_copy(self, case: Case) -> Preparation:
        return Preparation(case)

    def close(self) -> None:
        """Do nothing, because there is no process to end."""

    @cached_property
    def outputs(self) -> OutputSize:
        """A rough estimate of the size of the outputs for any dims."""
        return reference.measure_outputs(self.reference, self.source)

    @cached_property
    def is_linear(self) -> bool:
        """Whether the reference is linear with whole coefficients, as far as a few examples show."""
        return exact.is_linear(self.reference, self.source, self.outputs)

    def linear(self, dtype: str) -> bool:
        return bool(exact.floating(self.case, dtype)) and self.is_linear

    def prepare(self, example: Example) -> Prepared | GivenUp:
        """Draw values for an example until a kernel can be judged on them, and return the call with its expectations.

        Returns GivenUp if no attempt succeeds.
        """
        example = complete(self.case, example)
        self._check_replay(example)
        if example.values == INTEGERS and (prepared := self._whole(example)) is not None:
            return prepared
        reasons: list[str] = []
        for attempt in range(self._first_attempt(example), ATTEMPTS):
            arguments = self._arguments(example, attempt)
            found = self.expected(example, arguments)
            if not isinstance(found, str):
                unsure = reasons[:1] == [OFF] and not self._wild
                expected, unmodelled = found
                call = call_of(self._known_layout, example, arguments, expected)
                self._latest = example, arguments
                return Prepared(example, call, expected, unsure, unmodelled)
            reasons.append(found)
        return GivenUp(example, reasons[-1])

    def _arguments(self, example: Example, attempt: int) -> Arguments:
        simple = bool(example.values) and (attempt >= _SIMPLE or example.values == INTEGERS)
        return self.source.arguments(replace(example, values="normal") if simple else example, attempt)

    def _first_attempt(self, example: Example) -> int:
        """The first attempt that draws the same floating scalars as the example states. 0 if there is no such attempt.

        The text of a counterexample states the floating scalars of the attempt on which the kernel was judged.
        """
        given = {name: value for name, value in example.scalars.items() if isinstance(value, float)}
        for attempt in range(ATTEMPTS if given else 0):
            drawn = self._arguments(example.drawn, attempt)
            if all(drawn[name] == value for name, value in given.items()):
                return attempt
        return 0

    def call(self, example: Example) -> Call | None:
        arguments = self.source.arguments(example)
        outputs = self.reference.run(cast(arguments, torch.float64), example.dims, torch.float64, f"on {example}")
        expected = (Expected(name, dtype, outputs[name], None) for name, dtype in self._dtypes(example).items())
        return call_of(self._known_layout, example, arguments, tuple(expected))

    def other_results(self, example: Example) -> Outputs:
        seed = stable_hash("other inputs", example.seed) % 10_000_000
        other = replace(example, seed=seed, values="normal" if example.values else "")
        arguments = cast(self.source.arguments(other), torch.float64)
        return self.reference.run(arguments, other.dims, torch.float64, f"on {other}, in float64")

    def mutated_runs(self, example: Example, skip: Collection[str]) -> list[MutatedRun]:
        if self._latest is None or self._latest[0] != example:
            self.prepare(example)
        if self._latest is None or self._latest[0] != example:
            raise ValueError(f"no mutants of the reference run on an example that was given up: {example}")
        return list(mutated_runs(self.reference, self._latest[1], example, skip))

    def _check_replay(self, example: Example) -> None:
        """Check, on the first few examples, that inputs and the reference's results are the same when repeated.

        Raises CaseError if they differ.
        """
        if self._compared >= _COMPARED or self._elements >= _ELEMENTS:
            return
        arguments, again = (self.source.arguments(example) for _ in range(2))
        for name, value in arguments.items():
            if _bits(value) != _bits(again[name]):
                advice = "draw everything from 'generator', so that an example can be repeated"
                raise self.source.error(
                    f"gave two values of '{name}' for one and the same example ({example}); {advice}"
                )
        where = f"on {example}, in float64"
        given = cast(arguments, torch.float64)
        first, second = (self.reference.run(given, example.dims, torch.float64, where) for _ in range(2))
        for name, value in first.items():
            if _bits(value) != _bits(second[name]):
                raise self.reference.error(
                    f"gave two results '{name}' for one and the same input ({example}); it must not draw random "
                    "numbers: take them as an argument of 'op', or call torch.manual_seed(0) before they are drawn"
                )
        self._compared += 1
        self._elements += sum(value.numel() for value in first.values())

    def _whole(self, example: Example) -> Prepared | None:
        """The example with whole numbers as inputs, so that the right result is exact. None if the case allows none."""
        if not self.linear(example.dtype):
            return None
        dtypes = self._dtypes(example)
        eager = partial(self._eager, example, dtypes=dtypes)
        if (found := exact.draw(self.reference, self.source, example, dtypes, eager)) is None:
            return None
        gold = {name: _overflowed(found.gold[name], dtype).contiguous() for name, dtype in dtypes.items()}
        expected = tuple(
            Expected(name, dtypes[name], value, found.allowed.get(name), exact.WHOLE if name in found.allowed else "")
            for name, value in gold.items()
        )
        self._latest = example, found.arguments
        return Prepared(example, call_of(self._known_layout, example, found.arguments, expected), expected)

    def expected(self, example: Example, arguments: Arguments) -> tuple[tuple[Expected, ...], frozenset[str]] | str:
        """The expected results for these values, and the names of operations without a rounding model.

        If no kernel can be judged on these values, returns a text that says why.
        """
        double, rounded = cast(arguments, torch.float64), cast(arguments, torch.float32)
        gold = self.reference.run(double, example.dims, torch.float64, f"on {example}, in float64")
        dtypes = self._dtypes(example)
        if not self._wild and any(_too_large(gold[name], dtype) for name, dtype in dtypes.items()):
            return "the exact result exceeds half of the dtype's range"
        single = self.reference.run(rounded, example.dims, torch.float32, f"on {example}, in float32")
        eager = self._eager(example, arguments, gold, single, dtypes)
        self._check_shapes(example, gold, single, eager)
        gold = {name: _overflowed(value, dtypes[name]) for name, value in gold.items()}
        floats = {name: dtype for name, dtype in dtypes.items() if dtype in FLOATING}
        for name in dtypes.keys() - floats.keys():
            if not all(torch.equal(gold[name], run[name].to(gold[name].dtype)) for run in (eager, single)):
                return f"'{name}' depends on a near-tie"
        for name, dtype in floats.items():
            finite = torch.isfinite(gold[name])
            if not all(torch.equal(finite, torch.isfinite(run[name].to(DTYPE[dtype]))) for run in (eager, single)):
                return OFF
        try:
            found = bounds(self.reference, Runs(example, arguments, double, gold, eager, single, floats))
        except Unstable:
            return OFF
        known = found.by_output
        if any(_off(gold[name], run[name], known[name]) for name in floats for run in (eager, single)):
            return OFF
        expected = (_expected(name, dtype, gold[name], known.get(name)) for name, dtype in dtypes.items())
        return tuple(expected), found.unmodelled

    def _dtypes(self, example: Example) -> dict[str, str]:
        """The dtype of each output, by the layout, in the reference's order."""
        return output_dtypes(self.reference.outputs, self._known_layout, example)

    @property
    def _known_layout(self) -> CallLayout:
        if self.layout is None:
            raise ValueError("examples are prepared for a layout: set 'layout' first")
        return self.layout

    def _eager(
        self, example: Example, arguments: Arguments, gold: Outputs, single: Outputs, dtypes: Mapping[str, str]
    ) -> dict[str, torch.Tensor]:
        """Each output in its own dtype.

        An output is taken from a run in the example's dtype if that run has the output's dtype, and otherwise converted
        from the float32 run.
        """
        tensors = [value for value in arguments.values() if isinstance(value, torch.Tensor)]
        tried = {DTYPE[example.dtype], *(tensor.dtype for tensor in tensors if tensor.is_floating_point())}
        known = single if tried == {torch.float32} else gold if tried == {torch.float64} else None
        eager = known or run_eager(self.reference, arguments, example)
        rounded: dict[str, torch.Tensor] = {}
        for name, dtype in dtypes.items():
            value = (single if eager is None or name in self.case.returns else eager)[name]
            if value.is_floating_point() != (dtype in FLOATING):
                returned = f"returned {dtype_name(value.dtype)} for '{name}'"
                raise self.reference.error(f"{returned}, which the signature has as {dtype} ({example})")
            rounded[name] = value.to(DTYPE[dtype])
        return rounded

    def _check_shapes(self, example: Example, gold: Outputs, *runs: Outputs) -> None:
        for run in runs:
            for name, value in run.items():
                if value.shape != gold[name].shape:
                    raise self.reference.error(
                        f"returned '{name}' with shape {list(gold[name].shape)} in float64 and {list(value.shape)} in "
                        f"{dtype_name(value.dtype)}, on the same inputs ({example}); shapes must depend on dims alone"
                    )


def _expected(name: str, dtype: str, gold: torch.Tensor, bound: Bound | None) -> Expected:
    if bound is None:
        return Expected(name, dtype, gold.contiguous(), None)
    return Expected(name, dtype, gold.contiguous(), bound.allowed, bound.exact, bound.signed_zeros)


def output_dtypes(outputs: Sequence[str], layout: CallLayout, example: Example) -> dict[str, str]:
    """The dtype of each output in the calls of an example, in the order of ``outputs``."""
    tensors = {tensor.name: tensor for tensor in layout.tensors}
    return {name: tensors[name].dtype_in(example.dtype) for name in outputs}


def call_of(layout: CallLayout, example: Example, arguments: Arguments, expected: tuple[Expected, ...]) -> Call:
    """The call with the parameters of ``layout`` and with these arguments of the operator."""
    shapes = {one.name: one.shape for one in expected}
    parts: list[TensorArgument | ScalarArgument] = []
    for parameter in layout.parameters:
        name = parameter.name
        if isinstance(parameter, ScalarParameter):
            value = int(example.dims[name]) if parameter.dim else arguments[name]
            assert not isinstance(value, torch.Tensor)
            parts.append(ScalarArgument(name, parameter.kind, value))
        elif parameter.role == "output":
            parts.append(TensorArgument(name, "output", parameter.dtype_in(example.dtype), shapes[name]))
        else:
            tensor, dtype = arguments[name], parameter.dtype_in(example.dtype)
            assert isinstance(tensor, torch.Tensor)
            parts.append(TensorArgument(name, parameter.role, dtype, tuple(tensor.shape), as_bytes(tensor)))
    return Call(layout.dtypes.index(example.dtype), tuple(parts))


def as_bytes(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor, row-major."""
    # A tensor of one element counts as contiguous whatever its stride is, but it is viewed as bytes only with stride 1.
    flat = tensor.detach().clone(memory_format=torch.contiguous_format).reshape(-1)
    data: Any = flat.view(torch.uint8).numpy()
    return memoryview(data)


def _bits(value: Value) -> bytes:
    return bytes(as_bytes(value)) if isinstance(value, torch.Tensor) else repr(value).encode()


def _too_large(gold: torch.Tensor, dtype: str) -> bool:
    """Whether the magnitude of a finite element exceeds half of the dtype's largest number."""
    if dtype not in FLOATING or gold.numel() == 0:
        return False
    magnitude = gold.abs()
    return bool(((magnitude > torch.finfo(DTYPE[dtype]).max / 2) & torch.isfinite(magnitude)).any())


def _overflowed(gold: torch.Tensor, dtype: str) -> torch.Tensor:
    """Gold as ``Expected`` holds it.

    For a floating ``dtype``, gold stays float64, with infinity where rounding to ``dtype`` gives infinity. For any
    other ``dtype``, gold is converted to it.
    """
    if dtype not in FLOATING:
        return gold.to(DTYPE[dtype])
    rounded = gold.to(DTYPE[dtype])
    return torch.where(torch.isfinite(rounded), gold, rounded.to(torch.float64)).to(torch.float64)


def _off(gold: torch.Tensor, got: torch.Tensor, bound: Bound) -> bool:
    """Whether PyTorch's result is off by more than a tenth of the scale, and by more than rounding can explain.

    The second condition matters if the exact result is zero up to rounding, as in a layer norm over equal values.
    """
    numbers = torch.isfinite(gold)
    if not bool(numbers.any()):
        return False
    error = torch.where(numbers, (gold - got.to(torch.float64)).abs(), 0.0)
    return bool((error > bound.explained.clamp(min=0.1 * float(gold[numbers].abs().max()))).any())
