"""Runs in the sandbox of untrusted references: finds which sizes of a problem can vary, and its inputs' values.

Sizes are found by running the problem: one number of the source is changed at a time, and the sizes that change with it
come from this number. Small sizes are used throughout.
"""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Mapping
from typing import Any

import torch

from pytest_upskill.importers import constancy
from pytest_upskill.importers.input_values import described
from pytest_upskill.importers.problem_run import Problem, Run, Unsuitable, Values
from pytest_upskill.importers.problem_source import INPUTS, read_problem
from pytest_upskill.importers.size_fit import fit, told_names
from pytest_upskill.importers.size_ranges import Found, joint_samples, ranges

MOST_TENSORS = 16
"""The most tensors of a case, inputs and parameters together. A problem with more is a network rather than a kernel."""
_CAPS = (16, 32, 64, 128, 256)
_DELTAS = (1, 2, 4, 8)
_SLOW = 0.05
"""If a run takes at least this number of seconds, even smaller sizes are tried."""
_SMALL = 16
"""A number that is at most this, and that only parameters depend on (such as the size of a filter), is not varied."""


def study(source: str) -> dict[str, Any]:
    """The data from which the case is made, as plain data. If there can be no case, it has only ``reason``."""
    try:
        return _study(Problem(read_problem(source)))
    except NothingVaries as error:
        try:
            return {**_study(Problem(read_problem(source, tied=True))), "tied": True}
        except Unsuitable:
            return {"reason": str(error)}
    except Unsuitable as error:
        return {"reason": str(error)}


class NothingVaries(Unsuitable):
    """Each size is tied to another size of the same value, so no size can vary."""


def _study(problem: Problem) -> dict[str, Any]:
    base = _base(problem)
    run = problem.run(base)
    _check_form(run)
    if (reason := constancy.problem(problem, base)) is not None:
        raise Unsuitable(reason)
    roles = _roles(problem, base)
    base = _with_original(problem, base, {*roles})
    found = ranges(problem.works, base, roles, problem.original)
    sites = problem.problem.sites
    inputs, parameters = _names_of(run)
    taken = [*inputs, *(name for _, name in parameters)]
    called = told_names({site: sites[site].name for site in found.dims}, taken)
    samples = joint_samples(problem.works, base, found)
    if not found.dims:
        raise NothingVaries("none of its sizes can vary: other sizes than its own do not work, or change no input")
    text = fit(problem.sizes, base, {site: called[site] for site in found.dims}, samples)
    if isinstance(text, str):
        raise Unsuitable(text)
    return {
        "tied": False,
        "values": list(base),
        "dims": [[site, called[site], _range_text(found, site)] for site in found.dims],
        "where": [f"{called[site]} % {step} == 0" for site, step in found.steps.items() if site in found.dims],
        "inputs": [_input(problem, base, place, name, text) for place, name in enumerate(inputs)],
        "parameters": [
            [name, called_, [text["parameter", name, axis] for axis in range(run_parameter.dim())]]
            for (name, called_), run_parameter in zip(parameters, run.model.parameters(), strict=True)
        ],
        "outputs": len(run.outputs),
        "mutates": constancy.mutates(problem, base),
    }


