"""Reads what an untrusted reference's process sent, and checks every field against the case and the layout.

The bytes may be hostile. The worst that a checked answer can contain is wrong numbers for this case. It contains no
code, no shape or dtype that the case does not have, and no text that reaches a prompt. Bytes that fail a check raise
Nonsense.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import Field, TypeAdapter, ValidationError

from pytest_upskill.cases.case import Case, TensorSpec
from pytest_upskill.cases.example_text import single
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.exact import COPY, ONCE, WHOLE
from pytest_upskill.oracle.prepare import Expected, GivenUp, Prepared, call_of, output_dtypes
from pytest_upskill.oracle.reference import smallest_example, terms
from pytest_upskill.oracle.reference_messages import MOST_TENSORS
from pytest_upskill.oracle.reference_mutants import MutatedRun
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.oracle.values import DTYPE, Value, dtype_name, shape_of
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
TensorHeader = tuple[str, Sequence[int]]
"""The dtype and the shape of a tensor."""

T = TypeVar("T")

_LARGEST = 1 << 40
_Dtype = Annotated[str, Field(pattern=f"^({'|'.join(ITEM_SIZE)})$")]
_Shape = Annotated[list[Annotated[int, Field(strict=True, ge=0, le=_LARGEST)]], Field(max_length=64)]
_TENSORS = TypeAdapter(Annotated[list[tuple[_Dtype, _Shape]], Field(max_length=MOST_TENSORS)])
_ERROR = TypeAdapter(tuple[str, Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None])
_DTYPES = TypeAdapter(dict[str, _Dtype | None])
_Texts = Annotated[list[str], Field(max_length=64)]
_SHAPES = TypeAdapter(dict[str, _Texts])
_ELEMENTS = TypeAdapter(Annotated[int, Field(strict=True, ge=0, le=1 << 48)])
_POWERS = TypeAdapter(dict[str, Annotated[int, Field(strict=True, ge=0, le=3)]])
_TEXT, _SCALARS = TypeAdapter(str), TypeAdapter(dict[str, Any])
_YES_OR_NO = TypeAdapter(Annotated[bool, Field(strict=True)])
_EXACT = TypeAdapter(list[tuple[Literal["", WHOLE, COPY, ONCE], Annotated[bool, Field(strict=True)]]])  # type: ignore[valid-type]
_NAMES = TypeAdapter(Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)])
_Name = Annotated[str, Field(pattern="^[a-z0-9 -]{1,40}$")]
_Mutant = tuple[_Name, Annotated[str, Field(max_length=200)], _Texts | None]
_MUTANTS = TypeAdapter(Annotated[list[_Mutant], Field(max_length=32)])
_AXIS_DIGITS = 12


class Nonsense(Exception):
    """The process sent bytes that it sends only if the case's code has tampered with the process."""


def _checked(form: TypeAdapter[T], value: object, problem: str) -> T:
    try:
        return form.validate_python(value)
    except ValidationError:
        raise Nonsense(problem) from None


