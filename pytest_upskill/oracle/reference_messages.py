"""What both ends of an untrusted reference's stream agree on.

A request is its length, and JSON with ``nonce`` and ``ask``. An answer is the nonce, the length of its header, the
header (JSON), and the bytes of the tensors that the header lists under ``tensors`` as ``[dtype, shape]``. Dataclasses
cross as ``dataclasses.asdict`` gives them.
"""

from __future__ import annotations

import struct
from typing import Any

from pytest_upskill.records import CallLayout, ScalarParameter, TensorParameter

NONCE_BYTES = 16
LENGTH = struct.Struct("<I")
READY = b"ready for cases."
"""What a process sends once it serves."""

HEADER_BYTES = 1 << 16
MOST_TENSORS = 256
"""The most tensors of one answer."""

Plain = dict[str, Any]


def layout_from_plain(plain: Plain) -> CallLayout:
    """The inverse of ``dataclasses.asdict``, also after a passage through JSON."""
    parameters: list[TensorParameter | ScalarParameter] = []
    for one in plain["parameters"]:
        shape = one.get("shape")
        given = one if shape is None else {**one, "shape": tuple(shape)}
        parameters.append(TensorParameter(**given) if "role" in one else ScalarParameter(**given))
    return CallLayout(tuple(plain["dtypes"]), tuple(parameters))
