"""Reads single fields of a case's frontmatter. Errors have the line of the value."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_upskill.cases.case import NAMED_VALUES, Choices, Dim, Named, Range, ScalarSpec, TensorSpec, Tolerance
from pytest_upskill.cases.operator_schema import Argument
from pytest_upskill.documents.expression import Expression, parse
from pytest_upskill.documents.frontmatter import Value
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import CaseError
from pytest_upskill.records import FLOATING, ITEM_SIZE

_SIGNED = {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
INTEGER_LIMITS: Mapping[str, tuple[int, int]] = {**_SIGNED, "uint8": (0, 255)}

MAX_SIZE = 2**40
"""The largest size of a dim. A tensor of 2^40 bytes is larger than the memory of any device."""

_RANGE = re.compile(r"(?P<low>.+?)(?<!\.)\.\.(?!\.)(?P<high>.+)\Z", re.DOTALL)
_TOLERANCE_FORM = "{rtol: 1e-3, atol: 1e-5} or {float16: {rtol: 1e-3, atol: 1e-5}}"
_TAG = re.compile(r"[A-Za-z0-9\[][\w.+/\[\]-]*\Z")
_NO_TAGS = (
    "and", "or", "not", "upskill", "skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings",
    "tryfirst", "trylast",
)  # fmt: skip
"""Words that cannot be tags: words of pytest's marker expressions, and markers that have a meaning already."""
_RANGE_FORM = "a range is written 'low..high', both ends included"


@dataclass
class Scope:
    """What a field may refer to: the file, and the dims that are defined so far."""

    path: Path
    dims: dict[str, Dim] = field(default_factory=dict)

    def fail(self, message: str, value: Value | int) -> CaseError:
        """Make an error at the line of a value, or at a line, for the caller to raise."""
        return CaseError(message, self.path, value.line if isinstance(value, Value) else value)


def mapping(scope: Scope, value: Value, what: str, form: str, known: Collection[str] | None = None) -> dict[str, Value]:
    """The value as a mapping. If ``known`` is given, other keys are errors."""
    if not isinstance(value.data, dict):
        raise scope.fail(f"{what} is '{value.shown}'; it must be a mapping such as {form}", value)
    for key, child in value.data.items():
        if known is not None and key not in known:
            raise scope.fail(f"{what} has an unknown key '{key}'{suggest(key, known)}", child)
    return value.data


def items(scope: Scope, value: Value, what: str, form: str) -> list[Value]:
    """The value as a list, which must not be empty."""
    if not isinstance(value.data, list):
        hint = f"; write [{value.shown}]" if isinstance(value.data, str | int | float) else ""
        raise scope.fail(f"{what} is '{value.shown}'; it must be a list such as {form}{hint}", value)
    if not value.data:
        raise scope.fail(f"{what} is an empty list; name at least one, as in {form}, or remove the key", value)
    return value.data


def texts(scope: Scope, value: Value, what: str, form: str) -> tuple[str, ...]:
    """The value as a list of texts. A text must not be empty and must not occur twice."""
    found: dict[str, None] = {}
    for item in items(scope, value, what, form):
        if not isinstance(item.data, str) or not item.data.strip():
            raise scope.fail(f"{what} holds '{item.shown}', which is not a text; write it in quotes", item)
        if item.data in found:
            raise scope.fail(f"{what} holds '{item.data}' twice; keep one", item)
        found[item.data] = None
    return tuple(found)


def tags(scope: Scope, value: Value) -> tuple[str, ...]:
    """The tags of a case. Each tag becomes a marker of pytest, so that ``-m`` and ``-k`` can select it."""
    found = texts(scope, value, "'tags'", "[reduction]")
    for tag, item in zip(found, value.data, strict=True):
        if not _TAG.match(tag):
            near = re.sub(r"\W+", "-", tag).strip("-_")
            hint = f"; write '{near}'" if _TAG.match(near) else ""
            rule = "-m selects words of letters, digits and '_-.+/[]' that do not start with a sign"
            raise scope.fail(f"'tags' holds '{tag}'; {rule}{hint}", item)
        if tag in _NO_TAGS:
            raise scope.fail(f"'tags' holds '{tag}', which has a meaning in pytest already; choose another word", item)
    return found


