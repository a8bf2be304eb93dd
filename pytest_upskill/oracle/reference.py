"""Runs a case's reference: in float64 (*gold*), in the dtype under test (*eager*), and with gradients.

If anything is wrong with a reference, a CaseError names its line in the case's file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.sizes import integer_scalars, problem
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.isolation import default_dtype, isolated, stable_hash
from pytest_upskill.oracle.shapes import OutputSize, choose, smallest
from pytest_upskill.oracle.size_distribution import STEPS
from pytest_upskill.oracle.snippet import check_parameters, load_function
from pytest_upskill.oracle.values import DTYPE, Arguments, Source, Value, complete, dtype_name
from pytest_upskill.records import Example

_RUNS, _ELEMENTS = 6, 1 << 12

Size = Callable[[Mapping[str, int]], int]
Shapes = list[tuple[dict[str, int], dict[str, tuple[int, ...]]]]
"""For each run of a reference: its sizes (dims and integer scalars), and the shapes of its results."""


class Reference:
    """A compiled reference. ``outputs`` names its results and the arguments that it updates in place."""

    def __init__(self, case: Case) -> None:
        if case.op is None or case.reference is None:
            raise CaseError(f"case '{case.name}' has no '## Reference'; add one, as a python block", case.path)
        _refuse_untrusted(case)
        self.case, self.op = case, case.op
        self.function = load_function(case.reference, case.op.name, "the reference")
        self._mutable = tuple(argument.name for argument in case.op.arguments if argument.mutable)
        self.outputs = (*case.op.results, *self._mutable)
        names = tuple(argument.name for argument in case.op.arguments)
        offered = dict.fromkeys(names, "argument") | {dim.name: "dim" for dim in case.dims}
        check_parameters(self.function, offered, names)
        self._dims = tuple(dim.name for dim in case.dims if dim.name in self.function.parameters)

    def run(
        self, arguments: Arguments, dims: Mapping[str, int], dtype: torch.dtype, circumstances: str, grad: bool = False
    ) -> dict[str, torch.Tensor]:
        """Run the reference with torch's default dtype set to ``dtype``, and return its outputs by name.

        If ``dtype`` is an integer dtype, the default dtype is float32. Arguments that are updated in place are cloned
        first, and the clones are outputs. Raises CaseError.
        """
        passed = dict(arguments)
        for name in self._mutable:
            if isinstance(value := passed[name], torch.Tensor):
                passed[name] = value.clone()
        versions = {name: value._version for name, value in passed.items() if isinstance(value, torch.Tensor)}
        with default_dtype(dtype if dtype.is_floating_point else torch.float32), torch.set_grad_enabled(grad):
            returned = self.function({**passed, **{name: dims[name] for name in self._dims}}, circumstances)
        for name, version in versions.items():
            if passed[name]._version != version and name not in self._mutable:  # type: ignore[union-attr]
                advice = f"write 'Tensor(a!) {name}' in 'op', or change a copy"
                raise self.error(f"changes its argument '{name}' in place; {advice}")
        outputs = dict(zip(self.op.results, self._results(returned, circumstances), strict=True))
        updated = {name: value for name in self._mutable if isinstance(value := passed[name], torch.Tensor)}
        return outputs | updated

    def _results(self, returned: object, circumstances: str) -> tuple[torch.Tensor, ...]:
        wanted = len(self.op.results)
        if wanted == 0:
            return ()
        results = tuple(returned) if isinstance(returned, tuple | list) else (returned,)
        if len(results) != wanted:
            raise self.error(f"returned {len(results)} results where 'op' has {wanted} ({', '.join(self.op.results)})")
        for name, result in zip(self.op.results, results, strict=True):
            if not isinstance(result, torch.Tensor):
                kind = type(result).__name__
                raise self.error(f"returned {kind} for '{name}', which must be a tensor ({circumstances})")
            if result.dtype not in DTYPE.values():
                known = ", ".join(DTYPE)
                raise self.error(f"returned dtype {dtype_name(result.dtype)} for '{name}'; a kernel can return {known}")
        return results

    def error(self, what: str) -> CaseError:
        """Make a CaseError about this reference, with the reference's first line."""
        return CaseError(f"the reference {what}", self.function.path, self.function.line)


