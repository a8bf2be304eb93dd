"""Makes wrong results that every case must reject. They are made from right results without running a kernel.

Such a wrong result is called a mutant. It represents a kernel that some harness accepts: for example, a kernel that
writes zeros, returns its input, does not write its last row, or returns the results of the previous call. These mutants
change one output at a time. The mutants of ``reference_mutants`` make a classic mistake in the reference, and may
change every output.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch

from pytest_upskill.oracle.compare import judge, read
from pytest_upskill.oracle.prepare import Expected, Prepared, as_bytes
from pytest_upskill.oracle.reference_mutants import MutatedRun
from pytest_upskill.oracle.shapes import SMALL_LIMIT
from pytest_upskill.oracle.shrink import elements_of
from pytest_upskill.oracle.values import DTYPE
from pytest_upskill.records import Call, Example, TensorArgument

TILE = 32
"""The number of elements that one warp writes. A kernel that writes no more needs neither a second warp nor a loop."""


@dataclass(frozen=True, slots=True)
class Context:
    """What mutants are made from: the call, the right result, and the results of the previous call and of other inputs.

    The results of the previous call and of other inputs are flat, and empty if there are none.
    """

    call: Call
    expected: Expected
    right: torch.Tensor
    previous: torch.Tensor
    other: torch.Tensor


Make = Callable[[Context], torch.Tensor | None]
"""A function that makes the wrong result, or returns None if the mutant does not apply."""


@dataclass(frozen=True, slots=True)
class ResultMutant:
    """A wrong result that a case must reject. ``said`` says in messages what it does, after "a kernel that"."""

    name: str
    said: str
    make: Make


def _constant(value: float) -> Make:
    return lambda context: torch.full_like(context.right, value)


def _mean(context: Context) -> torch.Tensor | None:
    """The mean of the expected values, at each element. None for a single element, because its mean is right."""
    finite = context.right.to(torch.float64)
    finite = finite[torch.isfinite(finite)]
    if context.right.numel() < 2 or finite.numel() == 0:
        return None
    mean = finite.mean()
    return torch.full_like(context.right, float(mean if context.right.is_floating_point() else mean.round()))


def _input(context: Context) -> torch.Tensor | None:
    """The first input, repeated if it is too short. For a tensor that is updated in place, its own input."""
    given = [one for one in context.call.arguments if isinstance(one, TensorArgument) and one.role != "output"]
    own = [one for one in given if one.name == context.expected.name]
    if (first := next(iter((*own, *given)), None)) is None or first.elements == 0:
        return None
    return fitted(read(first.data, first.dtype, (first.elements,)), context.right)


def _last_row(context: Context) -> torch.Tensor | None:
    if context.right.dim() == 0 or len(context.right) < 2:
        return None
    rows = len(context.right) - 1
    return _stale(context, rows * (context.right.numel() // len(context.right)))


def _last_tile(context: Context) -> torch.Tensor | None:
    return _stale(context, (context.right.numel() - 1) // TILE * TILE) if context.right.numel() > TILE else None


def _only_first(count: int) -> Make:
    return lambda context: _stale(context, count) if context.right.numel() > count else None


def _stale(context: Context, begin: int) -> torch.Tensor:
    """The right result, except that elements from ``begin`` on keep the values of the previous call.

    If there was no previous call, they are zero.
    """
    old = fitted(context.previous, context.right) if context.previous.numel() else torch.zeros_like(context.right)
    mixed = context.right.clone().reshape(-1)
    mixed[begin:] = old.reshape(-1)[begin:]
    return mixed.reshape(context.right.shape)


def _last_column(context: Context) -> torch.Tensor | None:
    """The right result, except that the last column has the values of the column before it."""
    if context.right.dim() == 0 or context.right.shape[-1] < 2:
        return None
    shifted = context.right.clone()
    shifted[..., -1] = context.right[..., -2]
    return shifted


def _rounded(through: torch.dtype, dtype: str) -> Make:
    return lambda it: it.right.to(through).to(it.right.dtype) if it.expected.dtype == dtype else None


def _previous(context: Context) -> torch.Tensor | None:
    return fitted(context.previous, context.right) if context.previous.numel() else None


def _other(context: Context) -> torch.Tensor | None:
    return fitted(context.other, context.right) if context.other.numel() == context.right.numel() else None


UNVARIED = "other-inputs"
"""The name of the mutant that survives only if the result does not depend on the inputs."""
SMALL = "first-tile"
"""The name of the mutant that survives only if all results are small."""

MUTANTS: tuple[ResultMutant, ...] = (
    ResultMutant("zeros", "writes zeros", _constant(0.0)),
    ResultMutant("ones", "writes ones", _constant(1.0)),
    ResultMutant("input", "returns its first input", _input),
    ResultMutant("mean", "writes one constant, the mean of what is expected", _mean),
    ResultMutant("last-row", "leaves its last row as it was", _last_row),
    ResultMutant("last-tile", f"leaves its last tile of {TILE} elements as it was", _last_tile),
    ResultMutant("first-element", "writes its first element only", _only_first(1)),
    ResultMutant(SMALL, f"writes its first {TILE} elements only", _only_first(TILE)),
    ResultMutant("last-column", "is off by one in the last column", _last_column),
    ResultMutant("half", "computes in half precision", _rounded(torch.float16, "float32")),
    ResultMutant("single", "computes in single precision", _rounded(torch.float32, "float64")),
    ResultMutant("previous", "returns what it computed for the call before", _previous),
    ResultMutant(UNVARIED, "returns what it would for other inputs of the same sizes", _other),
)

Spoiled = tuple[str, str, str]
"""A mutant's name, the output that the mutant spoils, and the dtype that is tried. Output and dtype are empty for a
mutant of the reference, because any output in any dtype can kill it."""

REFUSED = ("zeros", "ones", "input", "mean", "previous", UNVARIED)
"""The mutants that no case may accept. A case may accept another mutant if no input that the case allows shows that its
result is wrong."""

_QUIET = 8
"""After this many examples of a dtype in a row on which no mutant of the reference survived, the dtype's other examples
are not tried with these mutants."""

_EQUIVALENT = 1e-12
"""Up to this relative difference, two results in float64 may differ by rounding alone."""


def fitted(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """``values`` in the shape and dtype of ``like``, repeated if there are too few of them."""
    flat = values.reshape(-1)
    times = -(-like.numel() // max(flat.numel(), 1))
    return flat.repeat(times)[: like.numel()].reshape(like.shape).to(like.dtype)


def right_result(expected: Expected) -> torch.Tensor:
    """The result of a perfect kernel: the float64 result, rounded to the output's dtype."""
    return expected.gold.to(DTYPE[expected.dtype])


