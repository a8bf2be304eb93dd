"""The rounding error of each of PyTorch's operators, as a multiple of u. One u is half a unit in the last place.

- A basic operation has an error of 1 u of its result. An elementary function has 4 u of its result. An exponential
  function has, in addition, the effect of rounding its argument once.
- A sum of n terms has an error of (n + 1) / 2 u of the sum of the terms' magnitudes. This is midway between the best
  and the worst case of serial summation, and includes cancellation.
- Operators that rearrange, select or compare are exact.

Sources: N. J. Higham, Accuracy and Stability of Numerical Algorithms, chapters 2 to 4 (variance: section 1.9); for the
errors of elementary functions, the CUDA C++ Programming Guide, "Mathematical Functions".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import frexp, isfinite, log
from typing import Any

import torch

Error = Callable[[torch.Tensor], Any]
"""A function that takes an operator's result and returns its largest error per element, or None if it is exact."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


EXACT = _names(
    """
    _local_scalar_dense _reshape_alias _shape_as_tensor _unique2 _unsafe_view abs absolute alias all amax amin any
    arange argmax argmin argsort as_strided bernoulli bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or
    bitwise_right_shift bitwise_xor broadcast_in_dim broadcast_to bucketize cat ceil channel_shuffle clamp clamp_max
    clamp_min clone collapse_view constant_pad_nd contiguous copysign count_nonzero cummax cummin detach diag
    diag_embed diagonal diagonal_copy diagonal_scatter embedding empty empty_like empty_permuted empty_strided eq
    expand expand_copy eye fill flip floor floor_divide fmax fmin frac full full_like gather ge gt hardtanh
    heaviside histc im2col index index_copy index_fill index_select isfinite isin isinf isnan isneginf isposinf
    kthvalue le lift_fresh lift_fresh_copy linspace logical_and logical_not logical_or logical_xor lt masked_fill
    masked_scatter masked_select max max_pool2d_with_indices max_pool3d_with_indices maximum median min minimum mode
    movedim nan_to_num nanmedian narrow native_dropout ne neg new_empty new_empty_strided new_full new_ones
    new_zeros nextafter nonzero normal_functional ones ones_like one_hot permute pixel_shuffle pixel_unshuffle
    positive randperm real reflection_pad1d reflection_pad2d reflection_pad3d relu repeat repeat_interleave
    replication_pad1d replication_pad2d replication_pad3d reshape resize roll rot90 round scalar_tensor scatter
    searchsorted select select_scatter set_ sgn sign signbit slice slice_scatter sort split split_with_sizes squeeze
    stack swapaxes sym_size t take take_along_dim threshold tile to topk transpose tril tril_indices triu
    triu_indices trunc unbind unfold unique_consecutive unique_dim unsafe_split unsqueeze upsample_nearest1d
    upsample_nearest2d upsample_nearest3d view view_as_real view_copy view_of view_of_dtype where zero zeros
    zeros_like
    """
)
"""Operators that rearrange, select or compare, and so make no rounding error."""

FREE_ZEROS = _names(
    """
    abs absolute amax amin ceil clamp clamp_max clamp_min cummax cummin floor floor_divide fmax fmin frac hardtanh
    kthvalue max max_pool2d_with_indices max_pool3d_with_indices maximum median min minimum mode nanmedian neg relu
    round sgn sign sort threshold topk trunc
    """
)
"""Operators that are exact except for the sign of a zero. Some of them may return either of two zeros that compare
equal, and some compute the sign."""

CORRECTLY_ROUNDED = _names("add sub rsub mul")
"""Operators whose results are correctly rounded on every GPU, unless the compiler contracts a product and a sum to a
fused multiply-add."""

CHANGES_DTYPE = _names("_to_copy convert_element_type copy")

_WELFORD = 8.0
"""The error of a variance that Welford's algorithm updates, in rounding errors (measured)."""

_BASIC = "add sub rsub mul div sqrt reciprocal true_divide leaky_relu _prelu_kernel prelu fmod remainder square"
_ELEMENTARY = """
acos acosh asin asinh atan atan2 atanh cos cosh digamma erf erfc erfinv exp exp2 expm1 hypot i0 lgamma log log10 log1p
log2 pow rsqrt sigmoid sin sinc sinh special_bessel_j0 special_bessel_j1 special_entr special_erfcx special_i0e
special_i1 special_i1e special_log_ndtr special_ndtri tan tanh xlogy
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator and what it is called with.

    ``unit`` is the largest relative error of one rounding. ``computed`` says for each operand whether it is a floating
    tensor that was computed. A tensor that is a copy, or that was rounded only once, does not count as computed."""

    operator: Callable[..., Any]
    name: str
    args: Sequence[Any]
    options: Mapping[str, Any]
    unit: float
    computed: Sequence[bool] = ()

    def on_magnitudes(self, **options: Any) -> Any:
        """The operator's result if each operand is replaced by its magnitude."""
        return self.operator(*map(_absolute, self.args), **{**self.options, **options})

    def merged(self, output: torch.Tensor) -> float:
        """How many elements of the first operand are combined into one element of the result."""
        return float(self.args[0].numel() / max(output.numel(), 1))

    @property
    def size(self) -> float:
        """The first operand's size along the dim that the second operand names."""
        return float(self.args[0].shape[self.args[1]]) if self.args[0].dim() else 1.0


