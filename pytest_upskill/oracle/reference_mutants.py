"""Mutants of a reference. Each one makes a classic mistake of kernels in the operations of one run in float64.

For example, a maximum starts at 0, a constant is left out, or the last of several equal elements is chosen instead of
the first. A dispatch mode observes the reference's operations. ``mutated_runs`` finds the mistakes that apply to these
operations, and returns the results with each mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.compositions import COMPOSITIONS
from pytest_upskill.oracle.operator_mode import OperatorMode, name_of
from pytest_upskill.oracle.reference import Reference, cast
from pytest_upskill.oracle.values import DTYPE, Arguments, Value
from pytest_upskill.records import Example

CONSTANTS = 8
"""At most this many constants of a reference are left out, one in each mutant."""

_POOLS = ("max_pool2d_with_indices", "max_pool3d_with_indices")
_MAXIMA, _MINIMA = ("amax", "max", "argmax", "cummax", *_POOLS), ("amin", "min", "argmin", "cummin")
_WITH_TIES = ("argmax", "argmin", "max", "min", "sort", "topk")
_WITH_EPSILON = {"native_group_norm": 7, "native_batch_norm": 7}
"""Operators with an epsilon, and the index of the epsilon among their arguments."""
_LEFT_OUT = {"add": "add", "sub": "subtract", "rsub": "subtract from", "mul": "multiply by", "div": "divide by"}


@dataclass(frozen=True, slots=True)
class MutatedRun:
    """The results of one mutant on an example.

    ``name`` begins with the kind of the mistake. ``said`` describes the mistake in messages, after "a kernel that".
    ``outputs`` is None if the mistake changed the result of no operation, and empty if the mutant failed.
    """

    name: str
    said: str
    outputs: Mapping[str, torch.Tensor] | None


@dataclass(frozen=True, slots=True)
class _Operation:
    """A call of an operator in a reference. ``right`` is its result without a mistake."""

    name: str
    overload: str
    args: tuple[Any, ...]
    options: Mapping[str, Any]
    right: Any

    def argument(self, index: int, name: str, default: Any = None) -> Any:
        return self.args[index] if index < len(self.args) else self.options.get(name, default)

    @property
    def constant(self) -> float | None:
        """The floating constant that the operation adds or multiplies by; None if it has none."""
        if self.name in _WITH_EPSILON:
            return float(self.args[_WITH_EPSILON[self.name]])
        value = self.args[1] if self.name in _LEFT_OUT and len(self.args) > 1 else None
        return value if isinstance(value, float) else None


Change = Callable[[_Operation, "_Origins"], Any]
"""A function that returns the wrong result of an operation, or None if the mistake does not apply to the operation."""


@dataclass(frozen=True, slots=True)
class _Mistake:
    name: str
    said: str
    change: Change


@dataclass(slots=True)
class _Origins:
    """Remembers, by the id of the result, which tensors are sums with a constant and which are square roots.

    It keeps these tensors alive, so that no other tensor gets the same id.
    """

    sums: dict[int, tuple[Any, Any, float]] = field(default_factory=dict)
    roots: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def note(self, one: _Operation) -> None:
        if one.name == "add" and one.constant is not None:
            self.sums[id(one.right)] = one.right, one.args[0], one.constant
        elif one.name == "sqrt":
            self.roots[id(one.right)] = one.right, one.args[0]


def _from_start(names: Collection[str], start: float | None, dtype: str, one: _Operation, _: _Origins) -> Any:
    """A maximum or minimum whose running value starts at ``start`` (None: the dtype's smallest positive number)."""
    if one.name not in names or one.args[0].dtype in (torch.bool, torch.uint8) or one.args[0].numel() == 0:
        return None
    if start is None and not one.args[0].is_floating_point():
        return None
    begin = torch.finfo(DTYPE[dtype]).tiny if start is None else start
    largest = names is _MAXIMA
    if one.name.startswith("arg"):
        dim, kept = one.argument(1, "dim"), one.argument(2, "keepdim", False)
        extreme = (torch.amax if largest else torch.amin)(one.args[0], () if dim is None else dim, kept)
        return one.right.masked_fill(_not_beyond(extreme, begin, largest), 0)
    values = one.right if isinstance(one.right, torch.Tensor) else one.right[0]
    stays = _not_beyond(values, begin, largest)
    wrong = values.masked_fill(stays, begin if values.is_floating_point() else int(begin))
    return wrong if isinstance(one.right, torch.Tensor) else (wrong, one.right[1].masked_fill(stays, 0))


def _not_beyond(extreme: torch.Tensor, start: float, largest: bool) -> torch.Tensor:
    return extreme <= start if largest else extreme >= start


def _last_of_equals(one: _Operation, _: _Origins) -> Any:
    if one.name not in _WITH_TIES or one.args[0].numel() == 0 or (one.name in ("max", "min") and one.overload != "dim"):
        return None
    x = one.args[0]
    if one.name in ("argmax", "argmin") and one.argument(1, "dim") is None:
        return x.numel() - 1 - getattr(x.reshape(-1).flip(0), one.name)().reshape(one.right.shape)
    if x.dim() == 0:
        return None
    if one.name in ("argmax", "argmin"):
        return x.shape[one.args[1]] - 1 - getattr(x.flip(one.args[1]), one.name)(*one.args[1:], **one.options)
    if one.name in ("max", "min"):
        values, indices = getattr(x.flip(one.args[1]), one.name)(*one.args[1:], **one.options)
        return values, x.shape[one.args[1]] - 1 - indices
    if one.name == "topk":
        count, dim, descending = one.args[1], one.argument(2, "dim", -1), one.argument(3, "largest", True)
    else:
        dim, descending = one.argument(1, "dim", -1), one.argument(2, "descending", False)
        count = x.shape[dim]
    ordered = x.flip(dim).sort(dim=dim, descending=descending, stable=True)
    return ordered.values.narrow(dim, 0, count), x.shape[dim] - 1 - ordered.indices.narrow(dim, 0, count)


def _halves_away(one: _Operation, _: _Origins) -> Any:
    if one.name != "round" or not one.args[0].is_floating_point():
        return None
    scale = 10.0 ** one.options.get("decimals", 0)
    scaled = one.args[0] * scale
    return scaled.sign() * (scaled.abs() + 0.5).floor() / scale


def _without(constant: tuple[str, float], one: _Operation, _: _Origins) -> Any:
    if (one.name, one.constant) != constant:
        return None
    if one.name in _WITH_EPSILON:
        place = _WITH_EPSILON[one.name]
        return getattr(torch.ops.aten, one.name)(*one.args[:place], 0.0, *one.args[place + 1 :], **one.options)
    return (-one.args[0] if one.name == "rsub" else one.args[0]).to(one.right.dtype)


def _moved(one: _Operation, origins: _Origins) -> Any:
    """Compute ``sqrt(v) + c`` instead of ``sqrt(v + c)``, and the reverse."""
    if one.name in ("sqrt", "rsqrt") and id(one.args[0]) in origins.sums:
        _, value, constant = origins.sums[id(one.args[0])]
        moved = value.sqrt() + constant
        return moved if one.name == "sqrt" else moved.reciprocal()
    if one.name == "add" and one.constant is not None and id(one.args[0]) in origins.roots:
        return (origins.roots[id(one.args[0])][1] + one.constant).sqrt()
    return None


def _mistakes(dtype: str, constants: Sequence[tuple[str, float]]) -> Iterator[_Mistake]:
    for names, what, starts in ((_MAXIMA, "maximum", (0, -1, -100)), (_MINIMA, "minimum", (0, 1, 100))):
        for start in starts:
            change = partial(_from_start, names, start, dtype)
            yield _Mistake(f"{what} from {start}", f"starts its {what} at {start}", change)
    if dtype in ("float64", "float32", "float16", "bfloat16"):
        said = "starts its maximum at the smallest positive number"
        yield _Mistake("maximum from tiny", said, partial(_from_start, _MAXIMA, None, dtype))
    yield _Mistake("ties", "takes the last of equal elements", _last_of_equals)
    yield _Mistake("halves", "rounds halves away from zero", _halves_away)
    yield _Mistake("moved", "adds a constant after the square root in place of before it, or the reverse", _moved)
    for number, (name, value) in enumerate(constants):
        if value != (1.0 if name in ("mul", "div") else 0.0):
            said = f"does not {_LEFT_OUT.get(name, 'add')} {value:g}"
            yield _Mistake(f"constant {number}", said, partial(_without, (name, value)))


class _Mutating(OperatorMode):  # type: ignore[no-untyped-call]
    """A dispatch mode in which operations return wrong results. Without ``change``, it collects operations in ``seen``.

    ``met`` is true once the mistake applied to an operation, and ``changed`` once it changed a result.
    """

    def __init__(self, change: Change | None = None) -> None:
        super().__init__()
        self.met = self.changed = False
        self.seen: dict[tuple[str, float | None], None] = {}
        self._change, self._origins = change, _Origins()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        name, in_place = name_of(func)
        if name == "native_layer_norm":  # the decomposition shows the epsilon and the square root
            with self:
                return COMPOSITIONS[name](*args, **options)
        before = (args[0].clone(), *args[1:]) if in_place else args
        one = _Operation(name, func._overloadname, before, options, func(*args, **options))
        wrong = self._change(one, self._origins) if self._change else self.seen.setdefault((one.name, one.constant))
        self._origins.note(one)
        self.met = self.met or (self._change is not None and wrong is not None)
        if wrong is None or _same(one.right, wrong):
            return one.right
        self.changed = True
        return args[0].copy_(wrong) if in_place else wrong


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())
    return all(map(_same, one, other))


