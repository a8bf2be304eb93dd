"""Runs in the sandbox of untrusted references: finds sizes and dtypes with which a function works, by calling it.

An *argument* is plain data with a ``name``. A tensor has ``shape`` (a list of expressions of dims), ``dtype`` and
``values``; a number has ``scalar``, its values.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from pytest_upskill.documents.expression import parse
from pytest_upskill.importers.size_ranges import joint_samples, ranges
from pytest_upskill.oracle.isolation import default_dtype

Argument = Mapping[str, Any]
Dims = Mapping[str, int]

MOST_ELEMENTS = 1 << 21
"""The most elements of all tensors of one call."""
HALVES = ("float16", "bfloat16")
_BASES = (4, 6, 8, 16, 2, 1)
_LONGEST = 300
_ROUNDING = 1e-6


class Unsuitable(Exception):
    """Why a function cannot become a case."""


@dataclass(frozen=True, slots=True)
class Call:
    """The results of a call as tensors, and the arguments that the call changed in place."""

    outputs: tuple[torch.Tensor, ...]
    changed: tuple[str, ...]
    numpy: bool


class Function:
    """A function of a source, called with drawn arguments. ``maker`` names a function of the source that makes the
    arguments; empty if there is none. ``axes`` gives the sizes that ``maker`` is called with, as expressions.
    """

    def __init__(
        self,
        source: str,
        name: str,
        maker: str = "",
        axes: Mapping[str, str] | None = None,
        *,
        keywords: bool = False,
        numpy: bool = False,
    ) -> None:
        scope: dict[str, Any] = {"__name__": "foreign", "torch": torch}
        try:
            exec(compile(source, "foreign", "exec"), scope)
        except BaseException as error:  # the source decides what is raised here
            raise Unsuitable(f"its code raises {_told(error)}") from None
        self._function: Callable[..., Any] = scope[name]
        self._maker: Callable[..., Any] | None = scope[maker] if maker else None
        self._axes = dict(axes or {})
        self._keywords, self.numpy = keywords, numpy
        self.gradients = False
        """Whether the function needs autograd. It is set as soon as a call without autograd fails for this reason."""

    def call(self, arguments: Sequence[Argument], dims: Dims, dtype: str, seed: int = 0) -> Call:
        """Call the function with drawn arguments. Raises Unsuitable if it raises, or if it returns something other than
        tensors.
        """
        given = self._made(arguments, dims, dtype, seed)
        if sum(one.numel() for one in given.values() if isinstance(one, torch.Tensor)) > MOST_ELEMENTS:
            raise Unsuitable(f"its arguments have more than {MOST_ELEMENTS:,} elements")
        versions = {name: one._version for name, one in given.items() if isinstance(one, torch.Tensor)}
        before = {name: one.clone() for name, one in given.items() if isinstance(one, torch.Tensor)}
        passed = {
            name: one.numpy() if self.numpy and isinstance(one, torch.Tensor) else one for name, one in given.items()
        }
        kind = getattr(torch, dtype)
        try:
            with default_dtype(kind if kind.is_floating_point else torch.float32):
                returned = self._run(passed)
        except BaseException as error:
            raise Unsuitable(f"it raises {_told(error)}") from None
        changed = [name for name, version in versions.items() if given[name]._version != version]
        changed += [name for name, one in before.items() if not torch.equal(one.nan_to_num(), given[name].nan_to_num())]
        listed = returned.values() if isinstance(returned, dict) else returned
        outputs = tuple(listed) if isinstance(returned, tuple | list | dict) else (returned,)
        return Call(tuple(map(self._tensor, outputs)), tuple(dict.fromkeys(changed)), self.numpy)

    def _run(self, passed: Mapping[str, Any]) -> Any:
        try:
            with torch.set_grad_enabled(self.gradients):
                return self._function(**passed) if self._keywords else self._function(*passed.values())
        except RuntimeError as error:
            if self.gradients or "does not require grad" not in str(error):
                raise
            self.gradients = True
            return self._run(passed)

    def _tensor(self, value: Any) -> torch.Tensor:
        if isinstance(value, torch.Tensor):
            if value.is_complex() or value.layout != torch.strided:
                raise Unsuitable(f"it returns a tensor of {value.dtype}, {value.layout}")
            return value.detach()
        if type(value).__module__ == "numpy":
            import numpy

            self.numpy = True
            try:
                return torch.from_numpy(numpy.array(value))
            except TypeError as error:
                raise Unsuitable(f"it returns something that is not a tensor: {error}") from None
        raise Unsuitable(f"it returns {type(value).__name__}, where a kernel returns tensors")

    def _made(self, arguments: Sequence[Argument], dims: Dims, dtype: str, seed: int) -> dict[str, Any]:
        if self._maker is not None:
            torch.default_generator.manual_seed(seed)
            try:
                sizes = {axis: int(parse(text).evaluate(dims)) for axis, text in self._axes.items()}
                numbers = {one["name"]: one["scalar"] for one in arguments if "scalar" in one}
                made = {**self._maker({**sizes, **numbers}, torch.device("cpu")), **numbers}
            except BaseException as error:
                raise Unsuitable(f"the function that makes its inputs raises {_told(error)}") from None
        else:
            made = {}
        chance = torch.Generator().manual_seed(seed)
        return {
            one["name"]: made[one["name"]] if one["name"] in made else value(one, dims, dtype, chance)
            for one in arguments
        }


def value(argument: Argument, dims: Dims, dtype: str, chance: torch.Generator) -> Any:
    """Draw a value of an argument."""
    if "scalar" in argument:
        return argument["scalar"]
    shape = [int(parse(str(one)).evaluate(dims)) for one in argument["shape"]]
    if prod(shape) > MOST_ELEMENTS:
        raise Unsuitable(f"'{argument['name']}' has {prod(shape):,} elements, more than {MOST_ELEMENTS:,}")
    kind = getattr(torch, argument.get("dtype") or dtype)
    told = argument.get("values")
    if kind == torch.bool:
        return torch.rand(shape, generator=chance) < 0.5
    if not kind.is_floating_point:
        low, high = _bounds(told, dims) if told else _any_of(kind)
        return torch.randint(low, max(high, low) + 1, shape, generator=chance, dtype=kind)
    drawn = torch.randn(shape, generator=chance, dtype=torch.float32)
    if told in ("uniform", "positive"):
        drawn = torch.rand(shape, generator=chance, dtype=torch.float32) * 0.9 + 0.05
    return drawn.to(kind)


def _any_of(kind: torch.dtype) -> tuple[int, int]:
    """The bounds of integers for which a case gives no values."""
    limits = torch.iinfo(kind)
    return max(limits.min, -(1 << 40)), min(limits.max - 1, 1 << 40)


def _bounds(text: str, dims: Dims) -> tuple[int, int]:
    low, _, high = text.partition("..")
    return int(parse(low).evaluate(dims)), int(parse(high).evaluate(dims))


def _told(error: BaseException) -> str:
    lines = str(error).strip().split("\n")
    return f"{type(error).__name__}: {lines[0][:_LONGEST]}".removesuffix(": ")


def study(
    source: str,
    name: str,
    arguments: list[dict[str, Any]],
    dims: dict[str, int],
    where: list[str],
    dtype: str,
    maker: str = "",
    axes: dict[str, str] | None = None,
    bases: list[dict[str, int]] | None = None,
    halves: bool = True,
) -> dict[str, Any]:
    """Find sizes of ``dims`` (given with the largest size that each should have) with which the function works, and
    facts on the function. If this fails, the result has only ``reason``. Changes ``arguments``: integers get values
    with which it works, floats get values that make the results finite.
    """
    try:
        function = Function(source, name, maker, axes)
    except Unsuitable as error:
        return {"reason": str(error)}
    return study_function(function, arguments, dims, where, dtype, bases, halves=halves)


def study_function(
    function: Function,
    arguments: list[dict[str, Any]],
    dims: Mapping[str, int],
    where: Sequence[str] = (),
    dtype: str = "float32",
    bases: Sequence[Dims] | None = None,
    *,
    halves: bool,
) -> dict[str, Any]:
    """As ``study``, for a function that is loaded already. With ``halves``, the dtypes of half precision are tried as
    well.
    """
    try:
        rules = [parse(one) for one in where]
        found, base = _study(function, arguments, dims, rules, dtype, bases or [])
        others = _halves(function, arguments, base) if halves and dtype == "float32" else []
        return {**found, "dtypes": [dtype, *others]}
    except Unsuitable as error:
        return {"reason": str(error)}


def _study(
    function: Function,
    arguments: list[dict[str, Any]],
    dims: Mapping[str, int],
    where: Sequence[Any],
    dtype: str,
    bases: Sequence[Dims],
) -> tuple[dict[str, Any], Dims]:
    names = list(dims)
    base = _base(function, arguments, dims, where, dtype, bases)

    def works(values: tuple[int, ...]) -> bool:
        at = dict(zip(names, values, strict=True))
        if not all(one.evaluate(at) for one in where):
            return True  # a condition does not hold, so these sizes say nothing
        try:
            return all(one.numel() > 0 for one in function.call(arguments, at, dtype).outputs)
        except Unsuitable:
            return False

    first = tuple(base[one] for one in names)
    found = ranges(works, first, _ranks(arguments, names), tuple(dims.values()))
    joint_samples(works, first, found)
    if not found.dims:
        raise Unsuitable("none of its sizes can vary: other sizes than a single one do not work")
    _constant(function, arguments, base, dtype)
    call = function.call(arguments, base, dtype)
    sizes = {}
    for place, one in enumerate(names):
        told = found.dims.get(place, (base[one],))
        sizes[one] = (
            str(told[0]) if len(told) == 1 else f"{told[0]}..{told[-1]}" if found.is_range[place] else str(list(told))
        )
    found_facts = {
        "dims": sizes,
        "where": [f"{names[place]} % {step} == 0" for place, step in found.steps.items()],
        "arguments": arguments,
        "outputs": len(call.outputs),
        "changed": list(call.changed),
        "gradients": function.gradients,
        "results": [str(one.dtype).removeprefix("torch.") for one in call.outputs],
        "numpy": function.numpy,
    }
    return found_facts, base


def _ranks(arguments: Sequence[Argument], names: Sequence[str]) -> dict[int, int]:
    """For each dim, by its index, the largest number of dimensions of an argument with this dim in its shape."""
    found: dict[int, int] = {}
    for one in arguments:
        for text in one.get("shape", ()):
            for name in parse(str(text)).names:
                found[names.index(name)] = max(found.get(names.index(name), 0), len(one["shape"]))
    return found


def _base(
    function: Function,
    arguments: list[dict[str, Any]],
    dims: Mapping[str, int],
    where: Sequence[Any],
    dtype: str,
    bases: Sequence[Dims],
) -> dict[str, int]:
    """Sizes that work. Changes ``arguments``: sets the values of integers, and of floats that would make a result
    infinite.
    """
    candidates = [dict(zip(dims, (size + place for place in range(len(dims))), strict=True)) for size in _BASES]
    candidates += [dict.fromkeys(dims, size) for size in _BASES]
    tried = [one for one in (*candidates, *map(dict, bases)) if all(rule.evaluate(one) for rule in where)]
    if not tried:
        raise Unsuitable("no small sizes meet its constraints")
    whole = [one for one in arguments if _is_whole(one) and not one.get("values")]
    problem = ""
    for sizes in tried:
        for choice in _choices(whole, arguments):
            for one, told in zip(whole, choice, strict=True):
                one["values"] = told
            try:
                call = function.call(arguments, sizes, dtype)
            except Unsuitable as error:
                problem = problem or str(error)
                continue
            if all(one.numel() for one in call.outputs):
                _make_finite(function, arguments, sizes, dtype)
                return sizes
            problem = problem or "its result is empty"
    raise Unsuitable(problem)


def _is_whole(argument: Argument) -> bool:
    return "shape" in argument and str(argument.get("dtype")).startswith(("int", "uint"))


def _choices(whole: Sequence[Argument], arguments: Sequence[Argument]) -> Iterator[tuple[str | None, ...]]:
    """Choices for the values of integer tensors: first any values, then indices into axes of each size."""
    sizes = dict.fromkeys(str(text) for one in arguments for text in one.get("shape", ()))
    options = [
        None,
        *(f"0..{size}-1" if not size.isdigit() else f"0..{int(size) - 1}" for size in sizes if size != "0"),
    ]
    yield from itertools.islice(itertools.product(*([options] * len(whole))), 200)


def _make_finite(function: Function, arguments: list[dict[str, Any]], sizes: Dims, dtype: str) -> None:
    def finite() -> bool:
        outputs = function.call(arguments, sizes, dtype).outputs
        return all(bool(torch.isfinite(one).all()) for one in outputs)

    floats = [one for one in arguments if "shape" in one and not _is_whole(one) and one.get("dtype") != "bool"]
    if finite():
        return
    for group in (*([one] for one in floats), floats):
        before = [one.get("values") for one in group]
        for one in group:
            one["values"] = "positive"
        if finite():
            return
        for one, told in zip(group, before, strict=True):
            one["values"] = told


def _constant(function: Function, arguments: Sequence[Argument], sizes: Dims, dtype: str) -> None:
    """Raise Unsuitable if the result is the same for all inputs, or if it differs for the same inputs."""
    calls = [function.call(arguments, sizes, dtype, seed).outputs for seed in (0, 1, 2)]
    torch.default_generator.manual_seed(7)
    random.seed(7)
    again = function.call(arguments, sizes, dtype, 0).outputs
    if not _close(calls[0], again, _ROUNDING):
        raise Unsuitable("its result is random: it differs for the same arguments")
    if all(_close(calls[0], other, _ROUNDING) for other in calls[1:]):
        raise Unsuitable("its result is the same whatever its arguments are, so a kernel that ignores them passes")


def _close(one: Sequence[torch.Tensor], two: Sequence[torch.Tensor], rtol: float) -> bool:
    return len(one) == len(two) and all(
        a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=rtol, atol=1e-9, equal_nan=True)
        for a, b in zip(one, two, strict=True)
    )


def _halves(function: Function, arguments: Sequence[Argument], sizes: Dims) -> list[str]:
    """The dtypes of half precision in which the function can be called, and whose results have the same dtype."""
    found = []
    floating = [one for one in arguments if "shape" in one and not one.get("dtype")]
    for other in HALVES if floating else ():
        try:
            outputs = function.call(arguments, sizes, other).outputs
        except (Unsuitable, TypeError):
            continue
        if all(one.dtype == getattr(torch, other) or not one.is_floating_point() for one in outputs):
            found.append(other)
    return found
