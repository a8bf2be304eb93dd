"""Reads the text of an example, ``rows=1 cols=33 dtype=float16 seed=7 alpha=0.5``, and checks it against its case."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping

from pytest_upskill.cases.case import Case, Choices, ScalarSpec
from pytest_upskill.cases.sizes import problem
from pytest_upskill.documents.spelling import did_you_mean
from pytest_upskill.records import Example

FAMILIES = (
    "normal", "uniform", "shifted", "scaled", "equal", "zeros", "outliers", "one_sign", "far", "mixed", "integers",
)  # fmt: skip
"""The names that ``values`` of an example may have. ``oracle.families`` draws these families of values."""


class BadExample(ValueError):
    """A text does not name an example of the case, because its part ``piece`` breaks ``rule``."""

    def __init__(self, piece: str, rule: str, case: Case) -> None:
        dims = " ".join(f"{dim.name}=33" for dim in case.dims)
        self.piece, self.rule = piece, rule
        self.form = f"{dims} dtype={case.dtypes[0]} seed=7".strip()
        super().__init__(f"'{piece}': {rule}. Write it as '{self.form}'")


def read_example(text: str, case: Case) -> Example:
    """The example that a text names, with only the scalars that the text states. Raises BadExample.

    The text may leave out dims with a single size, the dtype if the case has only one, ``values`` and scalars. A
    condition is checked only if it depends on nothing that was left out.
    """
    try:
        return _read(text, case)
    except BadExample:
        raise
    except (ValueError, ArithmeticError) as error:  # a bound cannot be computed for these sizes
        raise BadExample(text, str(error), case) from None


def _read(text: str, case: Case) -> Example:
    given = _pieces(text, case)
    dims = {}
    for dim in case.dims:
        fixed = str(int(dim.sizes.options[0])) if dim.fixed and isinstance(dim.sizes, Choices) else None
        dims[dim.name] = _whole(case, dim.name, given.get(dim.name, fixed))
    dtype = given.get("dtype", case.dtypes[0] if len(case.dtypes) == 1 else "")
    if dtype not in case.dtypes:
        missing = "" if dtype else "it is missing; "
        rule = f"{missing}the case has {', '.join(case.dtypes)}"
        raise BadExample(f"dtype={dtype}" if dtype else "dtype", rule, case)
    seed, family = _whole(case, "seed", given.get("seed")), given.get("values", "")
    if family and family not in FAMILIES:
        raise BadExample(f"values={family}", f"'values' must be one of {', '.join(FAMILIES)}", case)
    _check_dims(case, dims)
    scalars = {s.name: _scalar(case, s, given[s.name], dims) for s in case.scalars if s.name in given}
    check_sizes(case, text, dims, scalars)
    return Example(dims, dtype, seed, family, scalars)


def check_sizes(case: Case, text: str, dims: Mapping[str, int], scalars: Mapping[str, float]) -> None:
    """Raise BadExample for sizes and scalars that the case does not allow together."""
    try:
        broken = problem(case, dims, scalars)
    except ValueError as error:  # an expression cannot be computed for these sizes
        broken = str(error)
    if broken:
        raise BadExample(text, broken, case)


def _pieces(text: str, case: Case) -> dict[str, str]:
    known = [*(dim.name for dim in case.dims), *(s.name for s in case.scalars), "dtype", "seed", "values"]
    found: dict[str, str] = {}
    for piece in text.split():
        name, equals, value = piece.partition("=")
        if not equals or not value:
            raise BadExample(piece, "each piece must be name=value, without spaces", case)
        if name not in known:
            rule = f"'{name}' must be one of {', '.join(known)}{did_you_mean(name, known)}"
            raise BadExample(piece, rule, case)
        if name in found:
            raise BadExample(piece, f"'{name}' is given twice", case)
        found[name] = value
    return found


def _whole(case: Case, name: str, value: str | None) -> int:
    if value is None:
        raise BadExample(name, "it is missing", case)
    if not re.fullmatch(r"[0-9]{1,18}", value):
        rule = (
            "has more than 18 digits"
            if value.isdecimal() and value.isascii()
            else "must be a whole number, not negative"
        )
        raise BadExample(f"{name}={value}", f"'{name}' {rule}", case)
    return int(value)


def _scalar(case: Case, scalar: ScalarSpec, value: str, dims: Mapping[str, int]) -> float:
    name = scalar.name
    if scalar.kind == "float":
        return _real(case, scalar, value, dims)
    whole = {"true": "1", "false": "0"}.get(value.lower(), value)
    if not re.fullmatch(r"-?[0-9]{1,18}", whole):
        raise BadExample(f"{name}={value}", f"'{name}' must be a whole number (0 or 1 for a bool)", case)
    return int(whole)


def _real(case: Case, scalar: ScalarSpec, text: str, dims: Mapping[str, int]) -> float:
    """The value of a floating scalar, rounded to float32.

    If the case has its own function for inputs, the value may be outside of the range in 'args'.
    """
    try:
        value = float(text)
    except ValueError:
        raise BadExample(f"{scalar.name}={text}", f"'{scalar.name}' must be a number", case) from None
    if isinstance(scalar.values, Choices):
        options = [float(option) for option in scalar.values.options]
        legal, rule = single(value) in map(single, options), f"must be one of {', '.join(map(str, options))}"
    else:
        low, high = float(scalar.values.low.evaluate(dims)), float(scalar.values.high.evaluate(dims))
        legal = low <= value <= high or low <= single(value) <= high
        value, rule = single(value, low, high) if legal else value, f"must be {low:g} to {high:g}"
    if not legal and case.inputs is None:
        raise BadExample(f"{scalar.name}={text}", f"'{scalar.name}' {rule}", case)
    return single(value)


def _check_dims(case: Case, dims: Mapping[str, int]) -> None:
    try:
        broken = problem(case, dims, {})
    except ValueError as error:
        broken = str(error)
    # Conditions are checked later, when the scalars are known.
    if broken and not broken.startswith("the case says"):
        raise BadExample(" ".join(f"{name}={size}" for name, size in dims.items()), broken, case)


def single(value: float, low: float = -math.inf, high: float = math.inf) -> float:
    """The nearest float32 value. It is within the bounds if any float32 value is."""
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        rounded = math.copysign(math.inf, value)
    if rounded > high:
        rounded = _beside(rounded, -1)
    if rounded < low:
        rounded = _beside(rounded, 1)
    return float(rounded)


def _beside(value: float, direction: int) -> float:
    """The next float32 value below (-1) or above (1)."""
    (bits,) = struct.unpack("<i", struct.pack("<f", value))
    step = direction if value > 0 or (value == 0 and direction > 0) else -direction
    bits = (0 if direction > 0 else -(1 << 31)) + 1 if value == 0 else bits + step
    (found,) = struct.unpack("<f", struct.pack("<i", bits))
    return float(found)
