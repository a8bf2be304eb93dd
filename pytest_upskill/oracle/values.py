"""Makes the values of a call from an example. The same example gives the same bits.

Each argument has its own random generator, which depends on seed, dims, dtype, family, argument and attempt. So values
never repeat between calls, and a new argument of a case does not change the values of the other arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from pytest_upskill.cases.case import Case, Choices, Named, Range, ScalarSpec, TensorSpec
from pytest_upskill.cases.example_text import single
from pytest_upskill.cases.sizes import first, integer_scalars, scalar_options, violated
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.families import FAMILIES, INTEGERS, WEIGHTED, Size, integer, mixed, normal, share
from pytest_upskill.oracle.isolation import generator, stable_hash
from pytest_upskill.oracle.shapes import at_step
from pytest_upskill.oracle.size_distribution import STEPS
from pytest_upskill.oracle.snippet import Function
from pytest_upskill.records import FLOATING, ITEM_SIZE, Example

Value = torch.Tensor | float | int | bool
Arguments = Mapping[str, Value]

_RARE, _OFTEN, _NEARLY_ALL = 1 / 32, 1 / 8, 19 / 20
"""Shares of the elements with a certain value, such as an end of a declared range, NaN or zero."""
_MANY = 256
"""From this number of elements on, two in three tensors of integers in a range have many equal elements."""

_LARGEST = torch.iinfo(torch.int64).max
_WIDE: Mapping[str, tuple[int, ...]] = {"int32": (2**26 + 1,), "int64": (2**33 + 1, 2**54 + 1)}
"""By dtype, factors that make integers large without clearing their lower bits. The int32 values do not fit into float,
and the int64 values fit neither into 32 bits nor into double."""

DTYPE: Mapping[str, torch.dtype] = {name: getattr(torch, name) for name in ITEM_SIZE}


def dtype_name(dtype: torch.dtype) -> str:
    """PyTorch's name of a dtype without the prefix ``torch.``."""
    return str(dtype).removeprefix("torch.")


def uses_family(case: Case) -> bool:
    """Whether any tensor takes its values from the example's family."""
    return any(tensor.values is None and tensor.dtype in (None, *FLOATING) for tensor in case.tensors)


def wild(case: Case) -> bool:
    """Whether the case asks for ``wild`` values."""
    return any(isinstance(tensor.values, Named) and tensor.values.name == "wild" for tensor in case.tensors)


def complete(case: Case, example: Example) -> Example:
    """The example with its family of values and its integer scalars, which are drawn if its text does not state them.

    Floating scalars that the example states stay, rounded to float32. Others are drawn later, with the tensors.
    """
    family = INTEGERS if example.values == INTEGERS else ""
    if not family and uses_family(case):
        family = example.values or WEIGHTED[stable_hash("family", example.seed) % len(WEIGHTED)]
    scalars: dict[str, int] = {}
    for scalar in integer_scalars(case):
        given = example.scalars.get(scalar.name)
        scalars[scalar.name] = _from_seed(case, scalar, example, scalars) if given is None else int(given)
    names = (scalar.name for scalar in case.scalars if scalar.kind == "float")
    real = {name: single(float(example.scalars[name])) for name in names if name in example.scalars}
    return Example(dict(example.dims), example.dtype, example.seed, family, {**scalars, **real})


def _from_seed(case: Case, scalar: ScalarSpec, example: Example, earlier: Mapping[str, int]) -> int:
    options = scalar_options(scalar, example.dims)
    known = {**example.sizes, **earlier}
    for attempt in range(256):
        value = at_step(options, stable_hash("scalar", scalar.name, example.seed, attempt) % STEPS)
        if violated(case, {**known, scalar.name: value}) is None:
            return value
    return first(options)


def shape_of(tensor: TensorSpec, dims: Mapping[str, int]) -> Size:
    """The tensor's shape for these sizes."""
    return tuple(int(size.evaluate(dims)) for size in tensor.shape)


