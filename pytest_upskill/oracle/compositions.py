"""Formulas that decompose composite operators (GELU, layer norm, ...) into the basic operations that kernels do.

PyTorch's own decomposition table has most of these operators, too. But the first use of many of its entries imports
parts of PyTorch's compiler, which takes seconds. Each function here takes its operator's arguments, in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

Tensor = torch.Tensor


def _gelu(x: Tensor, approximate: str = "none") -> Tensor:
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1 + inner.tanh())
    return 0.5 * x * (1 + (x * math.sqrt(0.5)).erf())


def _elu(x: Tensor, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Tensor:
    return torch.where(x > 0, x * scale, (x * input_scale).expm1() * (alpha * scale))


def _softplus(x: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    return torch.where(x * beta > threshold, x, (x * beta).exp().log1p() / beta)


def _layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    dims = list(range(x.dim() - len(shape), x.dim()))
    mean = x.mean(dims, keepdim=True)
    reciprocal = (x.var(dims, correction=0, keepdim=True) + eps).rsqrt()
    found = (x - mean) * reciprocal
    found = found if weight is None else found * weight
    return found if bias is None else found + bias, mean, reciprocal


def _cdist(x: Tensor, y: Tensor, p: float, mode: int | None) -> Tensor:
    difference = (x.unsqueeze(-2) - y.unsqueeze(-3)).abs()
    if p == 2:
        return (difference * difference).sum(-1).sqrt()
    if p == 1:
        return difference.sum(-1)
    return difference.amax(-1) if p == math.inf else difference.pow(p).sum(-1).pow(1 / p)


def _with_mean(x: Tensor, spread: Tensor, args: Sequence[Any]) -> tuple[Tensor, Tensor]:
    dims = args[0] if args and not isinstance(args[0], bool) else None
    return spread, x.mean(dims).reshape(spread.shape) if dims else x.mean().reshape(spread.shape)


COMPOSITIONS: Mapping[str, Callable[..., Any]] = {
    "var_mean": lambda x, *args, **options: _with_mean(x, x.var(*args, **options), args),
    "std_mean": lambda x, *args, **options: _with_mean(x, x.std(*args, **options), args),
    "gelu": _gelu,
    "silu": lambda x: x / (1 + (-x).exp()),
    "elu": _elu,
    "softplus": _softplus,
    "mish": lambda x: x * _softplus(x).tanh(),
    "native_layer_norm": _layer_norm,
    "_cdist_forward": _cdist,
}
