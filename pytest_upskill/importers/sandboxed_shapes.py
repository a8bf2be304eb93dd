"""Runs in the sandbox of untrusted references: finds shapes of arguments that a function accepts, by trying some.

All sizes that are tried are different primes, so two axes are taken for the same size only if they must be equal.
Shapes with more independent sizes are tried first, because they say more about the function.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_upskill.importers import sandboxed_function
from pytest_upskill.importers.sandboxed_function import Function, Unsuitable
from pytest_upskill.importers.size_fit import told_names

_NAMES = {1: ("n",), 2: ("rows", "cols"), 3: ("batch", "rows", "cols"), 4: ("batch", "channels", "height", "width")}
_FRESH = ("m", "k", "p", "q", "r", "s")
_PRIMES = (5, 7, 3, 11, 13, 17, 19, 23)
_OTHERS = (7, 5, 11, 3, 17, 13, 23, 19)
"""Further sizes, with which the shapes have to work as well. This excludes sizes that are constants in the function."""
_MOST_TRIES, _MOST_SECONDS = 20_000, 20.0
_VECTOR = re.compile(r"w|weights?|bias(es)?|gamma|beta|scales?|shifts?|mean|var(iance)?", re.IGNORECASE)
_INDEX = re.compile(r".*(idx|ind(ex|ices)|ids?|labels?|targets?|tokens?|segments?)", re.IGNORECASE)
_DIMS = 4096

Shape = tuple[str, ...]


def study(source: str, name: str, parameters: list[dict[str, Any]], numpy: bool) -> dict[str, Any]:
    """What ``sandboxed_function.study`` returns, for parameters whose shapes are not known (those without ``shape`` and
    ``scalar``). ``kind`` is "tensor", or "" if the parameter may also be a number.
    """
    reason = ""
    for as_numpy in (numpy, not numpy):
        try:
            function = Function(source, name, keywords=True, numpy=as_numpy)
            arguments = _fitting(function, parameters)
        except Unsuitable as error:
            reason = reason or str(error)
            continue
        used = dict.fromkeys(size for one in arguments for size in one.get("shape", ()) if not str(size).isdigit())
        found = sandboxed_function.study_function(function, arguments, dict.fromkeys(used, _DIMS), halves=True)
        if "reason" not in found or as_numpy != numpy:
            return found
        reason = reason or str(found["reason"])
    return {"reason": reason}


def _fitting(function: Function, parameters: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The first choice of shapes that works with both choices of sizes."""
    problem, tries, began = "", 0, time.monotonic()
    taken = [str(one["name"]) for one in parameters]
    for arguments in itertools.islice(_choices(parameters, taken), _MOST_TRIES):
        if time.monotonic() - began > _MOST_SECONDS:
            break
        tries += 1
        try:
            for primes in (_PRIMES, _OTHERS):
                function.call(arguments, _sizes(arguments, primes), "float32")
        except Unsuitable as error:
            problem = problem or str(error)
            continue
        return [{**one, "values": one.get("values")} if "shape" in one else dict(one) for one in arguments]
    given = all("shape" in one or "scalar" in one for one in parameters)
    told = "" if given else f"none of {tries} choices of shapes works; with the first, "
    raise Unsuitable(f"{told}{problem or 'it takes no tensor'}")


def _sizes(arguments: Sequence[Mapping[str, Any]], primes: Sequence[int]) -> dict[str, int]:
    used = dict.fromkeys(size for one in arguments for size in one.get("shape", ()) if not str(size).isdigit())
    return dict(zip(used, itertools.cycle(primes), strict=False))


