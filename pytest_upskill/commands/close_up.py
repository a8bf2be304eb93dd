"""Shows the numbers around one element of a result: inputs, expected and computed values, errors, and allowed
errors.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.compare import place, read
from pytest_upskill.oracle.prepare import Expected, GivenUp, Prepared
from pytest_upskill.oracle.reference_runner import ReferenceRunner
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.oracle.values import DTYPE
from pytest_upskill.records import Answer, Call, CallLayout, Example, ScalarArgument, TensorArgument, Verdict
from pytest_upskill.reporting.text_style import TextStyle, pad

_KEPT = 16
"""How many calls are kept. The counterexample is among the last calls."""
_CELL, _MOST_CELLS = 13, 9
_LABEL = 22


@dataclass(frozen=True, slots=True)
class Seen:
    """An element of the result ``output`` of a call.

    ``share`` is its error divided by the allowed error, None if the result is exact. ``sizes`` gives the shape of each
    tensor in terms of the dims, as far as it is known.
    """

    prepared: Prepared
    outputs: Mapping[str, bytes]
    output: str
    index: tuple[int, ...]
    share: float | None = None
    sizes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return a title with the element and its example."""
        return f"{place(self.output, self.index)} on {self.prepared.example}"


class Observer:
    """Sees the calls of one judgement. The caller passes the result of ``observed``, and ``see``, to the judge."""

    def __init__(self, case: Case) -> None:
        self._sizes = {spec.name: [size.text for size in spec.shape] for spec in case.tensors}
        self._runner: _Runner | None = None
        self._latest: OrderedDict[str, tuple[Prepared, dict[str, bytes]]] = OrderedDict()
        self._closest: Seen | None = None
        self._rank = (0.0, 0)
        self.examples = 0

    def observed(self, runner: ReferenceRunner) -> ReferenceRunner:
        """Return a runner that works like ``runner``, and lets this observer see each example that it prepares."""
        self._runner = _Runner(runner)
        return self._runner

    def see(self, call: Call, answer: Answer) -> None:
        prepared = self._runner.latest if self._runner else None
        if prepared is None or call is not prepared.call or not answer.ran:
            return
        self.examples += 1
        outputs = {name: bytes(data) for name, data in answer.outputs.items()}
        key = str(prepared.example.drawn)
        self._latest[key] = prepared, outputs
        self._latest.move_to_end(key)
        while len(self._latest) > _KEPT:
            self._latest.popitem(last=False)
        for expected in prepared.expected:
            found = _closest(prepared, outputs, expected)
            # Of exact results, which have no shares, the one with the most elements is shown (up to _MOST_CELLS).
            rank = (found.share or 0.0, min(expected.gold.numel(), _MOST_CELLS)) if found else (0.0, 0)
            if rank > self._rank:
                self._closest, self._rank = found, rank

    def seen(self, verdict: Verdict) -> Seen | None:
        """Return the worst element of the counterexample. If the solution passed, return the element closest to its
        bound.
        """
        found = verdict.counterexample
        layout = self._runner.layout if self._runner else None
        sizes = {**self._sizes, **{one.name: one.shape for one in (layout.tensors if layout else ()) if one.shape}}
        if found is None:
            return self._closest and replace(self._closest, sizes=sizes) if verdict.kind == "passed" else None
        kept = self._latest.get(str(found.example.drawn))
        if kept is None or found.worst is None:
            return None
        return Seen(*kept, found.worst.output, found.worst.index, sizes=sizes)


class _Runner:
    """A ``ReferenceRunner`` that keeps the latest example that it prepared, and leaves everything else to another
    runner.
    """

    def __init__(self, runner: ReferenceRunner) -> None:
        self._runner = runner
        self.case = runner.case
        self.latest: Prepared | None = None
        self.results, self.linear, self.call = runner.results, runner.linear, runner.call
        self.other_results, self.mutated_runs = runner.other_results, runner.mutated_runs
        self.for_copy, self.close = runner.for_copy, runner.close

    @property
    def layout(self) -> CallLayout | None:
        return self._runner.layout

    @layout.setter
    def layout(self, layout: CallLayout | None) -> None:
        self._runner.layout = layout

    @property
    def outputs(self) -> OutputSize:
        return self._runner.outputs

    def prepare(self, example: Example) -> Prepared | GivenUp:
        found = self._runner.prepare(example)
        self.latest = found if isinstance(found, Prepared) else None
        return found


def _closest(prepared: Prepared, outputs: Mapping[str, bytes], expected: Expected) -> Seen | None:
    """Return the element of an output whose error is the largest share of its bound, or the first if the output is
    exact.
    """
    data = outputs.get(expected.name)
    if data is None or not expected.gold.numel():
        return None
    if expected.bound is None or expected.exact:
        return Seen(prepared, outputs, expected.name, (0,) * expected.gold.dim())
    got = read(data, expected.dtype, expected.shape).to(torch.float64)
    share = ((got - expected.gold).abs() / expected.bound).nan_to_num(nan=0.0, posinf=0.0)
    flat = int(share.reshape(-1).argmax())
    index = tuple(int(one) for one in torch.unravel_index(torch.tensor(flat), expected.shape)) if expected.shape else ()
    return Seen(prepared, outputs, expected.name, index, float(share.reshape(-1)[flat]))


