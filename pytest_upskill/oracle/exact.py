"""Draws whole numbers as inputs on which a linear reference has one right result, in whatever order terms are summed.

A tolerance for sums of K terms must be wide for large K, so it can hide a few wrong terms. Small whole inputs need no
tolerance if the reference is linear in each of its floating tensors with whole coefficients (sums, products, scans,
convolutions, gathers, copies). Then every partial sum is a whole number that float32 holds exactly, and all correct
kernels give the same bits.

How large inputs may be depends on the sum of the magnitudes of all terms of a result. That sum is estimated from random
signs s: the mean of f(s)^2 is the sum of the squared coefficients, because the terms are orthogonal, and whole
coefficients are not larger than their squares. A few draws of signs estimate this sum for every output at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from pytest_upskill.cases.case import Case, Choices, Named, Range, ScalarSpec, TensorSpec
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.families import INTEGERS
from pytest_upskill.oracle.isolation import generator
from pytest_upskill.oracle.reference import Reference, cast, various_examples
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.oracle.values import DTYPE, Arguments, Source, Value
from pytest_upskill.records import FLOATING, Example

Outputs = Mapping[str, torch.Tensor]

WHOLE = "whole numbers or binary fractions, whose sum is exact in any order"
COPY, ONCE = "the expected value copies an input", "one operation, correctly rounded"
"""Reasons why no error is allowed in a result."""

LARGEST = 255
"""The largest magnitude of inputs. Up to it, bfloat16 holds inputs exactly, and tf32's accumulators their products."""

_SCALARS = 8
"""The largest magnitude of floating scalars."""

_ROOM = {torch.float32: 2.0**24, torch.float64: 2.0**50}
"""Up to this number, an accumulator of the dtype holds all whole numbers. For float64 the limit is lower: the
reference's own results are float64, too, and the spare bits show whether they are exact.
"""

_SLACK = 4.0
"""A safety factor for the estimated magnitude of the terms."""

_FRACTION_BITS = 4

_SIGN_DRAWS, _FEW_DRAWS, _MANY_RESULTS = 16, 4, 64
_PROBES, _PROBE_SIZE = 3, 9


def is_linear(reference: Reference, source: Source, outputs: OutputSize) -> bool:
    """Whether every floating result is linear, with whole coefficients, in each floating tensor by itself.

    A few examples with whole numbers decide: f(a + b) + f(0) must equal f(a) + f(b) exactly. A result may have a
    constant added. False if the case declares a tolerance or makes its own inputs, because such a case may not allow
    whole numbers.
    """
    case = source.case
    if case.tolerance or source.inputs is not None or not any(floating(case, dtype) for dtype in case.dtypes):
        return False
    try:
        found = [_probe(reference, source, example) for example in _probe_examples(case, outputs)]
    except CaseError:
        return False  # a reference need not work on whole numbers that the case does not declare
    return any(varies for _, varies in found) and all(linear for linear, _ in found)


def _probe_examples(case: Case, outputs: OutputSize) -> list[Example]:
    """The largest of a few small examples.

    The smallest ones would mislead, because functions such as softmax are constant on a single row or column.
    """
    found: dict[str, tuple[int, Example]] = {}
    dtype = next(dtype for dtype in case.dtypes if floating(case, dtype))
    for example in various_examples(case, "linear", 4 * _PROBES, outputs, dtype, INTEGERS):
        found[str(example.dims)] = (min(example.dims.values(), default=0), example)
    ordered = sorted(found.values(), key=lambda pair: -pair[0])
    return [example for _, example in ordered[:_PROBES]]


def _probe(reference: Reference, source: Source, example: Example) -> tuple[bool, bool]:
    """Whether the reference is linear on this example, and whether its results vary with its inputs."""
    random, where = generator("linear", example.drawn), f"on {example}, on whole numbers"
    if (base := _with_scalars(source.case, source.arguments(example), example, random)) is None:
        return False, False

    def drawn(name: str) -> torch.Tensor:
        return torch.randint(-_PROBE_SIZE, _PROBE_SIZE + 1, _shape(base, name), generator=random).double()

    names = [tensor.name for tensor in floating(source.case, example.dtype)]
    exact = {**cast(base, torch.float64), **{name: drawn(name) for name in names}}

    def run(name: str, value: torch.Tensor) -> Outputs:
        return _floats(reference.run({**exact, name: value}, example.dims, torch.float64, where))

    varies = False
    for name in names:
        first, second = drawn(name), drawn(name)
        zero, one, other, both = (run(name, x) for x in (torch.zeros_like(first), first, second, first + second))
        whole = all(_whole(one[key]) and _whole(other[key]) for key in one)
        if not one or not whole or not all(torch.equal(both[key] + zero[key], one[key] + other[key]) for key in one):
            return False, False
        varies |= any(not torch.equal(zero[key], one[key]) for key in one)
    return True, varies


def _whole(output: torch.Tensor) -> bool:
    return torch.equal(output, output.round())


