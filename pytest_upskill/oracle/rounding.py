"""Runs a reference as if each of its reductions had the worst rounding of serial summation. Knows torch alone.

Perturbed inputs do not show what rounding inside does: where one exponential of a softmax outweighs the others,
moving inputs moves nothing, and yet an honest serial sum swallows the small terms one by one. A sum of n terms of one
sign that is made serially is off by up to (n - 1) u of itself, u half a unit (Higham, Accuracy and Stability of
Numerical Algorithms, section 4.2); so each reduction's exact result is scaled by 1 + n u, or by 1 - n u, and float64
carries the rest exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


def _merged(arguments: tuple[Any, ...], options: Mapping[str, Any], output: torch.Tensor) -> float:
    """Terms per element: how many times smaller the output is."""
    return float(arguments[0].numel() / max(output.numel(), 1))


def _along(arguments: tuple[Any, ...], options: Mapping[str, Any], output: torch.Tensor) -> float:
    """Terms along the dim that is named."""
    dim = options.get("dim", arguments[1] if len(arguments) > 1 else -1)
    return float(output.shape[-1 if dim is None else dim]) if output.dim() else 1.0


def _inner(arguments: tuple[Any, ...], options: Mapping[str, Any], output: torch.Tensor) -> float:
    return float(arguments[0].shape[-1])


def _added_inner(arguments: tuple[Any, ...], options: Mapping[str, Any], output: torch.Tensor) -> float:
    return float(arguments[1].shape[-1])


def _contracted(arguments: tuple[Any, ...], options: Mapping[str, Any], output: torch.Tensor) -> float:
    """Terms of ``einsum``, as of a matrix product of these sizes: k squared is mk times kn by mn."""
    operands = [one for one in arguments if isinstance(one, torch.Tensor)]
    sizes = 1.0
    for operand in operands:
        sizes *= operand.numel()
    return sqrt(sizes / max(output.numel(), 1))


def _filter(arguments: tuple[Any, ...], options: Mapping[str, Any], output: torch.Tensor) -> float:
    """Terms of a convolution: channels of a group times the filter."""
    weight = options.get("weight", arguments[1] if len(arguments) > 1 else None)
    return float(weight.numel() / max(weight.shape[0], 1)) if isinstance(weight, torch.Tensor) else 1.0


def _normalised(arguments: tuple[Any, ...], options: Mapping[str, Any], output: torch.Tensor) -> float:
    sizes = options.get("normalized_shape", arguments[1] if len(arguments) > 1 else ())
    terms = 1.0
    for size in sizes:
        terms *= size
    return terms


def _keys(arguments: tuple[Any, ...], options: Mapping[str, Any], output: torch.Tensor) -> float:
    key = options.get("key", arguments[1] if len(arguments) > 1 else None)
    return float(key.shape[-2]) if isinstance(key, torch.Tensor) else 1.0


def _classes(arguments: tuple[Any, ...], options: Mapping[str, Any], output: torch.Tensor) -> float:
    return float(arguments[0].shape[min(1, arguments[0].dim() - 1)])


_Terms = Callable[[tuple[Any, ...], Mapping[str, Any], torch.Tensor], float]
_MERGING = "sum mean var std norm vector_norm linalg_vector_norm linalg_norm prod nansum nanmean logsumexp trace"
_ALONG = "softmax log_softmax cumsum cumprod logcumsumexp normalize"
_PRODUCTS = "matmul __matmul__ __rmatmul__ mm bmm mv dot inner vdot linear"
_ADDED_PRODUCTS = "addmm addmv baddbmm addbmm"
_CONVOLUTIONS = "conv1d conv2d conv3d"
_TERMS: Mapping[str, _Terms] = {
    **dict.fromkeys(_MERGING.split(), _merged),
    **dict.fromkeys(_ALONG.split(), _along),
    **dict.fromkeys(_PRODUCTS.split(), _inner),
    **dict.fromkeys(_ADDED_PRODUCTS.split(), _added_inner),
    **dict.fromkeys(_CONVOLUTIONS.split(), _filter),
    "einsum": _contracted,
    "layer_norm": _normalised,
    "rms_norm": _normalised,
    "cross_entropy": _classes,
    "scaled_dot_product_attention": _keys,
}

_LOGARITHMIC = ("logsumexp", "log_softmax", "logcumsumexp", "cross_entropy")
"""Their sum is inside a logarithm: its relative error is their absolute one."""


class SerialRounding(TorchFunctionMode):
    """Inside, reductions are off by ``n * unit`` of themselves: upwards, or up and down in turn where ``alternate``.

    ``touched`` counts the reductions that were met. (A ``TorchDispatchMode`` would see through compositions, but it
    imports torch's compiler on first use, which takes a second.)
    """

    def __init__(self, unit: float, *, alternate: bool) -> None:
        super().__init__()
        self.unit, self.alternate = unit, alternate
        self.touched = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        output = func(*args, **options)
        name = getattr(func, "__name__", "")
        if name not in _TERMS or not args or not isinstance(output, torch.Tensor) or not output.is_floating_point():
            return output
        given = args if isinstance(args[0], torch.Tensor) else args[1:]
        if not given or not isinstance(given[0], torch.Tensor):
            return output
        return self._moved(name, output, _TERMS[name](given, options, output))

    def _moved(self, name: str, output: torch.Tensor, terms: float) -> torch.Tensor:
        sign = -1 if self.alternate and self.touched % 2 else 1
        self.touched += 1
        error = sign * terms * self.unit
        return output + error if name in _LOGARITHMIC else output * (1 + error)