def mutated_runs(
    reference: Reference, arguments: Arguments, example: Example, skip: Collection[str]
) -> Iterator[MutatedRun]:
    """Run the reference with each mistake that applies to it, except the mistakes that ``skip`` names."""

    def run(given: Mapping[str, Value], mode: _Mutating) -> Mapping[str, torch.Tensor]:
        with mode:
            return reference.run(given, example.dims, torch.float64, f"on {example}, in float64")

    def attempt(given: Mapping[str, Value], mode: _Mutating) -> Mapping[str, torch.Tensor]:
        try:
            return run(given, mode)
        except (CaseError, RuntimeError):
            return {}

    exact, watching = cast(arguments, torch.float64), _Mutating()
    run(exact, watching)
    constants = [(name, value) for name, value in watching.seen if value is not None][:CONSTANTS]
    for mistake in _mistakes(example.dtype, constants):
        if mistake.name in skip or not _applies(mistake.name, watching.seen):
            continue
        outputs = attempt(exact, mode := _Mutating(mistake.change))
        if mode.met or not outputs:  # else it applies to none, such as the smallest positive float to integers
            yield MutatedRun(mistake.name, mistake.said, outputs if mode.changed or not outputs else None)
    narrow = {name: _narrowed(value) for name, value in exact.items()}
    if "narrowed" not in skip and any(narrow[name] is not value for name, value in exact.items()):
        yield MutatedRun("narrowed", "keeps int64 inputs in 32 bits", attempt(narrow, _Mutating()))


def _applies(name: str, seen: Collection[tuple[str, float | None]]) -> bool:
    operations = {operation for operation, _ in seen}
    kind = name.partition(" ")[0]
    wanted = {"maximum": _MAXIMA, "minimum": _MINIMA, "ties": _WITH_TIES, "halves": ("round",)}.get(kind)
    if kind == "moved":
        added = ("add", *_WITH_EPSILON)
        return bool(operations & {"sqrt", "rsqrt"}) and any(op in added and value is not None for op, value in seen)
    return wanted is None or not operations.isdisjoint(wanted)


def _narrowed(value: Value) -> Value:
    """The value after a conversion to 32 bits as in C++. If it fits into 32 bits, the same object is returned."""
    if isinstance(value, torch.Tensor):
        narrow = value.to(torch.int32).to(torch.int64) if value.dtype == torch.int64 else value
        return value if torch.equal(narrow, value) or value.dtype != torch.int64 else narrow
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 31) <= value < 1 << 31:
        return (value + (1 << 31)) % (1 << 32) - (1 << 31)
    return value
