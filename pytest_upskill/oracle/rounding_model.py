"""Estimates how far rounding may move a reference's results, by the standard model of floating point arithmetic.

A run in float64 counts as exact here. It is recorded once, operation by operation, together with the error that each
operation may make in the accumulation dtype. Then it is replayed several times, and each operation's result is moved by
its error. The float64 arithmetic carries these movements to the outputs (Higham, Accuracy and Stability of Numerical
Algorithms, chapter 3). ``operation_errors`` has the errors of basic operations. Composite operators are decomposed into
basic operations.
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
"""How an output comes about, in this order: it copies an input or a constant; it is the correctly rounded result of one
operation; it is a composition of sums and products (which a compiler may contract to fused multiply-adds); or it is
computed in any other way."""

_RANDOM_DRAWS = 10
_STEPS = (-1.0, -0.5, 0.5, 1.0)
"""The factors by which an error is multiplied in a random movement. With -1 and 1 alone, too many of a few movements
would cancel each other."""

_POOL = 1 << 20
"""The number of random factors that are drawn once. Each use reads them from a random offset."""

_SUBNORMAL = 2.0**-149
"""The smallest subnormal of float32: the error of a result that underflows."""

Outputs = Mapping[str, torch.Tensor]


class ShapesDiffer(Exception):
    """Shapes in a replay differ from the recorded shapes, because shapes in the reference depend on values."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """A placeholder for the tensor that a replay puts here."""

    index: int


@dataclass(slots=True)
class _Step:
    """A recorded operation.

    ``made`` are the slots of its results. ``errors`` are the errors of these results, with the signs of the results.
    """

    operation: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    made: tuple[int, ...]
    errors: tuple[torch.Tensor | None, ...]
    released: list[int] = field(default_factory=list)


class Recording(OperatorMode):  # type: ignore[no-untyped-call]
    """A dispatch mode that records a reference's operations. ``unit`` is the largest relative error of one rounding."""

    def __init__(self, unit: float) -> None:
        super().__init__()
        self.unit = unit
        self.unknown: set[str] = set()
        """The operations without a rule and without a decomposition. If there is one, the recording cannot be used."""
        self.free_zeros = False
        """Whether a zero in the result may have either sign, because an operation computed something or chose among
        equal elements."""
        self._steps: list[_Step] = []
        self._slots: dict[int, tuple[weakref.ref[torch.Tensor], int]] = {}
        self._kinds: dict[int, int] = {}
        """The kind of each result by the address of its storage, because views share their storage."""
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
            with self:  # record an exact conversion, and then an operation on floating tensors, which rounds
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
        """Run and record the parts of a composite operator. NotImplemented if no decomposition is known."""
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
        if func is torch.ops.aten.lift_fresh.default:  # replays must not change the constant
            func = torch.ops.aten.clone.default
        self._steps.append(_Step(func, arguments, named, tuple(map(self._slot, made)), errors))
        return output

    def _error(self, output: torch.Tensor, rule: Error | None) -> torch.Tensor | None:
        """The error of one result, with the sign of the result. None if the result is exact.

        The error is at least one that changes a number of the result's dtype.
        """
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
        """Register an input, in place of which replays use another tensor."""
        self._inputs[name] = self._slot(value)
        self._kinds[_storage(value)] = COPIED

    def kind(self, output: torch.Tensor) -> int:
        """How an output comes about. COMPUTED if no recorded operation made the output."""
        return self._kind_of(output) if self._known(output) is not None else COMPUTED

    def _kind_of(self, tensor: torch.Tensor) -> int:
        """The kind of a tensor. A tensor that was not recorded is a constant, and counts as COPIED.

        Its storage is not looked up, because a tensor that no longer exists may have had the same address.
        """
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
        """A slot in place of a recorded tensor. Any other value is returned as it is, because it is constant."""
        known = self._known(value) if isinstance(value, torch.Tensor) else None
        return value if known is None else _Slot(known)

    def finish(self, outputs: Outputs) -> Replays:
        """End the recording and return it, ready to be replayed."""
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
    """A recorded run that can be replayed. An output that no recorded operation made is not in ``outputs``.

    ``default`` is torch's default dtype in the recorded run.
    """

    steps: Sequence[_Step]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    default: torch.dtype

    def run(
        self, arguments: Mapping[str, Any], move: Callable[[torch.Tensor, torch.Tensor], Any] | None = None
    ) -> dict[str, torch.Tensor]:
        """Replay the run with other arguments of the same shapes, and return its outputs.

        ``move`` is called with each result and its error, and changes the result in place. Raises ShapesDiffer if an
        operation does not accept its tensors now, for example after a mask that selects another number of elements.
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
        """How far each element of each output moves at most when the results of operations move by their errors.

        In one replay all results become larger, in another all become smaller, and in some more each result moves at
        random. Raises ShapesDiffer, also if an output gets another shape.
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
    """The floating dtype to which an operation converts its tensors, if all are integers or bools and it converts them.

    Otherwise None.
    """
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
    """The value with tensors in place of slots.

    ``tree_map`` would be too slow, because this is called for every step of every replay.
    """
    if isinstance(value, _Slot):
        return held[value.index]
    if isinstance(value, list | tuple):
        return type(value)([_filled(one, held) for one in value])
    return {key: _filled(one, held) for key, one in value.items()} if isinstance(value, dict) else value