def reason(scope: Scope, value: Value) -> str:
    """The text of 'xfail', as one line."""
    if not isinstance(value.data, str) or not value.data.strip():
        form = "it must say why students fail, as in 'xfail: needs a grid-wide barrier'"
        raise scope.fail(f"'xfail' is '{value.shown}'; {form}", value)
    return " ".join(value.data.split())


def boolean(scope: Scope, value: Value, what: str) -> bool:
    """The value as a bool, written ``true`` or ``false``."""
    if not isinstance(value.data, bool):
        raise scope.fail(f"{what} is '{value.shown}'; it must be true or false (in YAML 1.2, 'yes' is a word)", value)
    return value.data


def integer(scope: Scope, value: Value, what: str, least: int) -> int:
    """The value as an integer, which must be at least ``least``."""
    if type(value.data) is not int or value.data < least:
        raise scope.fail(f"{what} is '{value.shown}'; it must be an integer, {least} or more", value)
    return value.data


def real(scope: Scope, value: Value, what: str, *, positive: bool) -> float:
    """The value as a finite number. It must be above zero if ``positive``, otherwise zero or more."""
    number = value.data
    if type(number) not in (int, float) or not math.isfinite(number) or number < 0 or (positive and number == 0):
        bound = "above zero" if positive else "zero or more"
        raise scope.fail(f"{what} is '{value.shown}'; it must be a number, {bound}", value)
    return float(number)


def dtype(scope: Scope, value: Value, what: str) -> str:
    """The value as the name of a dtype."""
    if value.text.startswith("torch."):
        raise scope.fail(f"{what} '{value.shown}' is written without 'torch.'", value)
    if not isinstance(value.data, str) or value.data not in ITEM_SIZE:
        raise scope.fail(f"{what} '{value.shown}' is not supported{suggest(value.shown, ITEM_SIZE)}", value)
    return value.data


def tolerance(scope: Scope, value: Value) -> dict[str, Tolerance]:
    """The tolerances of a case by dtype. The key is "*" for a tolerance that applies to every dtype."""
    parts = mapping(scope, value, "'tolerance'", _TOLERANCE_FORM, ("rtol", "atol", *FLOATING))
    if "rtol" in parts or "atol" in parts:
        return {"*": _tolerance(scope, value, "'tolerance'")}
    if not parts:
        raise scope.fail(f"'tolerance' is empty; write {_TOLERANCE_FORM}, or remove the key", value)
    return {name: _tolerance(scope, part, f"'tolerance' of {name}") for name, part in parts.items()}


def _tolerance(scope: Scope, value: Value, what: str) -> Tolerance:
    parts = mapping(scope, value, what, "{rtol: 1e-3, atol: 1e-5}", ("rtol", "atol"))
    for key in ("rtol", "atol"):
        if key not in parts:
            raise scope.fail(f"{what} has no '{key}'; give both, as in {{rtol: 1e-3, atol: 1e-5}}", value)
    return Tolerance(**{key: real(scope, part, f"'{key}' of {what}", positive=False) for key, part in parts.items()})


def expression(
    scope: Scope, value: Value, what: str, known: Collection[str], *, text: str | None = None, reals: bool = False
) -> Expression:
    """The value as an expression with ``known`` names. If ``text`` is given, this part of the value is parsed instead.

    Unless ``reals``, numbers must be integers.
    """
    if type(value.data) not in (str, int, float):
        raise scope.fail(f"{what} is '{value.shown}', which is not an expression", value)
    try:
        found = parse(value.text if text is None else text)
    except ValueError as error:
        raise scope.fail(f"{what}: {error}", value) from None
    if not found.names <= set(known):
        name = min(found.names - set(known))
        raise scope.fail(f"{what} names '{name}', which 'dims' does not define{suggest(name, known)}", value)
    if not reals and found.fractional:
        raise scope.fail(f"{what} is '{found}'; numbers there must be integers", value)
    return found


