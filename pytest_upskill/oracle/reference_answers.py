"""Reads what an untrusted reference's process sent: every field is checked against what the case and the layout allow.

Whoever wrote the bytes may have meant harm. What passes here can be wrong numbers for the case at hand, and nothing
else: no code, no shape or dtype that the case does not have, no text that reaches a prompt. Anything else is Nonsense.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from pytest_upskill.cases.case import Case, ScalarSpec, TensorSpec
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.prepare import Expected, GivenUp, Prepared, call_of, output_dtypes
from pytest_upskill.oracle.reference import smallest_example
from pytest_upskill.oracle.result_shapes import terms
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.oracle.values import DTYPE, Value, dtype_name, shape_of, single
from pytest_upskill.records import (
    FLOATING,
    ITEM_SIZE,
    CallLayout,
    Example,
    ResultFacts,
    ScalarParameter,
    TensorParameter,
)
from pytest_upskill.sandbox.findings import clean

Header = Mapping[str, Any]
TensorHeader = tuple[str, tuple[int, ...]]
"""Dtype and shape."""

_TENSORS, _AXES, _SIZE = 256, 64, 1 << 40
_LINES = 1_000_000
_ELEMENTS = 1 << 48
_POWERS = range(4)
_AXIS_DIGITS = 12


class Nonsense(Exception):
    """Bytes that no reference would have given."""


# ------------------------------------------------------------------------------------------- frames


def read_header(data: bytes | bytearray) -> dict[str, Any]:
    """The header, which is a JSON object. Raises Nonsense."""
    try:
        header = json.loads(bytes(data).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Nonsense(f"its header is not JSON ({type(error).__name__})") from None
    if not isinstance(header, dict):
        raise Nonsense("its header is no JSON object")
    return header


def read_tensor_headers(header: Header, limit: int) -> list[TensorHeader]:
    """Dtypes and shapes of the tensors that follow, of no more than ``limit`` bytes together. Raises Nonsense."""
    listed = header.get("tensors")
    if not isinstance(listed, list) or len(listed) > _TENSORS:
        raise Nonsense("it lists no tensors")
    found = [_tensor_header(one) for one in listed]
    total = sum(nbytes(one) for one in found)
    if total > limit:
        raise Nonsense(f"its tensors have {total} bytes, more than the limit of {limit}")
    return found


def _tensor_header(plain: object) -> TensorHeader:
    if not isinstance(plain, list) or len(plain) != 2 or not isinstance(plain[0], str) or plain[0] not in ITEM_SIZE:
        raise Nonsense("a tensor has no dtype that kernels know")
    dtype, shape = plain
    if not isinstance(shape, list) or len(shape) > _AXES or not all(_whole(size, 0, _SIZE) for size in shape):
        raise Nonsense("a tensor has no shape")
    if math.prod(max(size, 1) for size in shape) > _SIZE:  # strides of an empty tensor can overflow, too
        raise Nonsense("a tensor's shape is larger than any memory")
    return dtype, tuple(shape)


def nbytes(tensor: TensorHeader) -> int:
    """The bytes of such a tensor."""
    return math.prod(tensor[1]) * ITEM_SIZE[tensor[0]]


def tensor_of(header: TensorHeader, data: bytearray) -> torch.Tensor:
    """The tensor with these bytes, which it keeps. Raises Nonsense where bools are neither 0 nor 1."""
    dtype, shape = header
    if not data:
        return torch.empty(shape, dtype=DTYPE[dtype])
    if dtype == "bool" and int(torch.frombuffer(data, dtype=torch.uint8).max()) > 1:
        raise Nonsense("a bool is neither 0 nor 1")
    return torch.frombuffer(data, dtype=DTYPE[dtype]).reshape(shape)


def read_error(case: Case, header: Header) -> CaseError | None:
    """The error that the header tells of, at its place in the case's file. Raises Nonsense."""
    for key, beginning in (("error", ""), ("failed", f"case '{case.name}': preparing it failed with ")):
        message, line = header.get(key), header.get("line")
        if message is None:
            continue
        if not isinstance(message, str) or not (line is None or _whole(line, 1, _LINES)):
            raise Nonsense("it tells of an error without a message, or with a line that is none")
        return CaseError(beginning + clean(message), case.path, line)
    return None


# ------------------------------------------------------------------------------------------- facts


def read_results(case: Case, header: Header) -> ResultFacts:
    """Dtypes and shapes of results; these are shown in prompts, so that only the case's own words pass."""
    dtypes, shapes = header.get("dtypes"), header.get("shapes")
    names = case.op.results if case.op else ()
    if not isinstance(dtypes, dict) or not isinstance(shapes, dict) or set(dtypes) != set(names):
        raise Nonsense("it does not tell the dtype of each result")
    if not set(shapes) <= set(names):
        raise Nonsense("it tells the shape of something that is no result")
    for dtype in dtypes.values():
        if dtype is not None and not (isinstance(dtype, str) and dtype in ITEM_SIZE):
            raise Nonsense("a result has no dtype that kernels know")
    known = {text for text, _ in terms(case)}
    return ResultFacts(
        {name: dtypes[name] for name in names},
        {name: _told_shape(shapes[name], known) for name in names if name in shapes},
    )