def _base(problem: Problem) -> Values:
    """Small sizes that work."""
    reason = ""
    for cap in _CAPS:
        try:
            values = tuple(min(value, cap) for value in problem.original)
            began = time.process_time()
            if all(one.numel() for one in problem.run(values).outputs):
                slow = time.process_time() - began > _SLOW
                smaller = tuple(min(value, _CAPS[0] // 2) for value in values)
                return smaller if slow and problem.works(smaller) else values
            reason = "its result is empty"
        except Unsuitable as error:
            reason = str(error)
    try:
        outputs = problem.run(problem.original).outputs
    except Unsuitable as error:
        raise Unsuitable(str(error) if "raises" in str(error) else reason or str(error)) from None
    if not all(one.numel() for one in outputs):
        raise Unsuitable("its result is empty")
    return problem.original


def _check_form(run: Run) -> None:
    tensors = [one for one in run.inputs if isinstance(one, torch.Tensor)]
    if not tensors:
        raise Unsuitable(f"'{INPUTS}' returns no tensor")
    for place, one in enumerate(run.inputs):
        if not isinstance(one, torch.Tensor | float | int):
            raise Unsuitable(f"input {place} is {type(one).__name__}; a kernel takes tensors and numbers")
    for one in (*tensors, *run.outputs):
        if one.is_complex() or one.is_sparse or one.is_quantized:
            raise Unsuitable(f"a tensor is {one.dtype}, {one.layout}, which kernels here do not take")
    if (count := len(tensors) + len(list(run.model.parameters()))) > MOST_TENSORS:
        raise Unsuitable(
            f"it has {count} tensors, inputs and weights together, which is a network rather than a kernel: "
            f"at most {MOST_TENSORS} are imported"
        )
    if len(run.outputs) > MOST_TENSORS:
        raise Unsuitable(f"it returns {len(run.outputs)} tensors; at most {MOST_TENSORS} are imported")


def _roles(problem: Problem, base: Values) -> dict[int, int]:
    """The sites that sizes come from. The value is the largest number of dimensions of the inputs that have a size from
    the site, or 0 if only parameters depend on it.
    """
    first = problem.sizes(base)
    assert first is not None
    found: dict[int, int] = {}
    ranks: dict[str, int] = {}
    for kind, name, axis in first:
        if kind == "input" and axis != "high":
            ranks[name] = max(ranks.get(name, 0), int(axis) + 1)
    for site in range(len(base)):
        other = next(filter(None, (problem.sizes(_changed(base, site, base[site] + one)) for one in _DELTAS)), None)
        if other is None or other.keys() != first.keys():
            continue
        moved = [key for key in first if first[key] != other[key]]
        inputs = [ranks[name] for kind, name, axis in moved if kind == "input" and axis != "high"]
        if inputs:
            found[site] = max(inputs)
        elif moved and problem.original[site] > _SMALL:
            found[site] = 0
    return found


def _changed(values: Values, site: int, value: int) -> Values:
    return (*values[:site], value, *values[site + 1 :])


def _with_original(problem: Problem, base: Values, free: set[int]) -> Values:
    """Use the problem's own numbers for the sites from which no size comes, if the problem works with them."""
    own = tuple(value if site in free else problem.original[site] for site, value in enumerate(base))
    return own if own != base and problem.works(own) else base


def _range_text(found: Found, site: int) -> str:
    sizes = found.dims[site]
    return f"{sizes[0]}..{sizes[-1]}" if found.is_range[site] else f"[{', '.join(map(str, sizes))}]"


def _names_of(run: Run) -> tuple[list[str], list[tuple[str, str]]]:
    """The names of the inputs, and of the parameters in the model and in the case."""
    try:
        given = [
            one.name
            for one in inspect.signature(run.model.forward).parameters.values()
            if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):
        given = []
    own = [given[place] if place < len(given) else f"x{place}" for place in range(len(run.inputs))]
    parameters = [name for name, _ in run.model.named_parameters()]
    wanted = {place: name.replace(".", "_") for place, name in enumerate([*own, *parameters])}
    named = list(told_names(wanted, ()).values())
    return named[: len(own)], list(zip(parameters, named[len(own) :], strict=True))


def _input(problem: Problem, base: Values, place: int, name: str, text: Mapping[Any, str]) -> dict[str, Any]:
    run = problem.run(base)
    one = run.inputs[place]
    if not isinstance(one, torch.Tensor):
        return {"name": name, "scalar": one}
    shape = [text["input", str(place), axis] for axis in range(one.dim())]
    high = text.get(("input", str(place), "high"))
    limits = problem.randint.limits(one)
    values: str | None
    if limits is not None and high is not None:
        values = f"{limits[0]}..{high}-1" if not high.isdigit() else f"{limits[0]}..{int(high) - 1}"
    else:
        values = described(run.model, run.inputs, place, random.Random(0))
    return {"name": name, "shape": shape, "dtype": str(one.dtype).removeprefix("torch."), "values": values}
