"""How far rounding may move a reference's results: the standard model of floating point arithmetic, by operation.

A run in float64 is exact for our purpose. It is recorded once, operation by operation, with the error that the same
operation may make in the accumulation dtype. Then it is replayed several times, with each result moved by its error,
and float64 carries the movements to the outputs (Higham, Accuracy and Stability of Numerical Algorithms, chapter 3).

``operation_errors`` has the errors of basic operations; compositions are decomposed into these.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

import torch
from torch._decomp import decomposition_table
from torch.utils._pytree import tree_leaves, tree_map

from pytest_upskill.oracle import operation_errors
from pytest_upskill.oracle.compositions import COMPOSITIONS
from pytest_upskill.oracle.isolation import default_dtype, generator
from pytest_upskill.oracle.operation_errors import CHANGES_DTYPE, EXACT, Error, Operation, error_of, is_float
from pytest_upskill.oracle.operator_mode import OperatorMode, name_of

COPIED, ROUNDED_ONCE, ARITHMETIC, COMPUTED = range(4)
"""What an output is: one of the inputs or constants, the correctly rounded result of one operation, a composition of
sums and products (which a compiler may contract to fused multiply-adds), or anything else."""

_RANDOM_DRAWS = 10
_STEPS = (-1.0, -0.5, 0.5, 1.0)
"""Random movements, in multiples of the error: of a few draws with -1 and 1 alone, too many cancel."""

_POOL = 1 << 20
"""Random movements that are drawn once, and read from random offsets."""

_SUBNORMAL = 2.0**-149
"""The smallest subnormal of float32: the error of a result that underflows."""

Outputs = Mapping[str, torch.Tensor]


class ShapesDiffer(Exception):
    """A replay's tensors have other shapes than the recorded ones: the reference's shapes depend on values."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """Stands for the tensor that a replay has in this place."""

    index: int


@dataclass(slots=True)
class _Step:
    """One operation: ``made`` are the slots of its results, ``errors`` their errors, with the sign of the result."""

    operation: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    made: tuple[int, ...]
    errors: tuple[torch.Tensor | None, ...]
    released: list[int] = field(default_factory=list)


class Recording(OperatorMode):  # type: ignore[no-untyped-call]
    """Inside, a reference's operations are recorded. ``unit`` is the largest relative error of one rounding."""

    def __init__(self, unit: float) -> None:
        super().__init__()
        self.unit = unit
        self.unknown: set[str] = set()
        """Operations without a rule and without a decomposition: the recording says nothing then."""
        self.free_zeros = False
        """Whether an operation computed something or chose among equal elements: the sign of a zero is free then."""
        self._steps: list[_Step] = []
        self._slots: dict[int, tuple[weakref.ref[torch.Tensor], int]] = {}
        self._kinds: dict[int, int] = {}
        """The kind of result, by storage: views share it."""
        self._inputs: dict[str, int] = {}
        self._count = 0
        self._default = torch.get_default_dtype()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        plain, in_place = name_of(func)
        self._default = torch.get_default_dtype()
        if not in_place and (dtype := _promoted(func, plain, args, options)) is not None:
            with self:  # as a conversion, which is exact, and an operation on floating tensors, which rounds
                return func(*tree_map(lambda one: one.to(dtype) if _is_integer(one) else one, args), **options)
        if plain in EXACT or not any(map(is_float, _tensors((args, options)))):
            self.free_zeros |= plain in operation_errors.FREE_ZEROS
            return self._record(func, args, options, None, COPIED)
        operands = (args[0].clone(), *args[1:]) if in_place else args
        computed = [is_float(one) and self._kind_of(one) == COMPUTED for one in args]
        operation = Operation(func, plain, operands, options, self.unit, computed)
        if (error := error_of(operation)) is not None:
            self.free_zeros |= plain not in CHANGES_DTYPE
            return self._record(func, args, options, error, _kind(operation))
        decomposed = NotImplemented if in_place else self._decomposed(func, plain, args, options)
        if decomposed is not NotImplemented:
            return decomposed
        self.unknown.add(func.overloadpacket.__name__)
        return func(*args, **options)

    def _decomposed(self, func: Any, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """The result of a composition, recorded by its parts; NotImplemented if we know none."""
        with self:
            return (COMPOSITIONS.get(name) or decomposition_table.get(func) or func.decompose)(*args, **options)

    def _record(self, func: Any, args: tuple[Any, ...], options: dict[str, Any], error: Error | None, kind: int) -> Any:
        given = _tensors((args, options))
        before = max((self._kind_of(one) for one in given), default=COPIED)
        shared = {_storage(one): self._kind_of(one) for one in given}
        arguments, named = tree_map(self._replaced, (args, options))
        output = func(*args, **options)
        made = _tensors(output)
        errors = tuple(self._error(one, error) for one in made)
        if not any(one is not None for one in errors):  # a lossless conversion, or a product with a power of two
            kind = COPIED if func.overloadpacket.__name__ in CHANGES_DTYPE else min(kind, ROUNDED_ONCE)
        elif kind == ROUNDED_ONCE and before != COPIED:
            kind = ARITHMETIC
        for one in made:
            self._kinds[_storage(one)] = max(kind, before, shared.get(_storage(one), COPIED))
        if func is torch.ops.aten.lift_fresh.default:  # a constant: replays must not share it
            func = torch.ops.aten.clone.default
        self._steps.append(_Step(func, arguments, named, tuple(map(self._slot, made)), errors))
        return output

    def _error(self, output: torch.Tensor, rule: Error | None) -> torch.Tensor | None:
        """The error of one result, with the sign of the result: of one that its dtype can tell, at least."""
        error = None if rule is None or not output.is_floating_point() else rule(output)
        if error is None:
            return None
        exact = output.to(torch.float64)
        size = torch.as_tensor(error, dtype=torch.float64).abs().expand(exact.shape)
        shown = torch.finfo(output.dtype).eps * exact.abs()
        if self.unit > 2.0**-53:
            size = torch.where(exact == 0, size, size + _SUBNORMAL)
        moves = (size > 0) & torch.isfinite(exact)
        return torch.copysign(torch.where(moves, torch.maximum(size, shown), 0.0), exact)

    def add_input(self, name: str, value: torch.Tensor) -> None:
        """Make a tensor known that replays are given."""
        self._inputs[name] = self._slot(value)
        self._kinds[_storage(value)] = COPIED

    def kind(self, output: torch.Tensor) -> int:
        """How an output comes about; COMPUTED for one that no recorded operation made."""
        return self._kind_of(output) if self._known(output) is not None else COMPUTED

    def _kind_of(self, tensor: torch.Tensor) -> int:
        """That of a tensor that was not recorded is a constant's: its storage may have been another's."""
        return COPIED if self._known(tensor) is None else self._kinds.get(_storage(tensor), COPIED)

    def _known(self, tensor: torch.Tensor) -> int | None:
        reference, index = self._slots.get(id(tensor), (None, -1))
        return index if reference is not None and reference() is tensor else None

    def _slot(self, tensor: torch.Tensor) -> int:
        if (known := self._known(tensor)) is not None:
            return known
        self._slots[id(tensor)] = weakref.ref(tensor), self._count
        self._count += 1
        return self._count - 1

    def _replaced(self, value: Any) -> Any:
        """A slot for a tensor that replays have; other tensors are constants."""
        known = self._known(value) if isinstance(value, torch.Tensor) else None
        return value if known is None else _Slot(known)

    def finish(self, outputs: Outputs) -> Replays:
        """What was recorded, ready to be replayed."""
        kept = {name: self._known(value) for name, value in outputs.items()}
        last: dict[int, int] = {}
        for number, step in enumerate(self._steps):
            slots = (one.index for one in tree_leaves((step.arguments, step.options)) if isinstance(one, _Slot))
            last |= dict.fromkeys((*slots, *step.made), number)
        for index in last.keys() - set(kept.values()):
            self._steps[last[index]].released.append(index)
        made = {name: index for name, index in kept.items() if index is not None}
        return Replays(self._steps, self._inputs, made, self._default)


@dataclass(frozen=True, slots=True)
class Replays:
    """A recorded run. Outputs that no recorded operation made are left out of ``outputs``.

    ``default`` is torch's default dtype in the recorded run.
    """

    steps: Sequence[_Step]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    default: torch.dtype

    def run(
        self, arguments: Mapping[str, Any], move: Callable[[torch.Tensor, torch.Tensor], Any] | None = None
    ) -> dict[str, torch.Tensor]:
        """The outputs for other arguments of the same shapes; ``move`` changes a result by its error, in place.

        Raises ShapesDiffer if an operation does not accept the tensors that it is given now, as after a mask that
        selects a different number of elements.
        """
        held: dict[int, torch.Tensor] = {index: arguments[name] for name, index in self.inputs.items()}
        try:
            with default_dtype(self.default):
                self._repeat(held, move)
        except (RuntimeError, IndexError, ValueError) as error:
            raise ShapesDiffer(str(error)) from None
        return {name: held[index] for name, index in self.outputs.items()}

    def _repeat(self, held: dict[int, torch.Tensor], move: Callable[[torch.Tensor, torch.Tensor], Any] | None) -> None:
        for step in self.steps:
            output = step.operation(*_filled(step.arguments, held), **_filled(step.options, held))
            for index, error, one in zip(step.made, step.errors, _tensors(output), strict=True):
                if move is not None and error is not None:
                    move(one, error)
                held[index] = one
            for index in step.released:
                held.pop(index, None)

    def movements(self, arguments: Mapping[str, Any], gold: Outputs, label: object) -> dict[str, torch.Tensor]:
        """How far each output moves at most: with all results larger, all smaller, and in some random draws.

        Raises ShapesDiffer, also if an output gets another shape.
        """
        random = generator("rounding", label)
        found = {name: torch.zeros_like(gold[name], dtype=torch.float64) for name in self.outputs}
        moves: list[Callable[[torch.Tensor, torch.Tensor], Any]] = [
            lambda result, error: result.add_(error),
            lambda result, error: result.sub_(error),
        ]
        if sum(error is not None for step in self.steps for error in step.errors) > 1:
            moves += [lambda result, error: result.addcmul_(error, _steps(error.shape, random))] * _RANDOM_DRAWS
        for move in moves:
            for name, value in self.run(arguments, move).items():
                if value.shape != gold[name].shape:
                    raise ShapesDiffer(f"{list(value.shape)} instead of {list(gold[name].shape)}")
                moved = (value.to(torch.float64) - gold[name]).abs()
                found[name] = torch.maximum(found[name], moved.nan_to_num(torch.inf))
        return found


def _promoted(func: Any, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> torch.dtype | None:
    """The floating dtype to which an operation converts its tensors if all are integers or bools; None if none."""
    given = _tensors((args, options))
    if name in EXACT or name in CHANGES_DTYPE or not given or not all(map(_is_integer, given)):
        return None
    output = func(*args, **options)
    return output.dtype if is_float(output) else None


def _is_integer(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not value.is_floating_point() and not value.is_complex()


def _kind(operation: Operation) -> int:
    rounded = operation_errors.rounded_constants(operation.args, operation.unit)
    scaled = operation.options.get("alpha", 1) != 1 or rounded
    basic = operation.name in operation_errors.CORRECTLY_ROUNDED
    if operation.name in CHANGES_DTYPE or (basic and not scaled):
        return ROUNDED_ONCE
    return ARITHMETIC if basic or operation.name == "addcmul" else COMPUTED


@cache
def _pool() -> torch.Tensor:
    drawn = torch.randint(len(_STEPS), (_POOL,), generator=generator("rounding steps"))
    return torch.tensor(_STEPS, dtype=torch.float64)[drawn]


def _steps(shape: Sequence[int], random: torch.Generator) -> torch.Tensor:
    count, pool = prod(shape), _pool()
    offset = int(torch.randint(_POOL, (), generator=random))
    if offset + count > _POOL:
        pool = pool.roll(-offset).repeat(-(-count // _POOL))
        offset = 0
    return pool[offset : offset + count].reshape(tuple(shape))


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(value: Any) -> list[torch.Tensor]:
    return [one for one in tree_leaves(value) if isinstance(one, torch.Tensor)]


def _filled(value: Any, held: Mapping[int, torch.Tensor]) -> Any:
    """The value with tensors in place of slots; called for every step of every replay, where ``tree_map`` is slow."""
    if isinstance(value, _Slot):
        return held[value.index]
    if isinstance(value, list | tuple):
        return type(value)([_filled(one, held) for one in value])
    return {key: _filled(one, held) for key, one in value.items()} if isinstance(value, dict) else value
