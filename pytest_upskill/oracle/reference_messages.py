"""The format of the messages between the judge's process and the process of an untrusted reference.

A request consists of its length and JSON with ``nonce`` and ``ask``. An answer consists of the nonce, the length of the
header, the header (JSON), and the bytes of the tensors that the header lists under ``tensors`` as ``[dtype, shape]``.
Dataclasses are sent in the form that ``dataclasses.asdict`` returns.
"""

from __future__ import annotations

import struct
from typing import Any

from pytest_upskill.records import CallLayout, ScalarParameter, TensorParameter

NONCE_BYTES = 16
LENGTH = struct.Struct("<I")
READY = b"ready for cases."
"""The bytes that a process sends once it is ready for requests."""

HEADER_BYTES = 1 << 16
MOST_TENSORS = 256
"""The largest number of tensors in one answer."""

Plain = dict[str, Any]


def layout_from_plain(plain: Plain) -> CallLayout:
    """The layout from the data that ``dataclasses.asdict`` made of it, also if the data was JSON in between."""
    parameters: list[TensorParameter | ScalarParameter] = []
    for one in plain["parameters"]:
        shape = one.get("shape")
        given = one if shape is None else {**one, "shape": tuple(shape)}
        parameters.append(TensorParameter(**given) if "role" in one else ScalarParameter(**given))
    return CallLayout(tuple(plain["dtypes"]), tuple(parameters))