@dataclass(frozen=True, slots=True)
class Source:
    """Draws the values of a case, by the case's own function for inputs if it has one."""

    case: Case
    inputs: Function | None = None

    def arguments(self, example: Example, attempt: int = 0) -> dict[str, Value]:
        """All arguments of the operator by name, in schema order, for an attempt at an example.

        Tensors are contiguous and have the dtype of their argument. Floating scalars are float32 values.
        """
        drawn: dict[str, Value] = {}
        given = self._given(example, attempt)
        given |= {name: value for name, value in example.scalars.items() if isinstance(value, float)}
        for argument in self.case.arguments:
            name, random = argument.name, self._generator(example, attempt, argument.name)
            if name in given:
                drawn[name] = given[name]
            elif isinstance(argument, TensorSpec):
                drawn[name] = self._tensor(argument, example, attempt, random)
            else:
                drawn[name] = self._scalar(argument, example, random)
        return drawn

    def _generator(self, example: Example, attempt: int, name: str) -> torch.Generator:
        dims = ",".join(f"{key}={size}" for key, size in example.dims.items())
        return generator("values", example.seed, dims, example.dtype, example.values, name, attempt)

    def _tensor(self, tensor: TensorSpec, example: Example, attempt: int, random: torch.Generator) -> torch.Tensor:
        size, dtype = shape_of(tensor, example.dims), tensor.dtype or example.dtype
        if min(size, default=0) < 0:
            what = f"'{tensor.name}' has the shape {list(size)} for {example}; narrow 'dims'"
            raise CaseError(f"case '{self.case.name}': {what}", self.case.path)
        values = tensor.values
        if isinstance(values, Range):
            return _ranged(self.case, tensor.name, values, size, dtype, example.dims, random)
        if isinstance(values, Choices):
            return _chosen(values, size, dtype, random)
        if isinstance(values, Named):
            nans = values.name == "wild" and "nan" in self.case.task.lower()
            return _named(values.name, size, dtype, attempt, random, nans)
        return _undeclared(size, dtype, example.values or "normal", random)

    def _scalar(self, scalar: ScalarSpec, example: Example, random: torch.Generator) -> Value:
        if scalar.kind == "int":
            return int(example.scalars[scalar.name])
        if scalar.kind == "bool":
            return bool(example.scalars[scalar.name])
        if isinstance(scalar.values, Choices):
            return single(float(scalar.values.options[integer(len(scalar.values.options), random)]))
        low, high = float(scalar.values.low.evaluate(example.dims)), float(scalar.values.high.evaluate(example.dims))
        place = share(random)
        # In a range over several orders of magnitude, as of an epsilon, values are spread evenly over the orders.
        wide = low > 0 and high / low >= 100
        value = low * math.pow(high / low, place) if wide else low + (high - low) * place
        return single(value, low, high)

    def _given(self, example: Example, attempt: int) -> dict[str, Value]:
        if self.inputs is None:
            return {}
        offered: dict[str, Value | torch.dtype | torch.Generator] = {
            "generator": self._generator(example, attempt, "inputs()"),
            "dtype": DTYPE[example.dtype],
            **example.dims,
        }
        taken = offered if self.inputs.open else {k: v for k, v in offered.items() if k in self.inputs.parameters}
        # torch.manual_seed also formats a stack trace, for GPUs that are used later.
        torch.default_generator.manual_seed(stable_hash("inputs", example.drawn, attempt))
        made = self.inputs(taken, f"on {example}")
        if not isinstance(made, dict):
            kind = type(made).__name__
            raise self.error(f"returned {kind}; it must return a dict of argument name to tensor or number")
        return {str(name): self._checked(str(name), value, example) for name, value in made.items()}

    def _checked(self, name: str, value: object, example: Example) -> Value:
        if (argument := next((one for one in self.case.arguments if one.name == name), None)) is None:
            known = ", ".join(one.name for one in self.case.arguments)
            raise self.error(f"returned '{name}', which is not an argument of 'op'; the arguments are {known}")
        if isinstance(argument, ScalarSpec):
            return self._checked_scalar(argument, value, example)
        wanted, dtype = shape_of(argument, example.dims), argument.dtype or example.dtype
        if not isinstance(value, torch.Tensor):
            what = f"returned {type(value).__name__} for '{name}'; it must be a tensor of shape {list(wanted)}"
            raise self.error(what)
        if tuple(value.shape) != wanted or value.dtype != DTYPE[dtype]:
            found = f"shape {list(value.shape)} and dtype {dtype_name(value.dtype)}"
            raise self.error(f"returned '{name}' with {found}; 'args' says {list(wanted)} and {dtype} (on {example})")
        if rule := _broken(argument.values, value, example.dims):
            advice = f"the prompt promises these values: keep to them, or change or remove 'values' of '{name}'"
            raise self.error(f"returned '{name}' with values that are not {rule}; {advice} (on {example})")
        return value.detach().contiguous()

    def _checked_scalar(self, argument: ScalarSpec, value: object, example: Example) -> Value:
        if isinstance(value, torch.Tensor) and value.numel() == 1:
            value = value.item()
        if not isinstance(value, bool | int | float):
            raise self.error(f"returned {type(value).__name__} for '{argument.name}'; it must be a {argument.kind}")
        if argument.kind == "int" and not -(1 << 63) <= value < 1 << 63:
            long = isinstance(value, int) and value.bit_length() > 128  # Python refuses to show very long integers
            rule = "which is an int64_t, from -2^63 to 2^63 - 1; return a number of this range"
            shown = "a longer int" if long else value
            raise self.error(f"returned {shown} for '{argument.name}', {rule} (on {example})")
        if argument.kind == "float":
            return single(float(value))
        return bool(value) if argument.kind == "bool" else int(value)

    def error(self, what: str) -> CaseError:
        """A CaseError about the case's inputs, with the line of the function in ``## Inputs`` if there is one."""
        if self.inputs is None:
            return CaseError(f"case '{self.case.name}': drawing {what}", self.case.path)
        return CaseError(f"{self.inputs.title} {what}", self.inputs.path, self.inputs.line)


