"""Runs in the sandbox: checks that a problem's result depends on its inputs, and on nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pytest_upskill.importers.problem_run import Problem, Unsuitable, Values, forward

_SEEDS = (0, 1, 2)
_ROUNDING = 8
"""A result counts as constant if it varies by at most this number of rounding errors."""

RANDOM = (
    "its result is random: with the same inputs and weights it differs (dropout, or random tensors that are no "
    "parameters)"
)
CONSTANT = "its result is the same whatever the inputs are, so a kernel that ignores them passes"


def problem(subject: Problem, values: Values) -> str | None:
    """Why the problem's result is not worth computing (it is random or constant); None if it is worth computing."""
    runs = [_exact(subject, values, seed) for seed in _SEEDS]
    if not _same(runs[0][1], _again(subject, values)):
        return RANDOM
    outputs, rounding = [exact for exact, _ in runs], 0.0
    for exact, single in runs:
        for wide, narrow in zip(exact, single, strict=True):
            if wide.is_floating_point() and wide.shape == narrow.shape:
                error = (wide - narrow.double()).abs()
                finite = error[torch.isfinite(error)]
                rounding = max(rounding, float(finite.max()) if finite.numel() else 0.0)
    first = outputs[0]
    for other in outputs[1:]:
        for one, two in zip(first, other, strict=True):
            if one.shape != two.shape:
                return None
            if not one.is_floating_point():
                if not torch.equal(one, two):
                    return None
            elif not bool(((one - two).abs() <= _ROUNDING * rounding).all()) and bool(torch.isfinite(one).any()):
                return None
    return CONSTANT


def _exact(subject: Problem, values: Values, seed: int) -> tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]]:
    """The results in float64, and the results in the problem's own dtypes. If the problem does not run in float64, both
    are in its own dtypes.
    """
    model, inputs = subject.parts(values, seed)
    torch.default_generator.manual_seed(seed)
    single = forward(model, _copies(inputs))
    model, inputs = subject.parts(values, seed)
    torch.default_generator.manual_seed(seed)
    try:
        wide = [one.double() if isinstance(one, torch.Tensor) and one.is_floating_point() else one for one in inputs]
        return forward(model.double(), wide), single
    except Unsuitable:
        return single, single


def _again(subject: Problem, values: Values) -> Sequence[torch.Tensor]:
    """The results for the inputs and weights of the first seed, with other random numbers everywhere else."""
    weights, inputs = subject.parts(values, _SEEDS[0])
    model, _ = subject.parts(values, _SEEDS[1])
    with torch.no_grad():
        for one, two in zip(model.parameters(), weights.parameters(), strict=True):
            one.copy_(two)
    torch.default_generator.manual_seed(_SEEDS[1])
    return forward(model, inputs)


def mutates(subject: Problem, values: Values) -> bool:
    """Whether ``forward`` changes one of its inputs in place."""
    model, inputs = subject.parts(values)
    versions = [one._version for one in inputs if isinstance(one, torch.Tensor)]
    forward(model, inputs)
    return versions != [one._version for one in inputs if isinstance(one, torch.Tensor)]


def _copies(inputs: Sequence[Any]) -> list[Any]:
    return [one.clone() if isinstance(one, torch.Tensor) else one for one in inputs]


def _same(one: Sequence[torch.Tensor], two: Sequence[torch.Tensor]) -> bool:
    return len(one) == len(two) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)
        if a.is_floating_point()
        else torch.equal(a, b)
        for a, b in zip(one, two, strict=True)
    )
