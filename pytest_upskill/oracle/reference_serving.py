"""Answers requests inside the confined process of an untrusted reference, in the format of ``reference_messages``.

The reference runs in the same process and may change anything in it. So the judge's process, in which this module does
not run, checks everything that is sent from here (``reference_answers``).
"""

from __future__ import annotations

import importlib
import json
import socket
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from pytest_upskill.cases.plain_case import from_plain
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import GivenUp, Preparation, Prepared, as_bytes
from pytest_upskill.oracle.reference_messages import HEADER_BYTES, LENGTH, MOST_TENSORS, READY, layout_from_plain
from pytest_upskill.oracle.reference_mutants import MutatedRun
from pytest_upskill.oracle.values import dtype_name
from pytest_upskill.records import Example, ScalarArgument, TensorArgument

Header = dict[str, Any]
Piece = tuple[str, tuple[int, ...], memoryview]
"""A tensor as it is sent: its dtype, its shape and its bytes."""

_MESSAGE_LENGTH = 4000
"""The largest number of characters in an error message. The judge's process shortens messages further."""


def serve(descriptor: int) -> None:
    """Answer requests until the other end closes the stream."""
    channel = socket.socket(fileno=descriptor)
    requests = channel.makefile("rb")
    channel.sendall(READY)
    serving = Serving()
    with isolated():
        while len(size := requests.read(LENGTH.size)) == LENGTH.size:
            request = json.loads(requests.read(*LENGTH.unpack(size)))
            header, pieces = serving.answer(request)
            header["tensors"] = [[dtype, list(shape)] for dtype, shape, _ in pieces]
            text = json.dumps(header).encode()[:HEADER_BYTES]
            channel.sendall(bytes.fromhex(request["nonce"]) + LENGTH.pack(len(text)) + text)
            for _, _, data in pieces:
                channel.sendall(data)


class Serving:
    """Answers all requests about one case."""

    _runner: Preparation

    def answer(self, request: Header) -> tuple[Header, list[Piece]]:
        """The header and the tensors of the answer. An error is reported in the header, without tensors."""
        try:
            return self._answer(request)
        except CaseError as error:
            return {"error": error.message[:_MESSAGE_LENGTH], "line": error.line}, []
        except BaseException as error:  # the reference can raise any exception
            return {"failed": f"{type(error).__name__}: {error}"[:_MESSAGE_LENGTH]}, []

    def _answer(self, request: Header) -> tuple[Header, list[Piece]]:  # noqa: PLR0911 (one for each request)
        match request["ask"]:
            case "case":
                self._runner = Preparation(from_plain(request["case"]))
                return {}, []
            case "results":
                return asdict(self._runner.results()), []
            case "outputs":
                return asdict(self._runner.outputs), []
            case "linear":
                return {"linear": self._runner.is_linear}, []
            case "prepare":
                self._runner.layout = layout_from_plain(request["layout"])
                return _prepared(self._runner.prepare(Example(**request["example"])))
            case "others":
                found = self._runner.other_results(Example(**request["example"]))
                return {"names": list(found)}, [_piece(value) for value in found.values()]
            case "mutants":
                self._runner.layout = layout_from_plain(request["layout"])
                return _mutated(self._runner.mutated_runs(Example(**request["example"]), request["skip"]))
            case "call":
                return {"answer": _named(request["function"])(**request["arguments"])}, []
            case unknown:
                raise ValueError(f"'{unknown}' is not a request")


def _named(name: str) -> Callable[..., Any]:
    """The function of this package that the judge's process names as ``module:function``."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(f"pytest_upskill.{module}"), function)
    return found


def _prepared(found: Prepared | GivenUp) -> tuple[Header, list[Piece]]:
    """The header and the tensors of a prepared example.

    The tensor arguments come first, in the order of the call. For each output its gold follows and, if the output is
    floating, its bound.
    """
    if isinstance(found, GivenUp):
        return {"given_up": found.reason[:_MESSAGE_LENGTH]}, []
    scalars = {one.name: one.value for one in found.call.arguments if isinstance(one, ScalarArgument)}
    tensors = [one for one in found.call.arguments if isinstance(one, TensorArgument) and one.data is not None]
    pieces: list[Piece] = [(one.dtype, one.shape, one.data) for one in tensors]
    for expected in found.expected:
        pieces += [_piece(value) for value in (expected.gold, expected.bound) if value is not None]
    exact = [[expected.exact, expected.signed_zeros] for expected in found.expected]
    header = {"unsure": found.unsure, "scalars": scalars, "exact": exact, "unmodelled": sorted(found.unmodelled)}
    return header, pieces


def _mutated(runs: list[MutatedRun]) -> tuple[Header, list[Piece]]:
    """The header and the tensors for mutants: the outputs of the mutants that changed an output, in the mutants' order.

    Mutants are left out once the answer has as many tensors as may be sent.
    """
    runs = runs[: MOST_TENSORS // max(1, 1, *(len(one.outputs or ()) for one in runs))]
    named = [[one.name, one.said, one.outputs and list(one.outputs)] for one in runs]
    return {"mutants": named}, [_piece(value) for one in runs for value in (one.outputs or {}).values()]


def _piece(tensor: torch.Tensor) -> Piece:
    return dtype_name(tensor.dtype), tuple(tensor.shape), as_bytes(tensor)