@dataclass(frozen=True, slots=True)
class Exact:
    """Whole inputs and what a kernel must return for them.

    ``gold`` holds the reference's results in float64. ``allowed`` is the largest error of each element of each floating
    output: 0, or one unit in the last place where a low-precision dtype cannot hold the result."""

    arguments: Arguments
    gold: Outputs
    allowed: Outputs


Eager = Callable[[Arguments, Outputs, Outputs], Outputs]
"""A function that takes the arguments, gold and the float32 results, and returns the results in their own dtypes."""


def draw(
    reference: Reference, source: Source, example: Example, dtypes: Mapping[str, str], eager: Eager
) -> Exact | None:
    """Whole inputs, as large as possible, for an example of a linear reference. None if the case allows none.

    PyTorch itself must be exact on the inputs, in float32 and in the example's dtype; otherwise smaller inputs are
    tried. ``dtypes`` maps each output to its dtype. In half of the examples the inputs are small and have both signs.
    Then most results fit into the outputs' dtypes without rounding, so that a missing or extra term shows. In a quarter
    of the examples all inputs are large and have one sign, so that a low-precision accumulator shows. In half of the
    examples the inputs are divided by a power of two. A kernel that is exact only on whole numbers fails on them.
    """
    random = generator("whole numbers", example.drawn)
    cancelling, positive = (bool(torch.randint(0, 2, (), generator=random)) for _ in range(2))
    base = _with_scalars(source.case, source.arguments(example), example, random)
    if base is None or not floating(source.case, example.dtype):
        return None
    try:
        bits = int(torch.randint(1, _FRACTION_BITS + 1, (), generator=random)) * int(example.seed % 2)
        whole = _WholeNumbers(reference, source.case, example, base, random, bits)
        limit = whole.limit(dtypes if cancelling else {})
        while limit >= 1:
            arguments = whole.inputs(limit, positive and not cancelling)
            found = None if arguments is None else _settled(reference, arguments, example, dtypes, eager, whole.scale)
            if found is not None:
                return found
            limit //= 4
    except CaseError:
        return None  # the ordinary draws report what is wrong with a reference
    return None


def _settled(
    reference: Reference, arguments: Arguments, example: Example, dtypes: Mapping[str, str], eager: Eager, scale: float
) -> Exact | None:
    def run(dtype: torch.dtype) -> Outputs:
        return reference.run(cast(arguments, dtype), example.dims, dtype, f"on {example}, in {dtype}")

    gold, single = run(torch.float64), run(torch.float32)
    own = eager(arguments, gold, single)
    allowed: dict[str, torch.Tensor] = {}
    for name, dtype in dtypes.items():
        if dtype not in FLOATING:
            if not torch.equal(gold[name], own[name].to(gold[name].dtype)):
                return None
            continue
        rounding = _rounding(gold[name], dtype, scale)
        if rounding is None or not torch.equal(gold[name], single[name].to(torch.float64)):
            return None
        if bool(((own[name].to(torch.float64) - gold[name]).abs() > rounding).any()):
            return None
        allowed[name] = rounding
    return Exact(arguments, gold, allowed)


def _rounding(gold: torch.Tensor, dtype: str, scale: float) -> torch.Tensor | None:
    """The largest error of each element when ``gold`` is rounded once to ``dtype``: 0 where ``dtype`` holds the value.

    None if no exact judgement is possible: ``gold`` times ``scale`` is not whole, a value exceeds half of the dtype's
    range, or a value does not fit into float32 or float64.
    """
    info = torch.finfo(DTYPE[dtype])
    if gold.numel() and (not _whole(gold * scale) or float(gold.abs().max()) > info.max / 2):
        return None
    inexact = gold.to(DTYPE[dtype]).to(torch.float64) != gold
    if dtype in ("float32", "float64") and bool(inexact.any()):
        return None
    return torch.where(inexact, info.eps * torch.exp2(torch.frexp(gold).exponent.to(torch.float64) - 1), 0.0)