def _choices(parameters: Sequence[Mapping[str, Any]], taken: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """Choices for all arguments. The likeliest choices come first."""
    open_ = [
        place for place, one in enumerate(parameters) if "scalar" not in one and ("shape" not in one or _is_whole(one))
    ]
    if not open_:
        yield [dict(one) for one in parameters]
        return
    fixed = next((tuple(one["shape"]) for one in parameters if one.get("shape")), None)
    firsts = (
        [fixed] if fixed is not None else [*(_NAMES[rank] for rank in (2, 1, 3, 4)), ("n", "n"), ("batch", "n", "n")]
    )
    for level, first in itertools.product(range(_LEVELS), firsts):
        names = told_names(dict(enumerate(dict.fromkeys(first))), taken)
        shape = first if fixed is not None else tuple(names[list(dict.fromkeys(first)).index(one)] for one in first)
        fresh = list(told_names(dict(enumerate(_FRESH)), [*taken, *shape]).values())
        options: list[list[dict[str, Any]]] = []
        for number, place in enumerate(open_):
            one, known = parameters[place], number - (fixed is None)
            if "shape" in one:
                shapes = [tuple(map(str, one["shape"]))]
            else:
                shapes = [shape] if known < 0 else _shapes(one, shape, fresh[:known], fresh[known])
            options.append(_typed(one, shapes, shape, level))
        for chosen in _in_order(options):
            made = [dict(one) for one in parameters]
            for place, option in zip(open_, chosen, strict=True):
                made[place] = {**option, "name": parameters[place]["name"]}
            yield made


def _shapes(one: Mapping[str, Any], first: Shape, others: Sequence[str], own: str) -> list[Shape]:
    """The shapes that a further argument may have. Shapes with the argument's ``own`` size come first, then the likely
    shapes. ``others`` are the sizes of the arguments before it.
    """
    symbols = list(dict.fromkeys([own, *others[::-1], *first[::-1]]))
    pairs = [pair for pair in itertools.product(symbols, repeat=2) if pair != (own, own)]
    prefix = first[:-2] if len(first) > 2 else ()
    shapes: list[Shape] = [
        *(prefix + pair for pair in pairs),
        *pairs,
        *((symbol,) for symbol in symbols),
        first,
        first[:-1],
    ]
    if len(first) > 2:  # filters of a convolution
        window = ("3",) * (len(first) - 2)
        shapes[:0] = [(own, first[1], *window), (first[1], own, *window), (first[1], "1", *window)]
    bias = one["name"] == "b" and len(others) > 0  # as in (x, w, b)
    flat = bias or bool(_VECTOR.fullmatch(str(one["name"]))) or _is_index(one)

    def rank(shape: Shape) -> tuple[int, int, int]:
        likely = len(shape) == 1 if flat else shape == first
        return (-(own in shape), 0 if likely else 1, abs(len(shape) - len(first)))

    return sorted(dict.fromkeys(filter(None, shapes)), key=rank)


def _is_whole(one: Mapping[str, Any]) -> bool:
    return str(one.get("dtype")).startswith(("int", "uint"))


def _is_index(one: Mapping[str, Any]) -> bool:
    return _INDEX.fullmatch(str(one["name"])) is not None


_LEVELS = 3
"""The number of levels of types. Level 0 tries floats, and integers if the parameter's name suggests them; level 1 also
tries the other of the two; level 2 also tries a number.
"""


def _typed(one: Mapping[str, Any], shapes: Sequence[Shape], first: Shape, level: int) -> list[dict[str, Any]]:
    """The shapes with the types of a level. Values of integers are indices of an axis of the first argument, or 0 and
    1.
    """
    floats = [{"shape": list(shape), "dtype": one.get("dtype")} for shape in shapes]
    if one.get("dtype") and not _is_whole(one):
        return floats
    limits = [f"0..{size}-1" if not size.isdigit() else f"0..{int(size) - 1}" for size in dict.fromkeys(first)]
    dtype = one.get("dtype") or "int64"
    whole = [
        {"shape": list(shape), "dtype": dtype, "values": values} for shape in shapes for values in (*limits, "0..1")
    ]
    if _is_whole(one):
        return [*floats, *whole]
    found = whole if _is_index(one) else floats
    if level > 0:
        found = [*found, *(floats if _is_index(one) else whole)]
    if level > 1 and one.get("kind") != "tensor":
        found = [*found, {"scalar": 1.0}]
    return found


def _in_order(options: Sequence[Sequence[dict[str, Any]]]) -> Iterator[tuple[dict[str, Any], ...]]:
    """The product of the options, in the order of the sum of their indices."""
    total = sum(len(one) - 1 for one in options)
    for budget in range(total + 1):
        yield from _with_sum(options, budget)


def _with_sum(options: Sequence[Sequence[dict[str, Any]]], budget: int) -> Iterator[tuple[dict[str, Any], ...]]:
    if len(options) == 1:
        if budget < len(options[0]):
            yield (options[0][budget],)
        return
    for place in range(min(budget, len(options[0]) - 1) + 1):
        for rest in _with_sum(options[1:], budget - place):
            yield (options[0][place], *rest)