Rule = Callable[[Operation, torch.Tensor], Any]
"""A function that takes an operation and its result, and returns the error in rounding errors, or None if exact."""


def is_float(value: Any) -> bool:
    """Whether a value is a floating tensor."""
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def error_of(operation: Operation) -> Error | None:
    """A function that computes the largest error of an operation from its result. None if no rule is known."""
    if operation.name in CHANGES_DTYPE:
        return partial(_narrowed, operation)
    rule = _RULES.get(operation.name)
    if rule is None or (operation.name == "scatter_reduce" and operation.args[4] not in ("sum", "amax", "amin")):
        return None

    def error(output: torch.Tensor) -> torch.Tensor | float | None:
        size = rule(operation, output)
        return None if size is None else size * operation.unit

    return error


def _basic(operation: Operation, output: torch.Tensor) -> torch.Tensor | None:
    exact = operation.name in ("mul", "div") and _power_of_two(operation.args[1])
    if exact or (operation.name == "mul" and _power_of_two(operation.args[0])):
        return None
    return output * (1 + rounded_constants(operation.args, operation.unit))


def _sum_of_two(operation: Operation, output: torch.Tensor) -> Any:
    first, second = operation.args[:2]
    alpha = operation.options.get("alpha", 1)
    constants = sum(abs(one) for one in (first, second) if rounded_constants((one,), operation.unit))
    for operand, computed in zip(operation.args[:2], operation.computed, strict=False):
        if computed and operand.numel() < output.numel():
            # This operand may be a mean. A kernel with Welford's update subtracts a different mean each time.
            constants = constants + _WELFORD / 2 * operand.abs()
    if alpha == 1:
        return output.abs() + constants
    scaled = abs(alpha) * _absolute(second)
    return _absolute(first) + (1 + _scaling(operation, alpha)) * scaled + constants


def _multiply_add(operation: Operation, output: torch.Tensor) -> Any:
    value = operation.options.get("value", 1)
    all_terms = operation.on_magnitudes(value=abs(value))
    return all_terms + (1 + _scaling(operation, value)) * (all_terms - operation.args[0].abs())


def _scaling(operation: Operation, constant: float) -> int:
    """The number of rounding errors in a product with a constant: one of the product, and one if the constant is
    rounded. 0 for a power of two.
    """
    return 0 if _power_of_two(constant) else 1 + rounded_constants((constant,), operation.unit)


def _lerp(operation: Operation, output: torch.Tensor) -> Any:
    start, end, weight = operation.args
    return 3 * (_absolute(start) * (1 + _absolute(weight)) + _absolute(end * weight))


def _exponential(operation: Operation, output: torch.Tensor) -> Any:
    """The error of an exponential function.

    Its argument is rounded once more, because GPUs compute 2 to the power of the argument times a constant.
    """
    argument = operation.args[0].abs()
    if operation.name == "expm1":
        return 4 * output.abs() + 2 * argument * operation.args[0].exp()
    inner = 1 - output if operation.name == "sigmoid" else 1
    return output * (4 + 2 * argument * inner)


def _power(operation: Operation, output: torch.Tensor) -> torch.Tensor:
    if operation.args[1] in (2, 0.5):
        return output
    size = output.abs()
    return 4 * size + 2 * torch.xlogy(size, size).abs()


def _merging(operation: Operation, output: torch.Tensor) -> Any:
    return _serial(operation.merged(output)) * operation.on_magnitudes()


def _scan(operation: Operation, output: torch.Tensor) -> Any:
    terms = operation.on_magnitudes() if operation.name == "cumsum" else output
    return _serial(_positions(output, operation.args[1])) * terms


def _matrix_product(operation: Operation, output: torch.Tensor) -> Any:
    return _serial(operation.args[0].shape[-1]) * operation.on_magnitudes()


def _biased_product(operation: Operation, output: torch.Tensor) -> Any:
    scales = {key: abs(value) for key, value in operation.options.items()}
    return _serial(operation.args[1].shape[-1] + 2) * operation.on_magnitudes(**scales)


def _convolution(operation: Operation, output: torch.Tensor) -> Any:
    weight, transposed = operation.args[1], bool(operation.args[6])
    terms = weight.numel() / max(weight.shape[1 if transposed else 0], 1) + 1
    return _serial(terms) * operation.on_magnitudes()