def _told_shape(plain: object, known: set[str]) -> tuple[str, ...]:
    if not isinstance(plain, list) or len(plain) > _AXES or not all(isinstance(size, str) for size in plain):
        raise Nonsense("a result's shape is no list of texts")
    for size in plain:
        if size not in known and not (size.isascii() and size.isdigit() and len(size) <= _AXIS_DIGITS):
            raise Nonsense("a result's shape names what the case does not have")
    return tuple(plain)


def read_outputs(case: Case, header: Header) -> OutputSize:
    """How large outputs are. Raises CaseError where the case has no sizes."""
    elements, powers = header.get("elements"), header.get("powers")
    if not _whole(elements, 0, _ELEMENTS) or not isinstance(powers, dict):
        raise Nonsense("it does not tell the size of the outputs")
    if set(powers) != {dim.name for dim in case.dims} or not all(_whole(p, 0, _POWERS[-1]) for p in powers.values()):
        raise Nonsense("it does not tell how the outputs grow with each dim")
    base = smallest_example(case, case.dtypes[0]).dims
    assert isinstance(elements, int)
    return OutputSize(base, elements, {dim.name: powers[dim.name] for dim in case.dims})


def read_linear(header: Header) -> bool:
    """Whether the reference is linear."""
    linear = header.get("linear")
    if not isinstance(linear, bool):
        raise Nonsense("it does not tell whether the reference is linear")
    return linear


# ------------------------------------------------------------------------------------------- examples


def read_prepared(
    case: Case, layout: CallLayout, example: Example, header: Header, tensors: Sequence[torch.Tensor]
) -> Prepared | GivenUp:
    """The call of an example and what must come back from it, or why there is none."""
    if "given_up" in header:
        if not isinstance(header["given_up"], str):
            raise Nonsense("it gives an example up without a reason")
        return GivenUp(example, clean(header["given_up"]))
    unsure, scalars = header.get("unsure"), header.get("scalars")
    if not isinstance(unsure, bool) or not isinstance(scalars, dict):
        raise Nonsense("it gives neither a call nor a reason why there is none")
    left = list(reversed(tensors))
    arguments: dict[str, Value] = {}
    for parameter in layout.parameters:
        if isinstance(parameter, TensorParameter) and parameter.role != "output":
            arguments[parameter.name] = _input(case, parameter, example, left)
        elif isinstance(parameter, ScalarParameter) and not parameter.dim:
            arguments[parameter.name] = _scalar(case, parameter, scalars.get(parameter.name))
    dtypes = output_dtypes(output_names(case), layout, example)
    expected = tuple(_expected(name, dtype, left) for name, dtype in dtypes.items())
    if left:
        raise Nonsense(f"it gives {len(tensors)} tensors, {len(left)} too many")
    return Prepared(example, call_of(layout, example, arguments, expected), expected, unsure)


def output_names(case: Case) -> tuple[str, ...]:
    """What a reference yields: the results, and the arguments that it updates in place."""
    assert case.op is not None
    return (*case.op.results, *(argument.name for argument in case.op.arguments if argument.mutable))


def _taken(left: list[torch.Tensor]) -> torch.Tensor:
    if not left:
        raise Nonsense("it gives too few tensors")
    return left.pop()


def _input(case: Case, parameter: TensorParameter, example: Example, left: list[torch.Tensor]) -> torch.Tensor:
    spec = next(one for one in case.arguments if one.name == parameter.name)
    assert isinstance(spec, TensorSpec)
    tensor, shape, dtype = _taken(left), shape_of(spec, example.dims), parameter.dtype_in(example.dtype)
    if tuple(tensor.shape) != shape or tensor.dtype != DTYPE[dtype]:
        found = f"{dtype_name(tensor.dtype)} of shape {list(tensor.shape)}"
        raise Nonsense(f"it gives '{parameter.name}' as {found}, which the case has as {dtype} of shape {list(shape)}")
    return tensor


def _scalar(case: Case, parameter: ScalarParameter, value: object) -> Value:
    assert isinstance(next(one for one in case.arguments if one.name == parameter.name), ScalarSpec)
    if parameter.kind == "float" and isinstance(value, float) and (math.isnan(value) or single(value) == value):
        return value
    if parameter.kind == "bool" and isinstance(value, bool):
        return value
    if parameter.kind == "int" and isinstance(value, int) and _whole(value, -(1 << 63), (1 << 63) - 1):
        return value
    raise Nonsense(f"it gives no {parameter.kind} for '{parameter.name}'")


def _expected(name: str, dtype: str, left: list[torch.Tensor]) -> Expected:
    gold = _taken(left)
    wanted = torch.float64 if dtype in FLOATING else DTYPE[dtype]
    if gold.dtype != wanted:
        raise Nonsense(f"it gives '{name}' as {dtype_name(gold.dtype)} where {dtype_name(wanted)} is due")
    if dtype not in FLOATING:
        return Expected(name, dtype, gold, None)
    bound = _taken(left)
    if bound.dtype != torch.float64 or bound.shape != gold.shape:
        raise Nonsense(f"its bound of '{name}' does not fit its result")
    if bool((~(bound >= 0) & torch.isfinite(gold)).any()):
        raise Nonsense(f"its bound of '{name}' is no size of an error")
    return Expected(name, dtype, gold, bound)


def read_others(case: Case, header: Header, tensors: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Results of other inputs, by output."""
    names = header.get("names")
    if names != list(output_names(case)) or len(tensors) != len(output_names(case)):
        raise Nonsense("it does not give each output once")
    return dict(zip(output_names(case), tensors, strict=True))


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
