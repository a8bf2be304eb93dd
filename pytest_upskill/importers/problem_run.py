"""Runs problems (``Model``, ``get_inputs`` and ``get_init_inputs``), in the sandbox of untrusted references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pytest_upskill.importers.input_values import TaggedRandint
from pytest_upskill.importers.problem_source import INPUTS, MODEL, RESIZE, SETTINGS, ProblemSource
from pytest_upskill.importers.size_fit import Sizes

Values = tuple[int, ...]
"""The value of each site, in the order of the sites."""

_ELEMENTS, _PARAMETERS = 1 << 22, 1 << 22
"""Sizes with more elements in all inputs, or in all parameters, than this are not tried."""
_LONGEST = 300


class Unsuitable(Exception):
    """Why a problem cannot become a case."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a problem: its model, its inputs, and what ``forward`` returned."""

    model: torch.nn.Module
    inputs: list[Any]
    outputs: tuple[torch.Tensor, ...]


class Problem:
    """A problem whose sizes can be changed. It raises nothing but Unsuitable."""

    def __init__(self, problem: ProblemSource) -> None:
        self.problem = problem
        self.original: Values = tuple(site.value for site in problem.sites)
        names = {number: f"_{number}" for number in range(len(problem.sites))}
        self._scope: dict[str, Any] = {"__name__": "problem"}
        _guarded("it", lambda: exec(compile(problem.code, "problem", "exec"), self._scope), "while it was loaded")
        for name in (MODEL, INPUTS, SETTINGS):
            if not callable(self._scope.get(name)):
                raise Unsuitable(f"'{name}' is not a {'class' if name == MODEL else 'function'}")
        exec(compile(problem.resize(names, self.original), "sizes", "exec"), self._scope)
        self.randint = TaggedRandint()

    def parts(self, values: Values, seed: int = 0) -> tuple[torch.nn.Module, list[Any]]:
        """The model and the inputs for these sizes."""
        _guarded("it", lambda: self._scope[RESIZE](*values), "when its sizes were changed")
        torch.default_generator.manual_seed(seed)
        with self.randint:
            inputs = _guarded(f"'{INPUTS}'", self._scope[INPUTS])
        if not isinstance(inputs, list | tuple):
            raise Unsuitable(f"'{INPUTS}' returns {type(inputs).__name__}, not a list")
        if sum(one.numel() for one in inputs if isinstance(one, torch.Tensor)) > _ELEMENTS:
            raise Unsuitable(f"its inputs have more than {_ELEMENTS:,} elements")
        settings = _guarded(f"'{SETTINGS}'", self._scope[SETTINGS])
        torch.default_generator.manual_seed(seed)
        model = _guarded(f"'{MODEL}'", lambda: _make(self._scope[MODEL], settings))
        if not isinstance(model, torch.nn.Module):
            raise Unsuitable(f"'{MODEL}' is not a torch.nn.Module")
        if sum(one.numel() for one in model.parameters()) > _PARAMETERS:
            raise Unsuitable(f"the model has more than {_PARAMETERS:,} weights")
        return model, list(inputs)

    def run(self, values: Values, seed: int = 0) -> Run:
        model, inputs = self.parts(values, seed)
        return Run(model, inputs, forward(model, inputs))

    def works(self, values: Values) -> bool:
        try:
            return all(one.numel() > 0 for one in self.run(values).outputs)
        except Unsuitable:
            return False

    def sizes(self, values: Values) -> Sizes | None:
        """The shapes of inputs and parameters, and the bounds of random integers; None if these sizes do not work."""
        try:
            model, inputs = self.parts(values)
        except Unsuitable:
            return None
        found: Sizes = {}
        for place, one in enumerate(inputs):
            if isinstance(one, torch.Tensor):
                found |= {("input", str(place), axis): size for axis, size in enumerate(one.shape)}
                if (limits := self.randint.limits(one)) is not None:
                    found["input", str(place), "high"] = limits[1]
        for name, one in model.named_parameters():
            found |= {("parameter", name, axis): size for axis, size in enumerate(one.shape)}
        return found


def _make(model: Callable[..., Any], settings: Any) -> Any:
    return model(**settings) if isinstance(settings, dict) else model(*settings)


def forward(model: torch.nn.Module, inputs: Sequence[Any]) -> tuple[torch.Tensor, ...]:
    """The results of a model, as tensors. Raises Unsuitable."""
    with torch.no_grad():
        returned = _guarded("'forward'", lambda: model(*inputs))
    outputs = tuple(returned) if isinstance(returned, tuple | list) else (returned,)
    for one in outputs:
        if not isinstance(one, torch.Tensor):
            raise Unsuitable(f"'forward' returns {type(one).__name__}, where a kernel returns tensors")
    return outputs


def _guarded(what: str, call: Callable[[], Any], when: str = "") -> Any:
    try:
        return call()
    except Unsuitable:
        raise
    except BaseException as error:  # the problem decides what is raised here
        lines = str(error).strip().split("\n")
        told = f"{type(error).__name__}: {lines[0][:_LONGEST]}".removesuffix(": ")
        raise Unsuitable(f"{what} raises {told} {when}".rstrip()) from None
