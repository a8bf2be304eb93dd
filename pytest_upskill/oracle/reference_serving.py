"""The confined side of an untrusted reference: answers requests of the judge's process, in which none of this runs.

A request is four bytes of length and JSON with ``nonce`` and ``ask``. The answer is the nonce (16 bytes), the length of
the header, the header (JSON), and the bytes of the tensors that the header lists under ``tensors`` as
``[dtype, shape]``. The reference shares this process and may change anything in it: whatever is sent from here is data
that the other side checks (``reference_answers``).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

import torch

from pytest_upskill.cases.plain_case import from_plain
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import GivenUp, Preparation, Prepared, as_bytes
from pytest_upskill.oracle.reference_messages import HEADER_BYTES, LENGTH, READY, example_from_plain, layout_from_plain
from pytest_upskill.oracle.values import dtype_name
from pytest_upskill.records import ScalarArgument, TensorArgument

Header = dict[str, Any]
Piece = tuple[str, tuple[int, ...], memoryview]
"""A tensor: dtype, shape, bytes."""

_MESSAGE_LENGTH = 4000
"""Characters of a message; the other side cuts it further."""


def serve(descriptor: int) -> None:
    """Answers until the other side hangs up."""
    channel = socket.socket(fileno=descriptor)
    channel.sendall(READY)
    serving = Serving()
    with isolated():
        while (request := _receive(channel)) is not None:
            header, pieces = serving.answer(request)
            header["tensors"] = [[dtype, list(shape)] for dtype, shape, _ in pieces]
            text = json.dumps(header).encode()[:HEADER_BYTES]
            channel.sendall(bytes.fromhex(request["nonce"]) + LENGTH.pack(len(text)) + text)
            for _, _, data in pieces:
                channel.sendall(data)


def _receive(channel: socket.socket) -> Header | None:
    """The next request, None at the end."""
    size = _exactly(channel, LENGTH.size)
    text = _exactly(channel, LENGTH.unpack(size)[0]) if size else b""
    request: Header | None = json.loads(text) if text else None
    return request


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = channel.recv(min(size - len(data), 1 << 16))
        if not part:
            return b""
        data += part
    return bytes(data)


class Serving:
    """One case, from its first request to the last."""

    def __init__(self) -> None:
        self._runner: Preparation
        self._answers: Mapping[str, Callable[[Header], tuple[Header, list[Piece]]]] = {
            "case": self._case,
            "results": self._results,
            "outputs": self._outputs,
            "linear": self._linear,
            "prepare": self._prepare,
            "others": self._others,
        }

    def answer(self, request: Header) -> tuple[Header, list[Piece]]:
        """The header and the tensors; what goes wrong is a header, too."""
        try:
            return self._answers[request["ask"]](request)
        except CaseError as error:
            return {"error": error.message[:_MESSAGE_LENGTH], "line": error.line}, []
        except BaseException as error:  # the reference decides what is raised here
            return {"failed": f"{type(error).__name__}: {error}"[:_MESSAGE_LENGTH]}, []

    def _case(self, request: Header) -> tuple[Header, list[Piece]]:
        self._runner = Preparation(from_plain(request["case"]))
        return {}, []

    def _results(self, _: Header) -> tuple[Header, list[Piece]]:
        facts = self._runner.results()
        return {"dtypes": facts.dtypes, "shapes": {name: list(shape) for name, shape in facts.shapes.items()}}, []

    def _outputs(self, _: Header) -> tuple[Header, list[Piece]]:
        size = self._runner.outputs
        return {"elements": size.elements, "powers": dict(size.powers)}, []

    def _linear(self, _: Header) -> tuple[Header, list[Piece]]:
        return {"linear": self._runner.is_linear}, []

    def _prepare(self, request: Header) -> tuple[Header, list[Piece]]:
        self._runner.layout = layout_from_plain(request["layout"])
        found = self._runner.prepare(example_from_plain(request["example"]))
        if isinstance(found, GivenUp):
            return {"given_up": found.reason[:_MESSAGE_LENGTH]}, []
        return _prepared(found)

    def _others(self, request: Header) -> tuple[Header, list[Piece]]:
        found = self._runner.other_results(example_from_plain(request["example"]))
        return {"names": list(found)}, [_piece(value) for value in found.values()]


def _prepared(found: Prepared) -> tuple[Header, list[Piece]]:
    """Tensor arguments in the order of the call, then gold and (of a floating output) bound of each output."""
    scalars = {one.name: one.value for one in found.call.arguments if isinstance(one, ScalarArgument)}
    pieces = [
        (one.dtype, one.shape, one.data)
        for one in found.call.arguments
        if isinstance(one, TensorArgument) and one.data is not None
    ]
    for expected in found.expected:
        pieces += [_piece(value) for value in (expected.gold, expected.bound) if value is not None]
    return {"unsure": found.unsure, "scalars": scalars}, pieces


def _piece(tensor: torch.Tensor) -> Piece:
    return dtype_name(tensor.dtype), tuple(tensor.shape), as_bytes(tensor)
