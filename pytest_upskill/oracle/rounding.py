"""Runs a reference as if each of its reductions had the worst rounding of serial summation.

Perturbed inputs do not show the effect of rounding inside the reference: if one exponential of a softmax outweighs the
others, moving inputs changes nothing, and yet a correct serial sum loses the small terms. A sum of n terms of one
sign that is made serially is off by up to (n - 1) u of itself, u half a unit (Higham, Accuracy and Stability of
Numerical Algorithms, section 4.2); so each reduction's exact result is scaled by 1 + n u, or by 1 - n u, and float64
carries the rest exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod, sqrt
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_Arguments = tuple[Any, ...]
_Options = Mapping[str, Any]
_Terms = Callable[[_Arguments, _Options, torch.Tensor], float]
"""Terms of each element of an output, from an operation's arguments, its keyword arguments, and the output."""


def _second(given: _Arguments, options: _Options, name: str, default: Any = None) -> Any:
    return options.get(name, given[1] if len(given) > 1 else default)


def _merged(given: _Arguments, options: _Options, output: torch.Tensor) -> float:
    """How many times smaller the output is."""
    return float(given[0].numel() / max(output.numel(), 1))


def _along(given: _Arguments, options: _Options, output: torch.Tensor) -> float:
    """Terms along the dim that is named."""
    dim = _second(given, options, "dim", -1)
    return float(output.shape[-1 if dim is None else dim]) if output.dim() else 1.0


def _contracted(given: _Arguments, options: _Options, output: torch.Tensor) -> float:
    """Terms of ``einsum``, as of a matrix product of these sizes: k squared is mk times kn by mn."""
    sizes = prod(float(one.numel()) for one in given if isinstance(one, torch.Tensor))
    return sqrt(sizes / max(output.numel(), 1))


def _filter(given: _Arguments, options: _Options, output: torch.Tensor) -> float:
    """Terms of a convolution: channels of a group times the filter."""
    weight = _second(given, options, "weight")
    return float(weight.numel() / max(weight.shape[0], 1)) if isinstance(weight, torch.Tensor) else 1.0


def _keys(given: _Arguments, options: _Options, output: torch.Tensor) -> float:
    key = _second(given, options, "key")
    return float(key.shape[-2]) if isinstance(key, torch.Tensor) else 1.0


def _normalised(given: _Arguments, options: _Options, output: torch.Tensor) -> float:
    return float(prod(_second(given, options, "normalized_shape", ())))


_MERGING = "sum mean var std norm vector_norm linalg_vector_norm linalg_norm prod nansum nanmean logsumexp trace"
_ALONG = "softmax log_softmax cumsum cumprod logcumsumexp normalize"
_PRODUCTS = "matmul __matmul__ __rmatmul__ mm bmm mv dot inner vdot linear"
_ADDED_PRODUCTS = "addmm addmv baddbmm addbmm"
_TERMS: Mapping[str, _Terms] = {
    **dict.fromkeys(_MERGING.split(), _merged),
    **dict.fromkeys(_ALONG.split(), _along),
    **dict.fromkeys(_PRODUCTS.split(), lambda given, options, output: float(given[0].shape[-1])),
    **dict.fromkeys(_ADDED_PRODUCTS.split(), lambda given, options, output: float(given[1].shape[-1])),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _filter),
    **dict.fromkeys(("layer_norm", "rms_norm"), _normalised),
    "einsum": _contracted,
    "cross_entropy": lambda given, options, output: float(given[0].shape[min(1, given[0].dim() - 1)]),
    "scaled_dot_product_attention": _keys,
}

_LOGARITHMIC = ("logsumexp", "log_softmax", "logcumsumexp", "cross_entropy")
"""Their sum is inside a logarithm: its relative error is their absolute one."""


class SerialRounding(TorchFunctionMode):
    """Inside, reductions are off by ``n * unit`` of themselves: upwards, or up and down in turn if ``alternate``.

    ``touched`` counts the reductions that were met. (A ``TorchDispatchMode`` would see through compositions, but it
    imports torch's compiler on first use, which takes a second.)
    """

    def __init__(self, unit: float, *, alternate: bool) -> None:
        super().__init__()
        self.unit, self.alternate, self.touched = unit, alternate, 0

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
        sign = -1 if self.alternate and self.touched % 2 else 1
        error = sign * _TERMS[name](given, options, output) * self.unit
        self.touched += 1
        return output + error if name in _LOGARITHMIC else output * (1 + error)