@dataclass(frozen=True, slots=True)
class _WholeNumbers:
    reference: Reference
    case: Case
    example: Example
    base: Arguments
    random: torch.Generator
    bits: int
    """The binary places after the point of inputs whose values the case does not declare."""

    @property
    def scale(self) -> float:
        """The factor that makes all results whole numbers."""
        return 2.0 ** (self.bits * len(self.tensors))

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        return floating(self.case, self.example.dtype)

    def limit(self, dtypes: Mapping[str, str]) -> int:
        """The largest magnitude that inputs may have.

        With it, the magnitudes of all terms of a result together fit into an accumulator. If ``dtypes`` names the
        dtypes of outputs, most results whose terms have both signs also fit into these dtypes.
        """
        double = all((tensor.dtype or self.example.dtype) == "float64" for tensor in self.tensors)
        terms = max(1.0, self._terms())
        room = _ROOM[torch.float64 if double else torch.float32] / (_SLACK * terms)
        for dtype in dtypes.values():
            if dtype in FLOATING:
                room = min(room, max(2 / torch.finfo(DTYPE[dtype]).eps / (_SLACK * math.sqrt(terms)), 1.0))
        return min(LARGEST, int(room ** (1 / len(self.tensors))))

    def _terms(self) -> float:
        """The largest sum of squared coefficients of a result, estimated from random signs."""
        total: dict[str, torch.Tensor] = {}
        where = f"on {self.example}, on random signs"
        for drawn in range(1, _SIGN_DRAWS + 1):
            shapes = {tensor.name: _shape(self.base, tensor.name) for tensor in self.tensors}
            draws = {name: torch.randint(0, 2, shape, generator=self.random) for name, shape in shapes.items()}
            signs = {name: draw.mul_(2).sub_(1).double() for name, draw in draws.items()}
            outputs = self.reference.run({**self.base, **signs}, self.example.dims, torch.float64, where)
            for name, output in _floats(outputs).items():
                total[name] = total.get(name, torch.zeros_like(output)) + output.square()
            # Few draws are enough if there are many results, because only the largest result counts.
            if drawn >= _FEW_DRAWS and min(one.numel() for one in total.values()) >= _MANY_RESULTS:
                break
        return max((float(one.max()) / drawn for one in total.values() if one.numel()), default=1.0)

    def inputs(self, limit: int, positive: bool) -> Arguments | None:
        """The arguments with whole numbers in their floating tensors. The numbers have both signs unless ``positive``.

        None if the case allows no such numbers for a tensor.
        """
        made: dict[str, Value] = dict(self.base)
        for tensor in self.tensors:
            value = self.base[tensor.name]
            assert isinstance(value, torch.Tensor)
            if (whole := self._tensor(tensor, value, limit, positive)) is None:
                return None
            scaled = whole if tensor.values is not None else whole * 2.0**-self.bits
            made[tensor.name] = scaled.to(value.dtype).contiguous()
        return made

    def _tensor(self, tensor: TensorSpec, drawn: torch.Tensor, limit: int, positive: bool) -> torch.Tensor | None:
        """Whole numbers that the case allows for this tensor, or None if it allows none.

        ``drawn`` is what the tensor holds in an ordinary example.
        """
        values, size, random = tensor.values, tuple(drawn.shape), self.random
        name = values.name if isinstance(values, Named) else ""
        if name in ("bool", "permutation"):
            return drawn if not drawn.numel() or float(drawn.abs().max()) <= limit else None
        if isinstance(values, Range):
            dims = self.example.dims
            low, high = math.ceil(values.low.evaluate(dims)), math.floor(values.high.evaluate(dims))
            return _between(max(low, -limit), min(high, limit), size, random)
        if isinstance(values, Choices):
            options = [float(one) for one in values.options if float(one).is_integer() and abs(float(one)) <= limit]
            return torch.tensor(options)[torch.randint(len(options), size, generator=random)] if options else None
        if name == "uniform":
            return torch.randint(0, 2, size, generator=random).double()
        least = 1 if positive or name == "positive" else 0 if name == "nonnegative" else -limit
        whole = _between(least, limit, size, random)
        return whole.sort(-1).values if whole is not None and name == "sorted" and size else whole


def _between(low: int, high: int, size: tuple[int, ...], random: torch.Generator) -> torch.Tensor | None:
    """Random whole numbers from ``low`` to ``high``; None if there are none.

    Zeros are left out unless nearly all numbers are zero, so that each number changes the result.
    """
    if low > high:
        return None
    values = torch.randint(low, high + 1, size, generator=random, dtype=torch.int32)
    if high - low >= 2:
        values = torch.where(values == 0, high if high else low, values)
    return values.double()


def _with_scalars(case: Case, base: Arguments, example: Example, random: torch.Generator) -> Arguments | None:
    """The arguments with whole numbers in place of floating scalars; None if the case allows no whole numbers."""
    made: dict[str, Value] = dict(base)
    for scalar in case.scalars:
        if scalar.kind == "float":
            value, given = _whole_scalar(scalar, example.dims, random), example.scalars.get(scalar.name)
            if given is not None:
                value = given if float(given).is_integer() else None
            if value is None:
                return None
            made[scalar.name] = value
    return made


def _whole_scalar(scalar: ScalarSpec, dims: Mapping[str, int], random: torch.Generator) -> float | None:
    if isinstance(scalar.values, Choices):
        options = [float(one) for one in scalar.values.options]
    else:
        low = math.ceil(max(float(scalar.values.low.evaluate(dims)), -_SCALARS))
        high = math.floor(min(float(scalar.values.high.evaluate(dims)), _SCALARS))
        options = [float(one) for one in range(low, high + 1) if one] or [0.0] * (low <= 0 <= high)
    whole = [one for one in options if one.is_integer() and abs(one) <= _SCALARS]
    return whole[int(torch.randint(len(whole), (), generator=random))] if whole else None


def floating(case: Case, dtype: str) -> tuple[TensorSpec, ...]:
    """The tensors that have a floating dtype when the case is tried with ``dtype``."""
    return tuple(tensor for tensor in case.tensors if (tensor.dtype or dtype) in FLOATING)


def _floats(outputs: Outputs) -> Outputs:
    return {name: value for name, value in outputs.items() if value.is_floating_point()}


def _shape(arguments: Arguments, name: str) -> tuple[int, ...]:
    value = arguments[name]
    assert isinstance(value, torch.Tensor)
    return tuple(value.shape)