def interval(scope: Scope, value: Value, what: str, *, reals: bool) -> Range:
    """The value as a range ``low..high``. Its ends may name dims. If both are numbers, they must be in order."""
    if (match := _RANGE.match(value.text)) is None:
        raise scope.fail(f"{what} is '{value.shown}'; {_RANGE_FORM}", value)
    low = expression(scope, value, f"the lower end of {what}", scope.dims, text=match["low"], reals=reals)
    high = expression(scope, value, f"the upper end of {what}", scope.dims, text=match["high"], reals=reals)
    for end in (low, high):
        if end.condition:
            raise scope.fail(f"{what} is '{value.shown}', but '{end}' is a condition, not a number", value)
    if low.constant is not None and high.constant is not None and low.constant > high.constant:
        raise scope.fail(f"{what} is '{value.shown}', whose lower end is above the upper one: swap them", value)
    return Range(low, high)


def dim(scope: Scope, name: str, value: Value) -> Dim:
    """A dim from its value: ``a..b``, a list of sizes, or one number. Bounds may name earlier dims."""
    what = f"dim '{name}'"
    if isinstance(value.data, str) and ".." in value.data:
        sizes = interval(scope, value, what, reals=False)
        for end in (sizes.low, sizes.high):
            if end.constant is not None and not 0 <= end.constant <= MAX_SIZE:
                raise scope.fail(f"{what} reaches {end}; a size is an integer from 0 to 2^40", value)
        return Dim(name, sizes)
    children = items(scope, value, what, "[32, 64]") if isinstance(value.data, list) else [value]
    found: dict[int, None] = {}
    for child in children:
        if type(child.data) is not int or not 0 <= child.data <= MAX_SIZE:
            form = "a size is a range (1..512), a list ([32, 64]) or one number, from 0 to 2^40"
            raise scope.fail(f"{what} is '{child.shown}'; {form}", child)
        if child.data in found:
            raise scope.fail(f"{what} lists {child.data} twice; keep one", child)
        found[child.data] = None
    return Dim(name, Choices(tuple(found)))


_TENSOR_FORM = "'x: [rows, cols]' or 'x: {shape: [rows, cols], dtype: int64, values: 0..9}'"


def tensor(scope: Scope, argument: Argument, value: Value, dtypes: tuple[str, ...]) -> TensorSpec:
    """A tensor argument, written in the short or the long form. If it states no dtype, it has each of ``dtypes``."""
    what = f"'{argument.name}'"
    if isinstance(value.data, list):
        return TensorSpec(argument.name, _shape(scope, what, value))
    if not isinstance(value.data, dict):
        raise scope.fail(f"{what} is '{value.shown}'; a tensor is described as {_TENSOR_FORM}", value)
    parts = mapping(scope, value, what, _TENSOR_FORM, ("shape", "dtype", "values"))
    if "shape" not in parts:
        raise scope.fail(f"{what} has no shape; a tensor is described as {_TENSOR_FORM}", value)
    own = dtype(scope, parts["dtype"], f"dtype of {what}") if "dtype" in parts else None
    values, tried = parts.get("values"), dtypes if own is None else (own,)
    drawn = None if values is None else _tensor_values(scope, f"'values' of {what}", values, tried)
    return TensorSpec(argument.name, _shape(scope, what, parts["shape"]), own, drawn)


def _shape(scope: Scope, what: str, value: Value) -> tuple[Expression, ...]:
    if not isinstance(value.data, list):
        raise scope.fail(f"shape of {what} is '{value.shown}'; it must be a list such as [rows, cols]", value)
    shape = []
    for item in value.data:
        size = expression(scope, item, f"shape of {what}", scope.dims)
        if size.condition:
            raise scope.fail(f"shape of {what} holds '{size}', a condition; a size is a number", item)
        if size.constant is not None and not 0 <= size.constant <= MAX_SIZE:
            raise scope.fail(f"shape of {what} holds '{size}'; a size is an integer from 0 to 2^40", item)
        shape.append(size)
    return tuple(shape)


def _tensor_values(scope: Scope, what: str, value: Value, dtypes: tuple[str, ...]) -> Range | Choices | Named:
    if isinstance(value.data, list):
        return Choices(tuple(_option(scope, what, item, dtypes) for item in items(scope, value, what, "[0, 1]")))
    if isinstance(value.data, str) and ".." in value.data:
        return _tensor_range(scope, what, value, dtypes)
    if not isinstance(value.data, str):
        raise scope.fail(f"{what} are '{value.shown}'; write a range (0..9), a list ([{value.shown}]) or a name", value)
    name = value.data
    if name not in NAMED_VALUES:
        raise scope.fail(f"{what} '{name}' is unknown{suggest(name, NAMED_VALUES)}", value)
    for tried in dtypes:
        if wrong := _misnamed(name, tried):
            raise scope.fail(f"{what} are '{name}', {wrong}, but the tensor is {tried}", value)
    return Named(name)