def _scattering(operation: Operation, output: torch.Tensor) -> Any:
    """The error of sums over all elements that are scattered to the same place."""
    accumulates = operation.options.get("accumulate") or any(one is True for one in operation.args[3:4])
    if operation.name == "index_put" and not accumulates:
        return None
    if operation.name == "scatter_reduce" and operation.args[4] != "sum":
        return None
    ones = (torch.ones_like(one) if is_float(one) else one for one in operation.args)
    counts = operation.operator(*ones, **operation.options)
    return _serial(counts) * operation.on_magnitudes()


def _softmax(operation: Operation, output: torch.Tensor) -> Any:
    return output * (_serial(operation.size) + 12) + 2 * torch.xlogy(output, output).abs()


def _logarithm_of_sum(operation: Operation, output: torch.Tensor) -> Any:
    """The error of the logarithm of a sum: the relative error of the sum, plus the error of the logarithm itself."""
    terms = operation.merged(output) if operation.name == "logsumexp" else operation.size
    return _serial(terms) + 8 + 5 * log(max(terms, 1.0)) + 4 * output.abs()


def _deviation(operation: Operation, output: torch.Tensor) -> Any:
    """The error of a variance or a standard deviation.

    The error of a variance is the sum of three errors: that of the sum of squares, that of Welford's update (relative
    to the standard deviation times the root mean square), and the square of the mean's error.
    """
    terms, variance = operation.merged(output), output if operation.name == "var" else output.square()
    given = operation.args[1] if len(operation.args) > 1 else operation.options.get("dim")
    dims = given if isinstance(given, int | list | tuple) and not isinstance(given, bool) and given != [] else None
    squares = operation.args[0].square()
    squares = squares.mean() if dims is None else squares.mean(dims).reshape(output.shape)
    size = (_serial(terms) + 4) * variance + _WELFORD * (variance * squares).sqrt()
    size = size + _serial(terms) ** 2 * operation.unit * squares
    if operation.name == "var":
        return size
    return output + size / (output + (variance + operation.unit * size).sqrt()).clamp(min=1e-300)


def _narrowed(operation: Operation, output: torch.Tensor) -> torch.Tensor | None:
    """The error of a conversion: half a unit in the last place of the new dtype where the value changes, otherwise 0.

    An integer has one rounding error if it is too large for the mantissa. None if no value changes.
    """
    last = operation.args[-1]
    source, exact = last if isinstance(last, torch.Tensor) else operation.args[0], output.to(torch.float64)
    if is_float(source):
        changed, half = exact != source.to(torch.float64), torch.finfo(output.dtype).eps / 2
    else:
        changed, half = exact.abs() > 1 / operation.unit, operation.unit
    return torch.where(changed, half * exact.abs(), 0.0) if bool(changed.any()) else None


_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_BASIC.split(), _basic),
    **dict.fromkeys(_ELEMENTARY.split(), lambda operation, output: 4 * output),
    **dict.fromkeys(("exp", "exp2", "expm1", "sigmoid"), _exponential),
    **dict.fromkeys(("add", "sub", "rsub"), _sum_of_two),
    **dict.fromkeys(("addcmul", "addcdiv"), _multiply_add),
    **dict.fromkeys(
        ("sum", "mean", "nansum", "avg_pool1d", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "trace"), _merging
    ),
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot"), _matrix_product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _biased_product),
    **dict.fromkeys(("scatter_add", "index_add", "index_put", "scatter_reduce"), _scattering),
    **dict.fromkeys(("_softmax", "_safe_softmax"), _softmax),
    **dict.fromkeys(("_log_softmax", "logsumexp", "logcumsumexp"), _logarithm_of_sum),
    **dict.fromkeys(("var", "std"), _deviation),
    **dict.fromkeys(("cumsum", "cumprod"), _scan),
    "convolution": _convolution,
    "lerp": _lerp,
    "pow": _power,
    "prod": lambda operation, output: _serial(operation.merged(output)) * output,
}


def _serial(terms: Any) -> Any:
    """The rounding errors of a sum of n terms, midway between the best and the worst case of serial summation."""
    return (terms + 1) / 2


def _positions(output: torch.Tensor, dim: int) -> torch.Tensor:
    """The numbers 1 to n along ``dim``, shaped to broadcast against ``output``."""
    if not output.dim():
        return torch.ones((), dtype=torch.float64)
    shape = [1] * output.dim()
    shape[dim] = output.shape[dim]
    return torch.arange(1, output.shape[dim] + 1, dtype=torch.float64).reshape(shape)


def _absolute(value: Any) -> Any:
    return value.abs() if is_float(value) else abs(value) if isinstance(value, float) else value


def rounded_constants(args: Sequence[Any], unit: float) -> int:
    """The number of operands that are constants which float32 cannot hold exactly. 0 if ``unit`` is that of float64."""
    if unit <= 2.0**-53:
        return 0
    constants = (one for one in args if isinstance(one, float) and isfinite(one))
    return sum(float(torch.tensor(one, dtype=torch.float32)) != one for one in constants)


def _power_of_two(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        value = value.item() if value.dim() == 0 and value.is_floating_point() else None
    return isinstance(value, int | float) and isfinite(value) and abs(frexp(value)[0]) == 0.5