def load_inputs(case: Case) -> Source:
    """The source of a case's values. If the case has a section ``## Inputs``, it is compiled. Raises CaseError."""
    if case.inputs is None:
        return Source(case)
    _refuse_untrusted(case)
    function = load_function(case.inputs, "inputs", "the '## Inputs' function")
    check_parameters(function, {"generator": "", "dtype": "", **{dim.name: "dim" for dim in case.dims}}, ())
    return Source(case, function)


def _refuse_untrusted(case: Case) -> None:
    """Raise ValueError for an untrusted case. This is the last check before a case's Python is loaded here."""
    if not case.trusted:
        raise ValueError(f"case '{case.name}' is not trusted: open its runner with reference_runner.by_trust")


def cast(arguments: Arguments, dtype: torch.dtype) -> dict[str, Value]:
    """The arguments with floating tensors converted to ``dtype``. Integers, bools and scalars stay as they are."""
    return {
        name: value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for name, value in arguments.items()
    }


def run_eager(reference: Reference, arguments: Arguments, example: Example) -> dict[str, torch.Tensor] | None:
    """The reference's outputs in the example's own dtype. None if PyTorch has no operator for that dtype."""
    try:
        return reference.run(arguments, example.dims, DTYPE[example.dtype], f"on {example}")
    except CaseError as error:
        # PyTorch lacks some operators in half precision, which is not the author's mistake.
        if example.dtype in ("float16", "bfloat16") and isinstance(error.__cause__, RuntimeError | NotImplementedError):
            return None
        raise


def result_dtypes(case: Case) -> dict[str, str | None]:
    """The dtype that each result always has, or None for a result whose dtype follows the dtype that is tried.

    The reference is run on the smallest legal sizes in each dtype. Raises CaseError.
    """
    with isolated():
        reference, source = Reference(case), load_inputs(case)
        found = [(dtype, _dtypes(reference, source, dtype)) for dtype in case.dtypes]
        return {result: _settled(reference, result, found) for result in reference.op.results}


def _dtypes(reference: Reference, source: Source, dtype: str) -> dict[str, str]:
    example = smallest_example(source.case, dtype)
    arguments = source.arguments(example)
    if (eager := run_eager(reference, arguments, example)) is not None:
        return {name: dtype_name(value.dtype) for name, value in eager.items()}
    single = reference.run(cast(arguments, torch.float32), example.dims, torch.float32, f"on {example}, in float32")
    return {name: dtype if value.dtype == torch.float32 else dtype_name(value.dtype) for name, value in single.items()}


def _settled(reference: Reference, result: str, found: list[tuple[str, dict[str, str]]]) -> str | None:
    if result in reference.case.returns:
        return reference.case.returns[result]
    if all(dtypes[result] == tried for tried, dtypes in found):
        return None
    kinds = {dtypes[result] for _, dtypes in found}
    if len(kinds) == 1:
        return kinds.pop()
    seen = ", ".join(f"{dtypes[result]} for {tried}" for tried, dtypes in found)
    advice = f"fix it with 'returns: {{{result}: float32}}'"
    problem = f"returns '{result}' as {seen}: neither always the same dtype nor the one that is tried"
    raise reference.error(f"{problem}; {advice}")


def result_shapes(case: Case) -> dict[str, tuple[str, ...]]:
    """The shape of each result in terms of the dims, so that a prompt can state it.

    A few runs of the reference show which dims, expressions in the case's own shapes, or numbers give the sizes. A
    result whose shape cannot be stated in this way is left out. Raises CaseError if the reference fails.
    """
    with isolated():
        runs = list(_runs(case))
    return {name: shape for name in (case.op.results if case.op else ()) if (shape := _stated(case, name, runs))}


def _runs(case: Case) -> Shapes:
    reference, source = Reference(case), load_inputs(case)
    found = []
    for example in various_examples(case, "result shapes", _RUNS, OutputSize(), case.dtypes[0], "normal"):
        try:
            results = run_eager(reference, source.arguments(example), example)
        except CaseError:
            continue  # reported, with its place, when the example is judged
        if results is not None:
            found.append((example.sizes, {name: tuple(value.shape) for name, value in results.items()}))
    return found