def _misnamed(name: str, tried: str) -> str | None:
    """None if a tensor of dtype ``tried`` may have the family of values ``name``.

    Otherwise a text that says which tensors may have this family.
    """
    if name in ("normal", "wild") and tried not in FLOATING:
        return "which is for floating tensors"
    if name == "permutation" and tried not in INTEGER_LIMITS:
        return "which is for integer tensors"
    if name in ("uniform", "positive", "nonnegative", "sorted") and tried == "bool":
        return "which is for tensors of numbers"
    return None


def _tensor_range(scope: Scope, what: str, value: Value, dtypes: tuple[str, ...]) -> Range:
    if "bool" in dtypes:
        rule = "remove them, or write [true, false]"
        raise scope.fail(f"{what} are '{value.shown}', but the tensor is bool: {rule}", value)
    found = interval(scope, value, what, reals=all(tried in FLOATING for tried in dtypes))
    for tried in dtypes:
        low, high = INTEGER_LIMITS.get(tried, (-math.inf, math.inf))
        for end in (found.low, found.high):
            if end.constant is not None and not low <= end.constant <= high:
                raise scope.fail(f"{what} reach {end}, which {tried} cannot hold ({low} to {high})", value)
    return found


def _option(scope: Scope, what: str, item: Value, dtypes: tuple[str, ...]) -> float | int | bool:
    """One element of a list of values. Each of ``dtypes`` must be able to hold it."""
    for tried in dtypes:
        if tried == "bool":
            fits = isinstance(item.data, bool)
            rule = "true or false"
        elif tried in FLOATING:
            fits = type(item.data) in (int, float)
            rule = "a number (infinity is .inf or -.inf)"
        else:
            low, high = INTEGER_LIMITS[tried]
            fits = type(item.data) is int and low <= item.data <= high
            rule = f"an integer from {low} to {high}"
        if not fits:
            raise scope.fail(f"{what} hold '{item.shown}'; for {tried} each must be {rule}", item)
    return float(item.data) if all(tried in FLOATING for tried in dtypes) else item.data


_KIND_DTYPE = {"float": ("float32",), "int": ("int64",), "bool": ("bool",)}


def scalar(scope: Scope, argument: Argument, value: Value) -> ScalarSpec:
    """A scalar argument, written ``{values: ...}`` with a range, a list or one value."""
    what = f"'{argument.name}'"
    if not isinstance(value.data, dict):
        form = f"{argument.name}: {{values: {value.shown if value.data is not None else '1..8'}}}"
        raise scope.fail(f"{what} is '{value.shown}'; a scalar is described as '{form}'", value)
    for key in ("shape", "dtype"):
        if key in value.data:
            raise scope.fail(f"{what} has a {key}, but it is a scalar of type '{argument.kind}'", value.data[key])
    parts = mapping(scope, value, what, "{values: 1..8}", ("values",))
    if "values" not in parts:
        raise scope.fail(f"{what} has no 'values'; a scalar needs a range, a list or one value", value)
    assert argument.kind != "Tensor"
    return ScalarSpec(argument.name, argument.kind, _scalar_values(scope, argument, parts["values"]))


def _scalar_values(scope: Scope, argument: Argument, value: Value) -> Range | Choices:
    what = f"'values' of '{argument.name}'"
    dtypes = _KIND_DTYPE[argument.kind]
    if isinstance(value.data, str) and ".." in value.data:
        if argument.kind == "bool":
            raise scope.fail(f"{what} are '{value.shown}'; those of a bool are true, false or [true, false]", value)
        found = interval(scope, value, what, reals=argument.kind == "float")
        for end in (found.low, found.high):
            if argument.kind == "int" and end.constant is not None and not -(2**63) <= end.constant < 2**63:
                raise scope.fail(f"{what} reach {end}, which int64_t cannot hold", value)
        return found
    if isinstance(value.data, list):
        return Choices(tuple(_option(scope, what, item, dtypes) for item in items(scope, value, what, "[1, 2]")))
    return Choices((_option(scope, what, value, dtypes),))