def read_header(data: bytes | bytearray) -> dict[str, Any]:
    """Read the header, which is a JSON object. Raises Nonsense."""
    try:
        header = json.loads(bytes(data).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Nonsense(f"its header is not JSON ({type(error).__name__})") from None
    if not isinstance(header, dict):
        raise Nonsense("its header is not a JSON object")
    return header


def read_tensor_headers(header: Header, limit: int) -> list[tuple[str, list[int]]]:
    """The dtype and shape of each tensor that follows the header. Raises Nonsense above ``limit`` bytes in all."""
    found = _checked(_TENSORS, header.get("tensors"), "it lists no tensors with a dtype and a shape each")
    # The strides of an empty tensor can overflow, too.
    if any(math.prod(max(size, 1) for size in shape) > _LARGEST for _, shape in found):
        raise Nonsense("a tensor's shape is larger than any memory")
    total = sum(map(nbytes, found))
    if total > limit:
        raise Nonsense(f"its tensors have {total} bytes, more than the limit of {limit}")
    return found


def nbytes(tensor: TensorHeader) -> int:
    """The number of bytes of a tensor with this dtype and shape."""
    return math.prod(tensor[1]) * ITEM_SIZE[tensor[0]]


def tensor_of(header: TensorHeader, data: bytearray) -> torch.Tensor:
    """A tensor over ``data``, which is not copied. Raises Nonsense if a bool is neither 0 nor 1."""
    dtype, shape = header
    if not data:
        return torch.empty(tuple(shape), dtype=DTYPE[dtype])
    if dtype == "bool" and int(torch.frombuffer(data, dtype=torch.uint8).max()) > 1:
        raise Nonsense("a bool is neither 0 nor 1")
    return torch.frombuffer(data, dtype=DTYPE[dtype]).reshape(tuple(shape))


def read_error(case: Case, header: Header) -> CaseError | None:
    """The error that the header reports, with its line in the case's file. None if it reports none. Raises Nonsense."""
    for key, beginning in (("error", ""), ("failed", f"case '{case.name}': preparing it failed with ")):
        if header.get(key) is not None:
            problem = "it reports an error without a message, or at a line that does not exist"
            message, line = _checked(_ERROR, (header[key], header.get("line")), problem)
            return CaseError(beginning + clean(message), case.path, line)
    return None


def read_results(case: Case, header: Header) -> ResultFacts:
    """The dtypes and shapes of results. Prompts show the shapes, so only words of the case are accepted in them."""
    dtypes = _checked(_DTYPES, header.get("dtypes"), "a result has no dtype that kernels know")
    shapes = _checked(_SHAPES, header.get("shapes"), "a result's shape is not a list of texts")
    names = case.op.results if case.op else ()
    if set(dtypes) != set(names) or not set(shapes) <= set(names):
        raise Nonsense("it must give a dtype for each result, and shapes for nothing but results")
    known = {text for text, _ in terms(case)}
    for size in {size for shape in shapes.values() for size in shape} - known:
        if not (size.isascii() and size.isdigit() and len(size) <= _AXIS_DIGITS):
            raise Nonsense("a result's shape names what the case does not have")
    return ResultFacts(
        {name: dtypes[name] for name in names}, {name: tuple(shapes[name]) for name in names if name in shapes}
    )


def read_outputs(case: Case, header: Header) -> OutputSize:
    """The estimate of the size of the outputs. Raises CaseError if no sizes are legal."""
    elements = _checked(_ELEMENTS, header.get("elements"), "it does not give the size of the outputs")
    powers = _checked(_POWERS, header.get("powers"), "it does not say how the outputs grow")
    names = [dim.name for dim in case.dims]
    if set(powers) != set(names):
        raise Nonsense("it does not say how the outputs grow with each dim")
    return OutputSize(smallest_example(case, case.dtypes[0]).dims, elements, {name: powers[name] for name in names})


def read_linear(header: Header) -> bool:
    """Whether the reference is linear."""
    return _checked(_YES_OR_NO, header.get("linear"), "it does not say whether the reference is linear")


def read_prepared(
    case: Case, layout: CallLayout, example: Example, header: Header, tensors: Sequence[torch.Tensor]
) -> Prepared | GivenUp:
    """The call of an example with its expected results, or GivenUp with the reason why it cannot be judged."""
    if "given_up" in header:
        return GivenUp(example, clean(_checked(_TEXT, header["given_up"], "it gives an example up without a reason")))
    problem = "it gives neither a call nor a reason why there is none"
    unsure = _checked(_YES_OR_NO, header.get("unsure"), problem)
    scalars = _checked(_SCALARS, header.get("scalars"), problem)
    left = list(reversed(tensors))
    arguments: dict[str, Value] = {}
    for parameter in layout.parameters:
        if isinstance(parameter, TensorParameter) and parameter.role != "output":
            arguments[parameter.name] = _input(case, parameter, example, left)
        elif isinstance(parameter, ScalarParameter) and not parameter.dim:
            arguments[parameter.name] = _scalar(parameter, scalars.get(parameter.name))
    dtypes = output_dtypes(output_names(case), layout, example)
    exact = _checked(_EXACT, header.get("exact"), "it does not say which results are exact")
    unmodelled = _checked(_NAMES, header.get("unmodelled"), "it does not name the operations without a rounding model")
    if len(exact) != len(dtypes):
        raise Nonsense("it does not say of each result whether it is exact")
    expected = tuple(_expected(name, dtypes[name], left, *why) for name, why in zip(dtypes, exact, strict=True))
    if left:
        raise Nonsense(f"it gives {len(tensors)} tensors, {len(left)} too many")
    call = call_of(layout, example, arguments, expected)
    return Prepared(example, call, expected, unsure, frozenset(map(clean, unmodelled)))


def output_names(case: Case) -> tuple[str, ...]:
    """The outputs of a reference: the results, and the arguments that it updates in place."""
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
        raise Nonsense(f"it gives '{parameter.name}' as {found}; the case declares {dtype} of shape {list(shape)}")
    return tensor


def _scalar(parameter: ScalarParameter, value: object) -> Value:
    if parameter.kind == "float" and isinstance(value, float) and (math.isnan(value) or single(value) == value):
        return value
    if parameter.kind == "bool" and isinstance(value, bool):
        return value
    if parameter.kind == "int" and type(value) is int and -(1 << 63) <= value < 1 << 63:
        return value
    raise Nonsense(f"it gives no {parameter.kind} for '{parameter.name}'")


def _expected(name: str, dtype: str, left: list[torch.Tensor], exact: str, signed_zeros: bool) -> Expected:
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
        raise Nonsense(f"its bound of '{name}' is negative or NaN")
    return Expected(name, dtype, gold, bound, exact, signed_zeros)


def read_others(case: Case, header: Header, tensors: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """The results of other inputs, by output."""
    names = list(output_names(case))
    if header.get("names") != names or len(tensors) != len(names):
        raise Nonsense("it does not give each output once")
    return dict(zip(names, tensors, strict=True))


def read_mutants(case: Case, header: Header, tensors: Sequence[torch.Tensor]) -> list[MutatedRun]:
    """The results of mutants of the reference."""
    found, left, names = [], list(reversed(tensors)), list(output_names(case))
    for name, said, outputs in _checked(_MUTANTS, header.get("mutants"), "it names no mutants of the reference"):
        if outputs and outputs != names:
            raise Nonsense(f"the mutant '{name}' does not give each output once")
        made = None if outputs is None else {output: _taken(left) for output in outputs}
        found.append(MutatedRun(name, clean(said), made))
    if left or len({one.name for one in found}) != len(found):
        raise Nonsense("it gives tensors of no mutant, or a mutant twice")
    return found
