"""Measures how many input elements one output element depends on, and which output elements share a reduction.

Both are read off float64 gradients. The support of an output element is the set of inputs with a non-zero gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.reference import Reference
from pytest_upskill.oracle.values import Value

_LARGE = 1 << 16
"""If the inputs and the output have more elements than this, gradients are taken at only one base element."""

Index = tuple[int, ...]
Support = list[torch.Tensor]


@dataclass(frozen=True, slots=True)
class InputDependency:
    """How one output depends on the inputs.

    ``terms`` is how many input elements one element of the output depends on. ``axes`` are the axes of the output along
    which its elements share a reduction."""

    terms: int
    axes: tuple[int, ...]


def measure(
    reference: Reference, exact: Mapping[str, Value], dims: Mapping[str, int], circumstances: str
) -> dict[str, InputDependency]:
    """How each output depends on the inputs, measured by gradients at a few of its elements.

    If the reference has no gradients, each element is taken to depend on all floating input elements, and each row to
    share a reduction.
    """
    tensors = {name: value for name, value in exact.items() if isinstance(value, torch.Tensor)}
    floats = {name: value for name, value in tensors.items() if value.is_floating_point()}
    leaves = {name: value.detach().clone().requires_grad_() for name, value in floats.items()}
    total = max(1, sum(leaf.numel() for leaf in leaves.values()))
    try:
        outputs = reference.run({**exact, **leaves}, dims, torch.float64, circumstances, grad=True)
    except CaseError:
        outputs = {}  # it ran without gradients: an operator may be unable to record them
    found = {name: _dependency(output, list(leaves.values()), total) for name, output in outputs.items()}
    return {name: found.get(name, InputDependency(total, (-1,))) for name in reference.outputs}


def _dependency(output: torch.Tensor, leaves: list[torch.Tensor], total: int) -> InputDependency:
    shape = tuple(output.shape)
    unknown = InputDependency(total, (-1,) if len(shape) > 1 else ())
    if not output.requires_grad or output.numel() == 0:
        return unknown
    # The last element (the longest prefix of a scan), the middle, the first.
    bases = dict.fromkeys((tuple(s - 1 for s in shape), tuple(s // 2 for s in shape), (0,) * len(shape)))
    large = total + output.numel() > _LARGE
    terms, shared = 0, set()
    try:
        for base in list(bases)[: 1 if large else None]:
            support = _support(output, base, leaves)
            terms = max(terms, _size(support))
            for axis, size in enumerate(shape):
                if size > 1 and axis not in shared:
                    # The element that differs from the base along this axis alone, as far away as possible.
                    far = 0 if base[axis] >= size / 2 else size - 1
                    other = _support(output, (*base[:axis], far, *base[axis + 1 :]), leaves)
                    terms = max(terms, _size(other))
                    if _share(support, other):
                        shared.add(axis)
    except RuntimeError:
        return unknown
    return InputDependency(terms, tuple(sorted(shared))) if terms else unknown


def _support(output: torch.Tensor, index: Index, leaves: list[torch.Tensor]) -> Support:
    chosen = output[index] if index else output
    gradients = torch.autograd.grad(chosen, leaves, retain_graph=True, allow_unused=True)
    return [gradient != 0 for gradient in gradients if gradient is not None]


def _size(support: Support) -> int:
    return sum(int(torch.count_nonzero(mask)) for mask in support)


def _share(support: Support, other: Support) -> bool:
    """Whether two outputs share at least two inputs, which are more than half of the smaller support.

    Elements of a softmax row or of a scan share that many inputs. Neighbours in a matrix product have only one of two
    factors in common and do not. Elements that are multiplied by the same scale do not, either.
    """
    if len(support) != len(other):
        return False
    both = sum(int(torch.count_nonzero(a & b)) for a, b in zip(support, other, strict=True))
    return both >= 2 and 2 * both > min(_size(support), _size(other))
