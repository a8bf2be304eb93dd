"""How far off a correct kernel may be: floor + 2 * natural + K * spread + serial, per element.

*floor* is four units in the last place of the output's dtype and one smallest subnormal. *natural* is the worst error
that the reference itself makes in the case's dtype and in float32, on these inputs and on eight that are perturbed by
one unit in the last place, over the elements that share a reduction. *spread* is how far the exact result moves under
such perturbations, and *K* how many input elements reach one result: the worst case of serial summation. *serial* is
how far the exact result moves when the reference's inner reductions err as serial ones may (see ``rounding``):
without it, a correct serial softmax over 1,025 elements, one of them 13 to 18 above the rest, was rejected by a factor
of 8.

If inputs are float64, float32 runs stand in for float64 ones: their errors are scaled by the ratio of the units,
since nothing at hand computes more exactly than float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from pytest_upskill.cases.case import Case, Choices, Range
from pytest_upskill.oracle.input_dependency import InputDependency, measure
from pytest_upskill.oracle.isolation import generator
from pytest_upskill.oracle.reference import Reference, cast
from pytest_upskill.oracle.rounding import SerialRounding
from pytest_upskill.oracle.values import DTYPE, Value, dtype_name
from pytest_upskill.records import Example

DRAWS = 8
"""Perturbed inputs per example; the signs of all of them are the bits of one random byte per element."""

_TOGETHER = 1 << 14
"""Elements of inputs up to which all draws are made at once."""

_UNITS = 4.0
_SINGLE, _DOUBLE = 2.0**-23, 2.0**-52

Outputs = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs on unperturbed inputs. ``dtypes`` are those of the floating outputs that need a bound."""

    example: Example
    arguments: Mapping[str, Value]
    exact: Mapping[str, Value]
    gold: Outputs
    eager: Outputs
    single: Outputs
    dtypes: Mapping[str, str]


class Unstable(Exception):
    """The reference, run in float32 on inputs moved by one unit, gives NaN or infinity: there is no bound here."""


def floor(gold: torch.Tensor, dtype: str) -> torch.Tensor:
    """Four units in the last place of ``dtype`` at each element, and its smallest subnormal.

    Below the normal numbers a unit in the last place is the smallest subnormal, however small the element: a correct
    ``expf`` that is off by two units, and a division after it, must have room there too. Flushing to zero has not.
    """
    info = torch.finfo(DTYPE[dtype])
    smallest = info.tiny * info.eps
    return _UNITS * (info.eps * gold.abs()).clamp(min=smallest) + smallest


def declared(case: Case, example: Example, gold: torch.Tensor) -> torch.Tensor | None:
    """The case's own tolerance, if it has one for the dtype that is tried."""
    own = case.tolerance.get(example.dtype, case.tolerance.get("*"))
    return None if own is None else own.atol + own.rtol * gold.abs()


@dataclass(frozen=True, slots=True)
class Bound:
    """``allowed`` is the largest error that passes, per element; ``explained`` is its part that the inputs' own
    conditioning makes (floor and K * spread), in float64."""

    allowed: torch.Tensor
    explained: torch.Tensor


def bounds(reference: Reference, runs: Runs) -> dict[str, Bound]:
    """The bound of every element of every floating output. Raises CaseError, Unstable."""
    own = {name: declared(reference.case, runs.example, runs.gold[name]) for name in runs.dtypes}
    if all(bound is not None for bound in own.values()):
        return {name: Bound(bound, bound) for name, bound in own.items() if bound is not None}
    circumstances = f"on {runs.example}"
    input_dependency = measure(reference, runs.exact, runs.example.dims, circumstances)
    measured = _Measured(reference, runs)
    return {name: _bound(measured, name, dtype, input_dependency[name]) for name, dtype in runs.dtypes.items()}


