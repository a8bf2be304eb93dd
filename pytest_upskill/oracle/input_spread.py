"""How far the exact result moves when the inputs move by one unit in the last place.

This gives a wide bound for references that the rounding model does not cover, because they use operators without a rule
or Python's own arithmetic. The movement times the number of inputs on which one result depends covers the worst case of
serial summation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from pytest_upskill.cases.case import Case, Choices, Range
from pytest_upskill.oracle.isolation import generator
from pytest_upskill.oracle.values import Value
from pytest_upskill.records import Example

_DRAWS = 8

Outputs = Mapping[str, torch.Tensor]


def moved_upwards(case: Case, example: Example, exact: Mapping[str, Value], unit: float) -> dict[str, Value]:
    """The arguments, with each floating tensor multiplied by 1 + ``unit``."""
    return {name: _moved(case, example, name, value, unit) for name, value in exact.items()}


def spread(
    case: Case,
    example: Example,
    exact: Mapping[str, Value],
    unit: float,
    gold: Outputs,
    run: Callable[[Mapping[str, Value]], Outputs],
) -> dict[str, torch.Tensor]:
    """How far each output moves when the inputs move by ``unit``, relative to themselves.

    This is the larger of two numbers: the root mean square over inputs moved up or down at random, and the movement
    when all inputs move up.
    """
    random = generator("perturb", example.drawn)
    squares = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in gold.items()}
    for _ in range(_DRAWS):
        signs = {
            name: unit * (2 * torch.randint(2, value.shape, generator=random) - 1)
            for name, value in exact.items()
            if isinstance(value, torch.Tensor) and value.is_floating_point()
        }
        moved = {name: _moved(case, example, name, value, signs.get(name, unit)) for name, value in exact.items()}
        outputs = run(moved)
        for name in squares:
            squares[name] += _movement(outputs[name], gold[name]).square()
    upwards = run(moved_upwards(case, example, exact, unit))
    highest = {name: _movement(upwards[name], gold[name]) for name in squares}
    return {name: torch.maximum((square / _DRAWS).sqrt(), highest[name]) for name, square in squares.items()}


def _moved(case: Case, example: Example, name: str, value: Value, by: torch.Tensor | float) -> Value:
    """The value moved by ``by``, relative to itself, and clamped to the limits that the case declares.

    A probability, for example, does not exceed 1. Integers and scalars stay as they are.
    """
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    moved, limits = value * (1 + by), _limits(case, name, example)
    return moved.clamp(*limits) if limits else moved


def _movement(moved: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """How far a result moved from gold; 0 where one of the two is not finite, as beyond a square root's domain."""
    return (moved.to(torch.float64) - gold).abs().nan_to_num(0.0, 0.0, 0.0)


def _limits(case: Case, name: str, example: Example) -> tuple[float, float] | None:
    values = next(one for one in case.arguments if one.name == name).values
    if isinstance(values, Range):
        return float(values.low.evaluate(example.dims)), float(values.high.evaluate(example.dims))
    if isinstance(values, Choices) and len(set(values.options)) > 1:
        return float(min(values.options)), float(max(values.options))
    return None
