"""The C types of CUDA C++ for dtypes and scalars."""

from __future__ import annotations

from collections.abc import Mapping

C_TYPE: Mapping[str, str] = {
    "float64": "double",
    "float32": "float",
    "float16": "__half",
    "bfloat16": "__nv_bfloat16",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "bool": "bool",
}
"""The C type that a kernel gets for each dtype."""

SCALAR_TYPE: Mapping[str, str] = {"float": "float", "int": "int64_t", "bool": "bool"}
"""The C type of a scalar of each kind of the operator schema."""
