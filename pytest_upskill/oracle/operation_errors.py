"""The rounding error of each of PyTorch's operators, relative to what the operator computes in exact arithmetic.

Sources: N. J. Higham, Accuracy and Stability of Numerical Algorithms, chapters 2 to 4; for the errors of elementary
functions, the CUDA C++ Programming Guide, "Mathematical Functions" (at most 4 rounding errors for nearly all).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import frexp, isfinite
from typing import Any

import torch

Error = Callable[[torch.Tensor], "torch.Tensor | float | None"]
"""From an operator's result to its largest error, per element; None where the result is exact."""

EXACT = frozenset(
    ["_local_scalar_dense", "_reshape_alias", "_shape_as_tensor", "_unique2", "_unsafe_view", "abs", "absolute", "alias", "all", "amax", "amin", "any", "arange", "argmax", "argmin", "argsort", "as_strided", "bernoulli", "bincount", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "broadcast_in_dim", "broadcast_to", "bucketize", "cat", "ceil", "channel_shuffle", "clamp", "clamp_max", "clamp_min", "clone", "collapse_view", "constant_pad_nd", "contiguous", "copysign", "count_nonzero", "cummax", "cummin", "detach", "diag", "diag_embed", "diagonal", "diagonal_copy", "diagonal_scatter", "embedding", "empty", "empty_like", "empty_permuted", "empty_strided", "eq", "expand", "expand_copy", "eye", "fill", "flip", "floor", "floor_divide", "fmax", "fmin", "frac", "full", "full_like", "gather", "ge", "gt", "hardtanh", "heaviside", "histc", "im2col", "index", "index_copy", "index_fill", "index_select", "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "kthvalue", "le", "lift_fresh", "lift_fresh_copy", "linspace", "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "masked_fill", "masked_scatter", "masked_select", "max", "max_pool2d_with_indices", "max_pool3d_with_indices", "maximum", "median", "min", "minimum", "mode", "movedim", "nan_to_num", "nanmedian", "narrow", "native_dropout", "ne", "neg", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros", "nextafter", "nonzero", "normal_functional", "ones", "ones_like", "one_hot", "permute", "pixel_shuffle", "pixel_unshuffle", "positive", "randperm", "real", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "relu", "repeat", "repeat_interleave", "replication_pad1d", "replication_pad2d", "replication_pad3d", "reshape", "resize", "roll", "rot90", "round", "scalar_tensor", "scatter", "searchsorted", "select", "select_scatter", "set_", "sgn", "sign", "signbit", "slice", "slice_scatter", "sort", "split", "split_with_sizes", "squeeze", "stack", "swapaxes", "sym_size", "t", "take", "take_along_dim", "threshold", "tile", "to", "topk", "transpose", "tril", "tril_indices", "triu", "triu_indices", "trunc", "unbind", "unfold", "unique_consecutive", "unique_dim", "unsafe_split", "unsqueeze", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "view", "view_as_real", "view_copy", "view_of", "view_of_dtype", "where", "zero", "zeros", "zeros_like"]
)
"""Operators that rearrange, select or compare."""

FREE_ZEROS = frozenset(
    ["abs", "absolute", "amax", "amin", "ceil", "clamp", "clamp_max", "clamp_min", "cummax", "cummin", "floor", "floor_divide", "fmax", "fmin", "frac", "hardtanh", "kthvalue", "max", "max_pool2d_with_indices", "max_pool3d_with_indices", "maximum", "median", "min", "minimum", "mode", "nanmedian", "neg", "relu", "round", "sgn", "sign", "sort", "threshold", "topk", "trunc"]
)
"""Exact, but for the sign of a zero: which of two equal zeros they return is not defined, or they compute."""

CORRECTLY_ROUNDED = frozenset(["add", "sub", "rsub", "mul"])
"""Correctly rounded on every GPU, unless the compiler contracts a sum and a product to a fused multiply-add."""

CHANGES_DTYPE = frozenset(["_to_copy", "convert_element_type", "copy"])

_BASIC = frozenset(
    ["add", "sub", "rsub", "mul", "div", "sqrt", "reciprocal", "true_divide", "leaky_relu", "_prelu_kernel", "prelu", "fmod", "remainder", "square"]
)
_ELEMENTARY = frozenset(
    ["acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "digamma", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "hypot", "i0", "lgamma", "log", "log10", "log1p", "log2", "pow", "rsqrt", "sigmoid", "sin", "sinc", "sinh", "special_bessel_j0", "special_bessel_j1", "special_entr", "special_erfcx", "special_i0e", "special_i1", "special_i1e", "special_log_ndtr", "special_ndtri", "tan", "tanh", "xlogy"]
)
_MERGING = frozenset(["sum", "mean", "nansum", "avg_pool1d", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "trace"])
_PRODUCTS = frozenset(["mm", "bmm", "mv", "dot", "vdot", "convolution"])
_SCATTERING = frozenset(["scatter_add", "index_add", "index_put", "scatter_reduce"])
_BIASED_PRODUCTS = frozenset(["addmm", "addmv", "baddbmm"])


def is_float(value: Any) -> bool:
    """Whether a value is a floating tensor."""
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def error_of(func: Any, name: str, args: Sequence[Any], options: Mapping[str, Any], unit: float) -> Error | None:
    """The rule of an operator with these arguments; None if it has none of its own.

    ``unit`` is the largest relative error of one rounding in the dtype that kernels accumulate in.
    """
    relative = _relative(func, name, args, options, unit)
    if relative is None:
        return _narrowed(args, unit) if name in CHANGES_DTYPE else None

    def error(output: torch.Tensor) -> torch.Tensor | float | None:
        size = relative(output)
        return None if size is None else size * unit

    return error


def _relative(func: Any, name: str, args: Sequence[Any], options: Mapping[str, Any], unit: float) -> Error | None:
    """The error in units of one rounding."""
    if (name in ("mul", "div") and _power_of_two(args[1])) or (name == "mul" and _power_of_two(args[0])):
        return lambda output: None
    if name in ("add", "sub", "rsub"):
        return _sum_of_two(args, options, unit)
    if name in _BASIC or (name == "pow" and len(args) > 1 and args[1] in (2, 0.5)):
        return lambda output: (1 + _inexact(args, unit)) * output
    if name in ("addcmul", "addcdiv"):
        value, combine = abs(options.get("value", 1)), torch.mul if name == "addcmul" else torch.div
        return lambda output: 2 * (_absolute(args[0]) + value * combine(_absolute(args[1]), _absolute(args[2])))
    if name == "lerp":
        return lambda output: 3 * (_absolute(args[0]) * (1 + _absolute(args[2])) + _absolute(args[1] * args[2]))
    if name in _ELEMENTARY:
        return lambda output: 4 * output
    return _reduction(func, name, args, options)


def _reduction(func: Any, name: str, args: Sequence[Any], options: Mapping[str, Any]) -> Error | None:
    if name == "prod":
        return lambda output: _serial(args[0].numel() / max(output.numel(), 1)) * output
    if name == "cumprod":
        return lambda output: _serial(_positions(output, args[1])) * output
    if name == "cumsum":
        return lambda output: _serial(_positions(output, args[1])) * args[0].abs().cumsum(args[1])
    if name == "logcumsumexp":  # a sum's relative error is its logarithm's absolute one
        return lambda output: _serial(_positions(output, args[1])) + 4 + 4 * output.abs()
    if name in _MERGING:
        terms = args[0].numel()
        return lambda output: _serial(terms / max(output.numel(), 1)) * func(args[0].abs(), *args[1:], **options)
    if name in _PRODUCTS:
        return lambda output: _serial(_terms(name, args)) * func(*map(_absolute, args), **options)
    if name in _BIASED_PRODUCTS:
        scaled = {key: abs(value) for key, value in options.items()}
        return lambda output: _serial(args[1].shape[-1] + 2) * func(*map(_absolute, args), **scaled)
    if name in _SCATTERING:
        return _scattered(func, name, args, options)
    return None


def _sum_of_two(args: Sequence[Any], options: Mapping[str, Any], unit: float) -> Error:
    first, second, alpha = args[0], args[1], options.get("alpha", 1)
    constants = sum(abs(one) for one in (first, second) if _inexact((one,), unit))
    if alpha != 1:
        return lambda output: 2 * (_absolute(first) + abs(alpha) * _absolute(second)) + constants
    return lambda output: output.abs() + constants


def _narrowed(args: Sequence[Any], unit: float) -> Error:
    """Half a unit of a narrower dtype, where a value changes; one rounding for integers beyond the mantissa."""
    source = args[-1] if isinstance(args[-1], torch.Tensor) else args[0]

    def error(output: torch.Tensor) -> torch.Tensor | None:
        exact = output.to(torch.float64)
        if is_float(source):
            changed = exact != source.to(torch.float64)
            half = torch.finfo(output.dtype).eps / 2
        else:
            changed, half = exact.abs() > 1 / unit, unit
        return torch.where(changed, half * exact.abs(), 0.0) if bool(changed.any()) else None

    return error


def _scattered(func: Any, name: str, args: Sequence[Any], options: Mapping[str, Any]) -> Error | None:
    """Sums over the elements that are scattered to one place."""
    if name == "index_put" and not (options.get("accumulate") or (len(args) > 3 and args[3])):
        return lambda output: None
    if name == "scatter_reduce" and args[4] in ("amax", "amin"):
        return lambda output: None
    if name == "scatter_reduce" and args[4] != "sum":
        return None
    ones = tuple(torch.ones_like(one) if is_float(one) else one for one in args)
    return lambda output: _serial(func(*ones, **options)) * func(*map(_absolute, args), **options)


def _serial(terms: Any) -> Any:
    """Rounding errors of a sum of n terms: midway between the best and the worst case of serial summation."""
    return (terms + 1) / 2


def _terms(name: str, args: Sequence[Any]) -> float:
    if name != "convolution":
        return float(args[0].shape[-1])
    weight, transposed = args[1], bool(args[6])
    return weight.numel() / max(weight.shape[1 if transposed else 0], 1) + 1


def _positions(output: torch.Tensor, dim: int) -> torch.Tensor:
    """1 to n along ``dim``."""
    if not output.dim():
        return torch.ones((), dtype=torch.float64)
    shape = [1] * output.dim()
    shape[dim] = output.shape[dim]
    return torch.arange(1, output.shape[dim] + 1, dtype=torch.float64).reshape(shape)


def _absolute(value: Any) -> Any:
    return value.abs() if is_float(value) else abs(value) if isinstance(value, float) else value


def _inexact(args: Sequence[Any], unit: float) -> int:
    """How many of the operands are constants that a kernel has to round to its own dtype."""
    if unit <= 2.0**-53:
        return 0
    constants = (one for one in args if isinstance(one, float) and isfinite(one))
    return sum(float(torch.tensor(one, dtype=torch.float32)) != one for one in constants)


def _power_of_two(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        value = value.item() if value.dim() == 0 and value.is_floating_point() else None
    return isinstance(value, int | float) and isfinite(value) and abs(frexp(value)[0]) == 0.5
