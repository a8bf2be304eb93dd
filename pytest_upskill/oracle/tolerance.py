"""Computes how far off a correct kernel may be: floor + 2 * natural + rounding, for each element.

- *floor* is one unit in the last place of a float16 or bfloat16 output, and four units of a float32 or float64 output.
  If an output is only a composition of sums and products, it is half a unit.
- *rounding* is how far rounding in the reference's operations may move the result (see ``rounding_model``).
- *natural* is how far off PyTorch itself is. It is the larger of the error in float32 and the error in the case's dtype
  less the rounding of the result, and it is the largest over all elements that share a reduction.

A copied element must have exactly the bits of gold, and so must the correctly rounded result of one operation.

If inputs are float64, errors of float32 runs are used, scaled by the ratio of the units in the last place, because no
computation more exact than float64 is available.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.exact import COPY, ONCE
from pytest_upskill.oracle.input_dependency import measure
from pytest_upskill.oracle.input_spread import moved_upwards, spread
from pytest_upskill.oracle.reference import Reference
from pytest_upskill.oracle.rounding_model import (
    ARITHMETIC,
    COMPUTED,
    COPIED,
    ROUNDED_ONCE,
    Recording,
    Replays,
    ShapesDiffer,
)
from pytest_upskill.oracle.values import DTYPE, Value
from pytest_upskill.records import Example

_UNITS: Mapping[str, float] = {"float16": 1.0, "bfloat16": 1.0, "float32": 4.0, "float64": 4.0}
_SINGLE, _DOUBLE = 2.0**-23, 2.0**-52

_UNFAITHFUL = 0.01
"""A replay may differ from the reference itself by this share of how far the inputs' movement moved the result."""

PYTHON = "Python's own arithmetic"
SHAPES = "selections whose size rounding may change"

Outputs = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Runs:
    """The reference's results on unperturbed inputs. ``dtypes`` has the floating outputs, which need a bound."""

    example: Example
    arguments: Mapping[str, Value]
    exact: Mapping[str, Value]
    gold: Outputs
    eager: Outputs
    single: Outputs
    dtypes: Mapping[str, str]


class Unstable(Exception):
    """No bound exists, because the reference gives NaN or infinity when results are moved by rounding errors."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The bound of one output.

    ``allowed`` is the largest error that passes, per element. ``explained`` is the part of ``allowed`` that is due to
    rounding (*floor* + *rounding*). Both are float64. If no error is allowed, ``exact`` says why."""

    allowed: torch.Tensor
    explained: torch.Tensor
    exact: str = ""
    signed_zeros: bool = False
    """Whether a zero must have the right sign."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bound of each floating output. ``unmodelled`` names operations that the rounding model does not know."""

    by_output: Mapping[str, Bound]
    unmodelled: frozenset[str] = frozenset()


def unit_in_last_place(value: torch.Tensor, dtype: str) -> torch.Tensor:
    """The distance between neighbouring numbers of ``dtype`` at each element, in float64."""
    info = torch.finfo(DTYPE[dtype])
    exact, smallest = value.to(torch.float64), info.tiny * info.eps
    exponent = torch.frexp(exact).exponent.to(torch.float64) - 1
    return torch.where(exact == 0, smallest, (info.eps * torch.exp2(exponent)).clamp(min=smallest))


def floor(gold: torch.Tensor, dtype: str) -> torch.Tensor:
    """One or four units in the last place of ``dtype`` at each element.

    If it is four units, one smallest subnormal is added. Below the normal numbers, a unit in the last place is the
    smallest subnormal, however small the element is. There, too, a correct ``expf`` that is off by two units, followed
    by a division, must pass.
    """
    if _UNITS[dtype] == 1:
        return unit_in_last_place(gold, dtype)
    info = torch.finfo(DTYPE[dtype])
    smallest = info.tiny * info.eps
    return _UNITS[dtype] * (info.eps * gold.abs()).clamp(min=smallest) + smallest


def declared(case: Case, example: Example, gold: torch.Tensor) -> torch.Tensor | None:
    """The case's own tolerance, if it has one for the dtype that is tried."""
    own = case.tolerance.get(example.dtype, case.tolerance.get("*"))
    return None if own is None else own.atol + own.rtol * gold.abs()


def bounds(reference: Reference, runs: Runs) -> Bounds:
    """The bound of every element of every floating output. Raises CaseError, Unstable."""
    own = {name: declared(reference.case, runs.example, runs.gold[name]) for name in runs.dtypes}
    if all(bound is not None for bound in own.values()):
        return Bounds({name: Bound(bound, bound) for name, bound in own.items() if bound is not None})
    measured = _Measured(reference, runs)
    return Bounds({name: measured.bound(name) for name in runs.dtypes}, frozenset(measured.unmodelled))


