"""The dtypes of tensors, by PyTorch's names without the prefix ("float16")."""

from __future__ import annotations

from collections.abc import Mapping

ITEM_SIZE: Mapping[str, int] = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "bool": 1,
}
"""Bytes of one element."""

FLOATING = ("float64", "float32", "float16", "bfloat16")