def _broken(values: Range | Choices | Named | None, found: torch.Tensor, dims: Mapping[str, int]) -> str | None:
    """The rule of the declared values that a tensor breaks. None if it breaks none, up to rounding to its dtype."""
    if values is None or not found.numel():
        return None
    real, rows = found.is_floating_point(), found if found.dim() else found.reshape(1)

    def held(*numbers: float) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.float64 if real else torch.int64).to(found.dtype)

    if isinstance(values, Range):
        low, high = held(values.low.evaluate(dims), values.high.evaluate(dims))
        return None if bool(((found >= low) & (found <= high)).all()) else f"{values.low} to {values.high}"
    if isinstance(values, Choices):
        options = tuple(dict.fromkeys(values.options))
        return None if bool(torch.isin(found, held(*options)).all()) else f"one of {', '.join(map(str, options))}"
    rules: Mapping[str, Callable[[], torch.Tensor]] = {
        "normal": found.isfinite,
        "positive": lambda: found > 0,
        "nonnegative": lambda: found >= 0,
        "uniform": lambda: (found >= 0) & (found <= 1) if real else found >= 0,
        "bool": lambda: (found == 0) | (found == 1),
        "sorted": lambda: rows[..., 1:] >= rows[..., :-1],
        "permutation": lambda: rows.sort(-1).values == torch.arange(rows.shape[-1]),
    }
    return None if values.name not in rules or bool(rules[values.name]().all()) else f"'{values.name}'"


def _undeclared(size: Size, dtype: str, family: str, random: torch.Generator) -> torch.Tensor:
    if dtype == "bool":
        return _bools(size, random)
    if dtype not in FLOATING:
        return _integers(None, size, dtype, random)
    return FAMILIES.get(family, normal)(size, random).to(DTYPE[dtype]).contiguous()


def _integers(least: int | None, size: Size, dtype: str, random: torch.Generator) -> torch.Tensor:
    """Integers from ``least`` on, or of both signs if it is None.

    Half of the tensors have small ones. The others have large ones, or any that the dtype can hold.
    """
    limits = torch.iinfo(DTYPE[dtype])
    low, small = (limits.min, max(limits.min, -16)) if least is None else (least, least)
    drawn, factors = torch.randint(small, 17, size, generator=random), _WIDE.get(dtype, ())
    if integer(2, random) == 1:
        kind = integer(len(factors) + 1, random)
        if kind == len(factors):
            return _between(low, limits.max, size, random).to(DTYPE[dtype])
        drawn = drawn * factors[kind] + drawn % 3
    return drawn.to(DTYPE[dtype])


def _between(low: int, high: int, size: Size, random: torch.Generator) -> torch.Tensor:
    """Integers of a range, as int64, in which both ends are more frequent if the range is wide."""
    drawn = torch.randint(low, min(high, _LARGEST - 1) + 1, size, generator=random)
    return _with_ends(drawn, low, high, random) if high - low >= 1 / _RARE else drawn


def _run(size: Size, random: torch.Generator) -> torch.Tensor:
    """Where a run of neighbours is, at least half of all elements, so that whole blocks of threads read one value."""
    count = math.prod(size)
    length = count // 2 + integer(count // 2 + 1, random)
    start, place = integer(count - length + 1, random), torch.arange(count).reshape(size)
    return (place >= start) & (place < start + length)


def _with_ends(drawn: torch.Tensor, low: float, high: float, random: torch.Generator) -> torch.Tensor:
    """The values, of which a few are replaced by each end of their range."""
    place = torch.rand(drawn.shape, generator=random)
    return torch.where(place < _RARE, low, torch.where(place > 1 - _RARE, high, drawn))


def _bools(size: Size, random: torch.Generator) -> torch.Tensor:
    """Bools in which the share of True is drawn, from a few elements to nearly all."""
    density = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)[integer(7, random)]
    return torch.rand(size, generator=random) < density