def shapes(seen: Seen) -> str:
    """Return the shape of each tensor of the call in words, such as ``x [rows=2, cols=1]``, for a case whose dims may
    be swapped.
    """
    arguments = (
        one for one in seen.prepared.call.arguments if isinstance(one, TensorArgument) and one.data is not None
    )
    found = {one.name: one.shape for one in arguments} | {one.name: one.shape for one in seen.prepared.expected}
    return ", ".join(f"{name} {_sized(seen.sizes.get(name, ()), shape)}" for name, shape in found.items())


def _sized(names: Sequence[str], shape: Sequence[int]) -> str:
    known = names if len(names) == len(shape) else [str(size) for size in shape]
    parts = (name if name == str(size) else f"{name}={size}" for name, size in zip(known, shape, strict=True))
    return f"[{', '.join(parts)}]"


def table_lines(seen: Seen, style: TextStyle) -> Iterator[str]:
    """Yield the elements around ``seen``, in the inputs and in the result, and with the scalars of the call."""
    prepared, output = seen.prepared, seen.output
    expected = next(one for one in prepared.expected if one.name == output)
    got = read(seen.outputs[output], expected.dtype, expected.shape)
    if expected.dtype == "bool" and bool((got <= 1).all()):  # a kernel may also write other bytes
        got = got.bool()
    table = _Table(seen.index, style)
    for tensor in (one for one in prepared.call.arguments if isinstance(one, TensorArgument) and one.data is not None):
        values = read(tensor.data, tensor.dtype, tensor.shape)
        yield from table.row(tensor.name, values, _place_in(tensor, seen, expected.shape), with_place=True)
    yield table.heading(output, expected.shape)
    gold = expected.gold if expected.bound is None else expected.gold.to(DTYPE[expected.dtype])
    yield from table.row("expected", gold, seen.index, "green")
    yield from table.row("got", got, seen.index)
    if expected.bound is not None:
        yield from table.row("error", (got.to(torch.float64) - expected.gold).abs(), seen.index)
        yield from table.row("allowed", expected.bound, seen.index)
    scalars = [one for one in prepared.call.arguments if isinstance(one, ScalarArgument)]
    if scalars:
        text = "  ".join(f"{one.name} = {_shown(one.value)}" for one in scalars)
        yield from (f"    {line}" for line in style.wrap(text, style.width - 4, 3))


def _place_in(tensor: TensorArgument, seen: Seen, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of the input element that corresponds to ``seen``: the same along each shared dim, else 0."""
    if tensor.shape == shape:
        return seen.index
    known = dict(zip(seen.sizes.get(seen.output, ()), seen.index, strict=False))
    index = (known.get(name, 0) for name in seen.sizes.get(tensor.name, ()))
    return tuple(min(at, max(size - 1, 0)) for at, size in zip(index, tensor.shape, strict=True))


class _Table:
    """Rows of a few elements along a tensor's last dim."""

    def __init__(self, index: tuple[int, ...], style: TextStyle) -> None:
        self._index, self._style = index, style
        self._cells = max(min((style.width - _LABEL - 4) // _CELL, _MOST_CELLS), 1)

    def heading(self, output: str, shape: tuple[int, ...]) -> str:
        """Return the indices along the last dim of the result. A sign marks the index of the element."""
        at = self._around(shape, self._index)
        shown = [f"{self._style.sign('here') if one == self._index[-1] else ''}[{one}]" for one in at if shape]
        return self._line(_label(output, self._index, at), shown, "dim")

    def row(
        self, name: str, values: torch.Tensor, index: tuple[int, ...], color: str = "", with_place: bool = False
    ) -> Iterator[str]:
        if values.numel():
            at = self._around(values.shape, index)
            line = values[index[:-1]].reshape(-1)
            label = _label(name, index, at) if with_place else name
            yield self._line(label, [_shown(line[one].item()) for one in at], color)

    def _around(self, shape: Sequence[int], index: tuple[int, ...]) -> range:
        """Return the indices to show along the last dim."""
        last = shape[-1] if shape else 1
        first = max(min((index[-1] if index else 0) - self._cells // 2, last - self._cells), 0)
        return range(first, min(first + self._cells, last))

    def _line(self, label: str, cells: Sequence[str], color: str) -> str:
        style = self._style
        text = "".join(pad(style.clean(cell), _CELL, ">") for cell in cells)
        return f"    {style.paint(pad(style.wrap(label, _LABEL, 1)[0], _LABEL), 'dim')}{style.paint(text, color)}"


def _label(name: str, index: tuple[int, ...], at: range) -> str:
    """Return a label for elements along the last dim, such as ``out[3, 7:12]``."""
    last = f"{at.start}:{at.stop}" if len(at) > 1 else f"{at.start}"
    return place(name, (*index[:-1], last)) if index else name


def _shown(value: float | int | bool) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
