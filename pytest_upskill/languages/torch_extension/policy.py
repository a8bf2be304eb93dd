"""Which functions of libtorch a library may call: those that allocate and describe tensors, none that computes.

Read from the symbols that the library imports; calls that are looked up by name are seen when they are executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

ALLOWED = frozenset(
    (
        "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted", "zeros",
        "zeros_like", "new_zeros", "zero", "ones", "ones_like", "new_ones", "full", "full_like", "new_full",
        "fill", "as_strided", "view", "view_as", "reshape", "contiguous", "clone", "copy", "_copy_from", "to",
        "_to_copy", "select", "slice", "narrow", "t", "transpose", "permute", "unsqueeze", "squeeze", "expand",
        "expand_as", "flatten", "unflatten", "movedim", "alias", "detach", "resolve_conj", "resolve_neg",
        "size", "stride", "numel", "sym_size", "sym_stride", "sym_numel", "sym_storage_offset", "is_contiguous",
        "is_same_size", "is_nonzero", "item", "_local_scalar_dense", "resize", "set", "lift_fresh",
        "scalar_tensor", "is_pinned", "record_stream", "_reshape_alias", "unbind", "split", "chunk",
        "_unsafe_view", "data", "storage_offset", "dim", "is_floating_point", "is_complex", "is_set_to",
        "_nested_tensor_size", "_version", "requires_grad", "retain_grad", "_has_compatible_shallow_copy_type",
    )
)  # fmt: skip
"""Operators of ATen, by the names that ``bare`` gives them."""
_OPERATOR = re.compile(r"_ZN2at4_ops(\d+)")
_FORBIDDEN = (
    (re.compile(r"_ZNK?2at6native"), "at::native", "which computes"),
    (re.compile(r"_ZNK?2at(?:3cpu|4cuda4blas|4meta|28compositeexplicitautograd)"), "at::cpu", "which computes"),
    (re.compile(r"_ZNK?3c1010Dispatcher\d+find"), "c10::Dispatcher", "which finds operators by name"),
    (re.compile(r"_ZNK?5torch3jit(?!\d+parseSchema)"), "torch::jit", "which runs other code"),
    (re.compile(r"_ZNK?5torch2nn"), "torch::nn", "which computes"),
    (re.compile(r"(?:cblas_|[sdcz]gem[mv]_|mkl_|vml?[sd]|dnnl_)"), "BLAS", "which computes"),
)


def bare(name: str) -> str:
    """An operator's name without namespace, overload and the mark of in-place ones."""
    return name.rpartition("::")[2].partition(".")[0].rstrip("_")


def computes(name: str) -> bool:
    """Whether an operator of torch, as ``aten::mul``, is none that is allowed."""
    return bare(name) not in ALLOWED


def violations(imports: Iterable[str]) -> Iterator[str]:
    """A message for each function that a library imports and must not call."""
    seen = set()
    for symbol in sorted(imports):
        if operator := _operator(symbol):
            if operator not in seen and not _is_allowed(operator):
                seen.add(operator)
                yield f"it calls the operator '{operator}' of torch, which computes; do it in code of your own"
            continue
        for pattern, what, why in _FORBIDDEN:
            if pattern.match(symbol) and (key := what or symbol) not in seen:
                seen.add(key)
                yield f"it calls '{key}', {why}; do it in code of your own"


def _operator(symbol: str) -> str:
    """The operator that a symbol calls, with its overload; empty for other symbols."""
    if (found := _OPERATOR.match(symbol)) is None:
        return ""
    return symbol[found.end() : found.end() + int(found[1])]


def _is_allowed(operator: str) -> bool:
    """Whether an allowed name is the operator's, perhaps with an overload, as in ``empty_memory_format``."""
    name = operator.rstrip("_")
    return any(name == one or (name.startswith(f"{one}_") and _is_overload(name[len(one) + 1 :])) for one in ALLOWED)


def _is_overload(text: str) -> bool:
    return text in _OVERLOADS or text[:1].isupper()


_OVERLOADS = ("memory_format", "int", "symint", "names", "out", "dtype", "device", "other", "prim", "dtype_layout")