def _ranged(
    case: Case, name: str, values: Range, size: Size, dtype: str, dims: Mapping[str, int], random: torch.Generator
) -> torch.Tensor:
    low, high = values.low.evaluate(dims), values.high.evaluate(dims)
    if math.prod(size) == 0:
        return torch.empty(size, dtype=DTYPE[dtype])
    if low > high:
        where = " ".join(f"{dim}={number}" for dim, number in dims.items())
        message = f"case '{case.name}': values of '{name}' run from {low} to {high} for {where}; narrow 'dims'"
        raise CaseError(message, case.path)
    if dtype not in FLOATING:
        drawn = _between(int(low), int(high), size, random)
        # If many are equal, a kernel that counts or scatters writes nearly always to one place.
        kind = integer(3 if drawn.numel() >= _MANY else 10, random)
        if kind < 2:
            equal = _run(size, random) if kind else torch.rand(size, generator=random) < _NEARLY_ALL
            drawn = torch.where(equal, drawn.flatten()[0], drawn)
        return drawn.to(DTYPE[dtype])
    drawn = torch.rand(size, generator=random, dtype=torch.float64) * (float(high) - float(low)) + float(low)
    drawn = _with_ends(drawn, float(low), float(high), random)
    return drawn.to(DTYPE[dtype]).clamp(_inside(float(low), dtype, up=True), _inside(float(high), dtype, up=False))


def _inside(value: float, dtype: str, *, up: bool) -> float:
    """The bound ``value`` rounded to the dtype, or the next number of the dtype if rounding left the range."""
    rounded = torch.tensor(value, dtype=torch.float64).to(DTYPE[dtype])
    if float(rounded) >= value if up else float(rounded) <= value:
        return float(rounded)
    step = torch.finfo(DTYPE[dtype]).eps * max(abs(value), torch.finfo(DTYPE[dtype]).tiny)
    return float(torch.tensor(value + step if up else value - step, dtype=torch.float64).to(DTYPE[dtype]))


def _chosen(values: Choices, size: Size, dtype: str, random: torch.Generator) -> torch.Tensor:
    kind, number = (torch.float64, float) if dtype in FLOATING else (torch.int64, int)
    options = torch.tensor([number(option) for option in values.options], dtype=kind)
    return options[torch.randint(len(values.options), size, generator=random)].to(DTYPE[dtype])


def _named(name: str, size: Size, dtype: str, attempt: int, random: torch.Generator, nans: bool) -> torch.Tensor:
    if name == "bool":
        return _bools(size, random).to(DTYPE[dtype])
    if name == "permutation":  # of 0 to n - 1 along the last dim, different in each row
        order = torch.rand(size, generator=random).argsort(-1) if size else torch.zeros(size, dtype=torch.int64)
        return order.to(DTYPE[dtype])
    if name == "sorted":
        drawn = _undeclared(size, dtype, "normal", random)
        return drawn.sort(-1).values if size else drawn
    if dtype in FLOATING:
        drawn = _named_reals(name, size, attempt, DTYPE[dtype], random).to(DTYPE[dtype])
        return torch.where(torch.rand(size, generator=random) < _RARE, torch.nan, drawn) if nans else drawn
    return _integers({"positive": 1, "uniform": 0, "nonnegative": 0}.get(name), size, dtype, random)


def _named_reals(name: str, size: Size, attempt: int, dtype: torch.dtype, random: torch.Generator) -> torch.Tensor:
    if name == "wild":
        return _wild(size, dtype, attempt, random)
    if name == "positive":
        return torch.exp(normal(size, random).clamp(-4, 4))
    if name == "nonnegative":
        drawn = torch.exp(normal(size, random).clamp(-4, 4))
        return torch.where(torch.rand(size, generator=random) < (_OFTEN, 1.0)[integer(8, random) == 0], 0.0, drawn)
    return torch.rand(size, generator=random) if name == "uniform" else normal(size, random)


def _wild(size: Size, dtype: torch.dtype, attempt: int, random: torch.Generator) -> torch.Tensor:
    """Moderate values, among which some are large, tiny, denormal or infinite."""
    values = mixed(size, random).to(torch.float64)
    largest, tiny = torch.finfo(dtype).max, torch.finfo(dtype).tiny
    chance = torch.rand(size, generator=random) * (4.0**attempt)
    signs = (torch.randint(2, size, generator=random) * 2 - 1).to(torch.float64)
    spread = torch.rand(size, generator=random, dtype=torch.float64)
    kinds = (
        (0.02, signs * largest * 0.5**attempt * spread),
        (0.04, signs * tiny * (1 + spread)),
        (0.06, signs * tiny * spread),
        (0.07, signs * math.inf),
        (0.09, signs * 0.0),
    )
    for high, replacement in reversed(kinds):
        values = torch.where(chance < high, replacement, values)
    return values.to(dtype)