def _stated(case: Case, name: str, runs: Shapes) -> tuple[str, ...] | None:
    shapes = [(sizes, shapes[name]) for sizes, shapes in runs if name in shapes]
    if len(shapes) < 2 or len({len(shape) for _, shape in shapes}) != 1:
        return None
    axes = []
    for axis in range(len(shapes[0][1])):
        seen = [(sizes, shape[axis]) for sizes, shape in shapes]
        text = next((text for text, size in terms(case) if all(size(sizes) == got for sizes, got in seen)), None)
        if text is None and len({got for _, got in seen}) > 1:
            return None
        axes.append(text or str(seen[0][1]))
    return tuple(axes)


def terms(case: Case) -> list[tuple[str, Size]]:
    """The terms that may state a size, each with its text: dims, integer scalars, and sizes of arguments."""
    names = [*(dim.name for dim in case.dims), *(scalar.name for scalar in integer_scalars(case))]
    found: list[tuple[str, Size]] = [(name, lambda sizes, name=name: sizes[name]) for name in names]  # type: ignore[misc]
    for tensor in case.tensors:
        found += [(size.text, lambda sizes, size=size: int(size.evaluate(sizes))) for size in tensor.shape]  # type: ignore[misc]
    return found


def various_examples(
    case: Case, label: str, count: int, outputs: OutputSize, dtype: str, family: str
) -> Iterator[Example]:
    """Up to ``count`` small examples of various sizes. The same ``label`` gives the same examples in every process."""
    free = len(case.dims) + len(integer_scalars(case))
    for number in range(count):
        steps = [stable_hash(label, number, index) % STEPS for index in range(free)]
        chosen = choose(case, outputs, _ELEMENTS, number % max(len(case.dims), 1), steps)
        if chosen is not None:
            yield complete(case, Example(chosen[0], dtype, number, family, chosen[1]))


def smallest_example(case: Case, dtype: str) -> Example:
    """The example with the smallest legal sizes, seed 0 and the simplest values. Raises CaseError."""
    dims, scalars = smallest(case)
    return complete(case, Example(dims, dtype, 0, "normal", scalars))


def empty_examples(case: Case, dtype: str) -> dict[str, Example]:
    """For each dim that may be 0, the smallest example in which it is 0. No other dim is 0 if that is possible."""
    found: dict[str, Example] = {}
    for dim in case.dims:
        for base in (3, 1, 0):
            try:
                dims, scalars = smallest(case, zero=base == 0)
            except CaseError:
                continue
            dims = {name: max(size, base) for name, size in dims.items()} | {dim.name: 0}
            if problem(case, dims, scalars) is None:
                found[dim.name] = complete(case, Example(dims, dtype, 1, "normal", scalars))
                break
    return found


def measure_outputs(reference: Reference, source: Source) -> OutputSize:
    """Measure how the outputs grow with each dim by a few runs on small sizes."""
    example = smallest_example(source.case, source.case.dtypes[0])
    base = _output_elements(reference, source, example)
    powers: dict[str, int] = {}
    for dim in source.case.dims:
        if (larger := _larger(source.case, example, dim.name)) is None or base == 0:
            powers[dim.name] = 0 if dim.fixed else 1
            continue
        ratio = _output_elements(reference, source, larger) / base
        growth = larger.dims[dim.name] / max(example.dims[dim.name], 1)
        powers[dim.name] = max((p for p in (0, 1, 2, 3) if growth ** (p - 0.5) <= ratio), default=0)
    return OutputSize(example.dims, base, powers)


def _larger(case: Case, example: Example, name: str) -> Example | None:
    size = max(example.dims[name], 1)
    larger = ({**example.dims, name: size * factor} for factor in (4, 8, 3, 5, 2, 16))
    legal = (dims for dims in larger if problem(case, dims, example.scalars) is None)
    return next((replace(example, dims=dims) for dims in legal), None)


def _output_elements(reference: Reference, source: Source, example: Example) -> int:
    arguments = cast(source.arguments(example), torch.float64)
    outputs = reference.run(arguments, example.dims, torch.float64, f"on {example}")
    return sum(outputs[name].numel() for name in reference.op.results)
