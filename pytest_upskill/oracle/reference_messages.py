"""What both sides of an untrusted reference's stream agree on: frames, and requests as plain data."""

from __future__ import annotations

import struct
from dataclasses import asdict
from typing import Any

from pytest_upskill.records import CallLayout, Example, ScalarParameter, TensorParameter

NONCE_BYTES = 16
LENGTH = struct.Struct("<I")
READY = b"ready for cases."
"""What a process sends once it serves."""

HEADER_BYTES = 1 << 16

Plain = dict[str, Any]


def layout_to_plain(layout: CallLayout) -> Plain:
    """JSON without loss."""
    return {
        "dtypes": list(layout.dtypes),
        "tensors": [isinstance(one, TensorParameter) for one in layout.parameters],
        "parameters": [asdict(one) for one in layout.parameters],
    }


def layout_from_plain(plain: Plain) -> CallLayout:
    """The layout again."""
    parameters = [
        TensorParameter(**{**one, "shape": None if one["shape"] is None else tuple(one["shape"])})
        if tensor
        else ScalarParameter(**one)
        for tensor, one in zip(plain["tensors"], plain["parameters"], strict=True)
    ]
    return CallLayout(tuple(plain["dtypes"]), tuple(parameters))


def example_to_plain(example: Example) -> Plain:
    """JSON without loss; the order of dims and scalars, which the values depend on, stays."""
    return {**asdict(example), "dims": list(example.dims.items()), "scalars": list(example.scalars.items())}


def example_from_plain(plain: Plain) -> Example:
    """The example again."""
    return Example(**{**plain, "dims": dict(plain["dims"]), "scalars": dict(plain["scalars"])})