def _bound(measured: _Measured, name: str, dtype: str, input_dependency: InputDependency) -> Bound:
    natural = measured.natural[name]
    axes = tuple(axis for axis in input_dependency.axes if axis < natural.dim())
    if natural.dim() and natural.numel() and axes:
        natural = natural.amax(dim=axes, keepdim=True)
    spread = input_dependency.terms * measured.spread[name]
    explained = floor(measured.gold[name], dtype) + spread + measured.serial[name]
    return Bound(explained + 2 * natural, explained)


class _Measured:
    """Natural error and spread of each floating output, from runs on perturbed inputs."""

    def __init__(self, reference: Reference, runs: Runs) -> None:
        self.reference, self.runs, self.names = reference, runs, tuple(runs.dtypes)
        self.gold = {name: _settled(runs.gold[name]) for name in self.names}
        tensors = [v for v in runs.arguments.values() if isinstance(v, torch.Tensor) and v.is_floating_point()]
        self.double = bool(tensors) and all(tensor.dtype == torch.float64 for tensor in tensors)
        self.unit, self._scale = (_DOUBLE, _DOUBLE / _SINGLE) if self.double else (_SINGLE, 1.0)
        self.natural = {}
        for name, gold in self.gold.items():
            single = _distance(_settled(runs.single[name]), gold) * self._scale
            self.natural[name] = torch.maximum(_distance(_settled(runs.eager[name]), gold), single)
        self._limits = {
            name: limits for name in runs.arguments if (limits := _limits(reference.case, name, runs.example))
        }
        self.spread = self._randomly()
        self._upwards()
        self.serial = {name: torch.zeros_like(self.gold[name]) for name in self.names}
        self._serially()

    def _randomly(self) -> dict[str, torch.Tensor]:
        """The spread for inputs moved by one unit with random signs. Small ones are drawn together, as a first axis."""
        random = generator("perturb", self.runs.example)
        bits = {
            name: torch.randint(256, value.shape, dtype=torch.uint8, generator=random)
            for name, value in self.runs.exact.items()
            if isinstance(value, torch.Tensor) and value.is_floating_point()
        }
        together = DRAWS if sum(one.numel() for one in bits.values()) <= _TOGETHER else 1
        squares = {name: torch.zeros_like(self.gold[name]) for name in self.names}
        for start in range(0, DRAWS, together):
            gold = self._perturbed({name: self._moved(name, bits[name], start, together) for name in bits}, together)
            for name in self.names:
                squares[name] += _movement(gold[name], self.gold[name]).square().sum(0)
        return {name: (square / DRAWS).sqrt() for name, square in squares.items()}

    def _perturbed(self, moved: Mapping[str, Value], draws: int) -> Outputs:
        """The gold of ``draws``; raises the natural errors to their float32 errors."""
        single = cast(moved, torch.float32)
        singles = self._run_each(single, draws, torch.float32)
        golds = self._run_each(cast(moved, torch.float64), draws, torch.float64)
        own = self._run_each(cast(single, torch.float64), draws, torch.float64) if self.double else golds
        for name in self.names:
            error = _distance(singles[name], own[name])
            if bool(torch.isinf(error).any()):
                raise Unstable
            self.natural[name] = torch.maximum(self.natural[name], error.amax(0) * self._scale)
        return golds

    def _run_each(self, moved: Mapping[str, Value], draws: int, dtype: torch.dtype) -> Outputs:
        """The outputs of every draw, stacked."""
        others = cast(self.runs.exact, dtype)
        tensors = {name: value.unbind() for name, value in moved.items() if isinstance(value, torch.Tensor)}
        given = ({**others, **{name: value[draw] for name, value in tensors.items()}} for draw in range(draws))
        found = [self._run(arguments, dtype) for arguments in given]
        return {name: _settled(torch.stack([outputs[name] for outputs in found])) for name in self.names}

    def _upwards(self) -> None:
        """Everything by one unit upwards, floating scalars too: equal values make serial sums err in one direction."""
        moved = dict(self.runs.exact)
        for name, value in moved.items():
            if value.is_floating_point() if isinstance(value, torch.Tensor) else isinstance(value, float):
                moved[name] = self._clamped(name, value * (1 + self.unit))
        self._raise_to(self.spread, self._run(moved, torch.float64))

    def _raise_to(self, found: dict[str, torch.Tensor], outputs: Outputs) -> None:
        """Raises what was found to how far gold moved."""
        for name in self.names:
            found[name] = torch.maximum(found[name], _movement(_settled(outputs[name]), self.gold[name]))

    def _serially(self) -> None:
        """How far gold moves when the reference's own reductions err as serial ones may."""
        for alternate in (False, True):
            with SerialRounding(self.unit / 2, alternate=alternate) as mode:
                gold = self._run(self.runs.exact, torch.float64)
            self._raise_to(self.serial, gold)
            if mode.touched < 2:
                return

    def _moved(self, name: str, bits: torch.Tensor, start: int, draws: int) -> Value:
        """The draws from ``start`` on of one tensor; bits of its random bytes are the signs."""
        value = self.runs.exact[name]
        assert isinstance(value, torch.Tensor)
        shifts = torch.arange(start, start + draws, dtype=torch.uint8).reshape(-1, *(1,) * bits.dim())
        signs = (bits >> shifts) & 1
        if self.double:
            return self._clamped(name, value * torch.where(signs == 1, 1 + _DOUBLE, 1 - _DOUBLE))
        # float32 neighbours: then gold and the float32 run see the very same perturbed numbers.
        factor = signs.to(torch.float32).mul_(2 * _SINGLE).add_(1 - _SINGLE)
        return self._clamped(name, value.to(torch.float32) * factor)

    def _clamped(self, name: str, value: Value) -> Value:
        """Keep declared limits: a probability that is moved beyond 1 is outside of what the case allows."""
        if name not in self._limits:
            return value
        low, high = self._limits[name]
        return value.clamp(low, high) if isinstance(value, torch.Tensor) else min(max(value, low), high)

    def _run(self, arguments: Mapping[str, Value], dtype: torch.dtype) -> Outputs:
        example = self.runs.example
        circumstances = f"on {example}, with inputs moved by one unit in the last place, in {dtype_name(dtype)}"
        outputs = self.reference.run(arguments, example.dims, dtype, circumstances)
        for name in self.names:
            shape, before = list(outputs[name].shape), list(self.gold[name].shape)
            if shape != before:
                raise self.reference.error(
                    f"returned '{name}' with shape {shape}, and with {before} before, on inputs that differ by one "
                    f"unit in the last place ({example}); shapes must depend on dims alone"
                )
        return outputs


def _settled(output: torch.Tensor) -> torch.Tensor:
    return output.detach().to(torch.float64)


def _distance(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """``|one - other|``; 0 where ``other`` is no finite number (masks judge there), inf where only ``one`` is none."""
    distance = (one - other).abs()
    if bool(torch.isfinite(distance).all()):
        return distance
    distance = torch.where(torch.isfinite(one), distance, torch.inf)
    return torch.where(torch.isfinite(other), distance, 0.0)


def _movement(moved: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """How far gold moved; 0 where a number was left for something else, as at the edge of a square root's domain."""
    distance = (moved - gold).abs()
    return distance if bool(torch.isfinite(distance).all()) else distance.nan_to_num(0.0, 0.0, 0.0)


def _limits(case: Case, name: str, example: Example) -> tuple[float, float] | None:
    argument = next(one for one in case.arguments if one.name == name)
    values = argument.values
    if isinstance(values, Range):
        return float(values.low.evaluate(example.dims)), float(values.high.evaluate(example.dims))
    if isinstance(values, Choices) and len(set(values.options)) > 1:
        return float(min(values.options)), float(max(values.options))
    return None