def right_outputs(expected: tuple[Expected, ...]) -> dict[str, memoryview]:
    """The bytes of the results of a perfect kernel."""
    return {one.name: as_bytes(right_result(one)) for one in expected}


class ResultTrial:
    """Tries all mutants on one example after another. A mutant that was killed is not tried again."""

    def __init__(
        self,
        other_results: Callable[[Example], Mapping[str, torch.Tensor]],
        mutated_runs: Callable[[Example, Collection[str]], Sequence[MutatedRun]],
    ) -> None:
        """Start without killed mutants.

        ``other_results`` returns, by output, the exact results of other inputs of the same sizes. ``mutated_runs``
        returns the results of mutants of the reference.
        """
        self._other_results, self._mutated_runs = other_results, mutated_runs
        self.dead: set[Spoiled] = set()
        self.said = {mutant.name: mutant.said for mutant in MUTANTS}
        """By mutant's name, what the mutant does, as messages say it after "a kernel that"."""
        self.differed: set[Spoiled] = set()
        """The mutants that passed an example although their result differed from the right one, within the bound."""
        self._same: set[Spoiled] = set()
        """The mutants of the reference that passed an example because they compute the same in another way."""
        self._quiet: dict[str, int] = {}
        self.survived_on: dict[Spoiled, int] = {}
        """The number of examples that each surviving mutant passed."""
        self.outputs: dict[tuple[str, str], int] = {}
        """The largest number of elements that each output had, by output and dtype."""
        self._previous: dict[tuple[str, str], torch.Tensor] = {}

    def add(self, prepared: Prepared) -> None:
        """Try the surviving mutants on one more example."""
        dtype = prepared.example.dtype
        other: Mapping[str, torch.Tensor] | None = None
        for expected in prepared.expected:
            key = (expected.name, dtype)
            self.outputs[key] = max(self.outputs.get(key, 0), expected.gold.numel())
            if expected.gold.numel() == 0:
                continue
            if (UNVARIED, *key) not in self.dead and other is None:
                other = self._other_results(prepared.example)
            self._try(prepared.call, expected, dtype, (other or {}).get(expected.name, torch.empty(0)))
            self._previous[key] = right_result(expected).reshape(-1)
        if elements_of(prepared.call) <= SMALL_LIMIT and self._quiet.get(dtype, 0) < _QUIET:
            self._try_mutated_runs(prepared)

    def _try(self, call: Call, expected: Expected, dtype: str, other: torch.Tensor) -> None:
        previous = self._previous.get((expected.name, dtype), torch.empty(0))
        context = Context(call, expected, right_result(expected), previous, other)
        for mutant in MUTANTS:
            key = (mutant.name, expected.name, dtype)
            made = None if key in self.dead else mutant.make(context)
            if made is None:
                continue
            passes = judge((expected,), {expected.name: as_bytes(made)}) is None
            if passes and bytes(as_bytes(made)) != bytes(as_bytes(context.right)):
                self.differed.add(key)
            self._count(key, passes)

    def _try_mutated_runs(self, prepared: Prepared) -> None:
        dtype = prepared.example.dtype
        runs = self._mutated_runs(prepared.example, {name for name, output, _ in self.dead if not output})
        self._quiet[dtype] = 0 if runs else self._quiet.get(dtype, 0) + 1
        for run in runs:
            key = (run.name, "", "")
            self.said.setdefault(run.name, run.said)
            passes = run.outputs is None or _is_right(prepared.expected, run.outputs)
            if passes and run.outputs is not None:
                pairs = ((run.outputs[one.name].double(), one.gold.double()) for one in prepared.expected)
                near = all(torch.allclose(*pair, rtol=_EQUIVALENT, atol=0, equal_nan=True) for pair in pairs)
                (self._same if near else self.differed).add(key)
            self._count(key, passes)

    def _count(self, key: Spoiled, passes: bool) -> None:
        if passes:
            self.survived_on[key] = self.survived_on.get(key, 0) + 1
        else:
            self.dead.add(key)
            self.survived_on.pop(key, None)

    @property
    def survived(self) -> list[Spoiled]:
        """The mutants that passed all examples, in the order of ``said``.

        Mutants of the reference that compute the same in another way are left out.
        """
        order = {name: number for number, name in enumerate(self.said)}
        equivalent = self._same - self.differed
        return sorted((key for key in self.survived_on if key not in equivalent), key=lambda key: order[key[0]])


def _is_right(expected: tuple[Expected, ...], outputs: Mapping[str, torch.Tensor]) -> bool:
    """Whether the results of a mutant of the reference pass. False if it has no results, or results of other shapes."""
    if any(one.name not in outputs or outputs[one.name].shape != one.gold.shape for one in expected):
        return False
    made = {one.name: as_bytes(outputs[one.name].to(DTYPE[one.dtype])) for one in expected}
    return judge(expected, made) is None