class _Measured:
    """What rounding does to one example's outputs."""

    def __init__(self, reference: Reference, runs: Runs) -> None:
        self.reference, self.runs = reference, runs
        self.gold = {name: runs.gold[name].detach().to(torch.float64) for name in runs.dtypes}
        tensors = [v for v in runs.arguments.values() if isinstance(v, torch.Tensor) and v.is_floating_point()]
        self.double = bool(tensors) and all(tensor.dtype == torch.float64 for tensor in tensors)
        self._axes: dict[str, tuple[int, ...]] | None = None
        self._record()

    def _record(self) -> None:
        exact = {name: v.detach() if isinstance(v, torch.Tensor) else v for name, v in self.runs.exact.items()}
        recording = Recording((_DOUBLE if self.double else _SINGLE) / 2)
        for name, value in exact.items():
            if isinstance(value, torch.Tensor):
                recording.add_input(name, value)
        with recording:
            outputs = self._run(exact)
        replays = recording.finish({name: outputs[name] for name in self.gold})
        self.kinds = {name: recording.kind(outputs[name]) for name in self.gold}
        self.free_zeros, self.unmodelled = recording.free_zeros, set(recording.unknown)
        self.rounding = {} if self.unmodelled else self._replayed(replays, exact)
        if self.unmodelled:
            self.kinds = dict.fromkeys(self.gold, COMPUTED)
            self.rounding = self._spread(exact)
        for name, moved in self.rounding.items():
            if not bool(torch.isfinite(moved[torch.isfinite(self.gold[name])]).all()):
                raise Unstable

    def _replayed(self, replays: Replays, exact: Mapping[str, Value]) -> Mapping[str, torch.Tensor]:
        """How far the outputs move in replays. If replays cannot be used, add the reason to ``unmodelled``."""
        try:
            if not self._faithful(replays, exact):
                self.unmodelled.add(PYTHON)
            elif not all(kind in (COPIED, ROUNDED_ONCE) for kind in self.kinds.values()):
                return replays.movements(exact, self.gold, self.runs.example)
        except ShapesDiffer:
            self.unmodelled.add(SHAPES)
        return {name: torch.zeros_like(gold) for name, gold in self.gold.items()}

    def _faithful(self, replays: Replays, exact: Mapping[str, Value]) -> bool:
        """Whether a replay on moved inputs gives the same as the reference itself.

        It does not if the reference computes something outside of PyTorch.
        """
        if replays.outputs.keys() != self.gold.keys():
            return False
        moved = moved_upwards(self.reference.case, self.runs.example, exact, _SINGLE)
        outputs, replayed = self._run(moved), replays.run(moved)
        for name, gold in self.gold.items():
            own, other = outputs[name].to(torch.float64), replayed[name].to(torch.float64)
            if own.shape != other.shape:
                raise ShapesDiffer(f"{list(other.shape)} instead of {list(own.shape)}")
            room = _UNFAITHFUL * (own - gold).abs() + 1e-12 * own.abs().nan_to_num(0, 0, 0).amax() if own.numel() else 0
            near = ((own - other).abs() <= room) | (own == other) | (own.isnan() & other.isnan())
            if not bool(near.all()):
                return False
        return True

    def _spread(self, exact: Mapping[str, Value]) -> dict[str, torch.Tensor]:
        case, example, unit = self.reference.case, self.runs.example, _DOUBLE if self.double else _SINGLE
        found = spread(case, example, exact, unit, self.gold, self._run)
        dependency = measure(self.reference, exact, example.dims, f"on {example}")
        return {name: dependency[name].terms * moved for name, moved in found.items()}

    def bound(self, name: str) -> Bound:
        """The bound of one output."""
        gold, dtype, kind = self.gold[name], self.runs.dtypes[name], self.kinds[name]
        if kind in (COPIED, ROUNDED_ONCE):
            rounded = gold.to(DTYPE[dtype]).to(torch.float64)
            off = (rounded - gold).abs().nan_to_num(0, 0, 0)
            if kind == ROUNDED_ONCE and dtype in ("float16", "bfloat16"):  # a kernel may round to float32 before
                off = off + _SINGLE * gold.abs()
            if torch.equal(rounded.nan_to_num(), self.runs.eager[name].to(torch.float64).nan_to_num()):
                copied = kind == COPIED
                return Bound(off, off, COPY if copied else ONCE, copied and not self.free_zeros)
        least = unit_in_last_place(gold, dtype) / 2 if kind == ARITHMETIC else floor(gold, dtype)
        explained = least + self.rounding[name]
        return Bound(explained + 2 * self._natural(name, explained), explained)

    def _natural(self, name: str, explained: torch.Tensor) -> torch.Tensor:
        """PyTorch's own error at each element: the largest over the elements that share a reduction with it."""
        gold, dtype = self.gold[name], self.runs.dtypes[name]
        single = _distance(self.runs.single[name], gold) * (_DOUBLE / _SINGLE if self.double else 1.0)
        eager = _distance(self.runs.eager[name], gold) - unit_in_last_place(gold, dtype) / 2
        natural = torch.maximum(single, eager.clamp(min=0))
        if not natural.dim() or not natural.numel() or bool((natural <= explained / 8).all()):
            return natural
        axes = tuple(axis for axis in self._shared_axes(name) if axis < natural.dim())
        return natural.amax(dim=axes, keepdim=True) if axes else natural

    def _shared_axes(self, name: str) -> tuple[int, ...]:
        if self._axes is None:
            dims, circumstances = self.runs.example.dims, f"on {self.runs.example}"
            found = measure(self.reference, self.runs.exact, dims, circumstances)
            self._axes = {output: dependency.axes for output, dependency in found.items()}
        return self._axes[name]

    def _run(self, arguments: Mapping[str, Value]) -> Outputs:
        example = self.runs.example
        circumstances = f"on {example}, with inputs moved by one unit in the last place, in float64"
        outputs = self.reference.run(arguments, example.dims, torch.float64, circumstances)
        for name, gold in self.gold.items():
            shape, before = list(outputs[name].shape), list(gold.shape)
            if shape != before:
                raise self.reference.error(
                    f"returned '{name}' with shape {shape}, and with {before} before, on inputs that differ by one "
                    f"unit in the last place ({example}); shapes must depend on dims alone"
                )
        return outputs


def _distance(one: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """``|one - gold|``, but inf where only ``one`` is not finite, and 0 where ``gold`` is not finite.

    Where ``gold`` is not finite, masks are compared instead.
    """
    one = one.detach().to(torch.float64)
    distance = (one - gold).abs()
    if bool(torch.isfinite(distance).all()):
        return distance
    return torch.where(torch.isfinite(gold), torch.where(torch.isfinite(one), distance, torch.inf), 0.0)
