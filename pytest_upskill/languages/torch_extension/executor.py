"""One build in a worker, and its calls: see ``languages.base.Executor``."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_upskill.languages.python.language import PythonExecutor
from pytest_upskill.languages.python.server import KernelProcess, WorkerServer
from pytest_upskill.languages.torch_extension.schema import parse_schema
from pytest_upskill.records import Answer, Assertion, Call, Finding, TensorArgument
from pytest_upskill.sandbox import findings
from pytest_upskill.sandbox.message_process import Limits
from pytest_upskill.sandbox.shared_memory import POISON_OF_REPEATS, bytes_of

_FOLDER = re.compile(r"[0-9a-f]{32}\Z")
_ENOUGH = 1 << 14
"""Calls with fewer elements are small."""
_WITH_ERRORS = ("exception", "result")
"""Kinds of findings after which the process goes on."""


def load_facts(plan: Path, server: WorkerServer, limits: Limits, *, filtered: bool) -> dict[str, Any]:
    """What loading a build shows: ``facts``, or a ``problem``; and ``seen``, what it did and must not do."""
    with ExtensionExecutor(plan, server, limits, filtered=filtered) as executor:
        return executor.load()


class ExtensionExecutor(PythonExecutor):
    """Calls the operator of a build. Its worker loads the build with the first call."""

    def __init__(self, kernel: Path, server: WorkerServer, limits: Limits, *, filtered: bool) -> None:
        super().__init__(kernel, server, limits, filtered=filtered)
        self._folder = ""
        self._sample: Call | None = None
        self._rank: tuple[float, float] = (math.inf, 0)
        self._result: Mapping[str, bytes] = {}

    def load(self) -> dict[str, Any]:
        """See ``load_facts``."""
        if self._process is None:
            self._process = KernelProcess(self._server, self._kernel, self._limits, filtered=self._filtered)
        nonce = secrets.token_bytes(8)
        self._process.memory.map(1)
        reply, _ = self._process.exchange(nonce + json.dumps({"size": 1, "mode": "load", "arguments": []}).encode())
        if isinstance(reply, Finding):
            return {"problem": reply.message}
        try:
            plain = json.loads(reply.removeprefix(nonce))
            self._keep_folder(plain)
            seen = [findings.clean(str(one[1]))[:300] for one in plain.get("seen", ())]
            if plain.get("kind") == "timeout":
                return {"problem": findings.timeout(self._limits.seconds).message, "seen": seen}
            if plain.get("kind"):
                return {"problem": findings.clean(str(plain.get("message") or plain["kind"])), "seen": seen}
            facts = plain["facts"]
            return {
                "facts": {
                    "schema": str(facts["schema"]),
                    "others": [findings.clean(str(one))[:200] for one in facts["others"]],
                    "offered": bool(facts["offered"]),
                    "implemented": bool(facts["implemented"]),
                },
                "seen": seen,
            }
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
            return {"problem": findings.protocol("its answer cannot be read").message}

    def call(self, call: Call) -> Answer:
        answer = super().call(call)
        if answer.ran and (rank := _rank(call, answer)) < self._rank:
            self._sample, self._rank = call, rank
            self._result = {name: bytes(data) for name, data in answer.outputs.items()}
        return answer

    def gradient(self, call: Call) -> Answer:
        count = len(parse_schema(self._entry["schema"]).parameters)
        leaves = self._entry.get("gradients", ())
        return self._call(call, POISON_OF_REPEATS, mode="gradients", leaves=leaves, count=count)[0]

    def assertions(self) -> Sequence[Assertion]:
        """``package``, ``opcheck``, ``strides``, ``empty``, ``rejects``; none if no call ended in order."""
        if (call := self._sample) is None:
            return ()
        return [
            Assertion(name, not problem, problem)
            for name, problem in (
                ("package", self._packaged(call)),
                ("opcheck", self._opcheck(call)),
                ("strides", self._strided(call)),
                ("empty", self._tried(call, "empty", "tensors without elements")),
                ("rejects", next(filter(None, self._rejections(call)), "")),
            )
        ]

    def _other(self, call: Call, mode: str) -> tuple[Answer, Finding | None]:
        """A call with other arguments, and what came of it but for a result."""
        answer, _ = self._call(call, POISON_OF_REPEATS, mode=mode)
        return answer, next((one for one in answer.findings if one.assertion == "runs"), None)

    def _opcheck(self, call: Call) -> str:
        """What ``torch.library.opcheck`` looks at: the schema, and results for tensors without data."""
        for mode in ("schema", "fake") if self._entry["results"] else ("schema",):
            _, found = self._other(call, mode)
            if found is not None:
                return found.message.removeprefix("the function ")
        return ""

    def _packaged(self, call: Call) -> str:
        """Why the package's function is none that users of the kernel can call instead of the operator."""
        answer, found = self._other(call, "package")
        name = self._entry["name"]
        if found is not None:
            what = found.message.removeprefix("the function ")
            return f"the package's function '{name}', called with the operator's arguments, {what}"
        if wrong := self._differing(answer):
            advice = f"return what ops.{name} returns for the same arguments"
            return f"with the package's function '{name}', '{wrong}' has other values; {advice}"
        return ""

    def _strided(self, call: Call) -> str:
        for mode, what in (("apart", "that are not contiguous"), ("padded", "whose rows lie apart")):
            answer, found = self._other(call, mode)
            if found is not None and found.kind != "exception":
                return f"with tensors {what}: {found.message}"
            if found is None and (wrong := self._differing(answer)):
                advice = "read the strides, call contiguous(), or refuse it with TORCH_CHECK"
                return f"with tensors {what}, '{wrong}' has other values; {advice}"
        return ""

    def _differing(self, answer: Answer) -> str:
        """The first result that is not that of the example; empty if atomics may change the last bits."""
        wrong = (name for name, data in self._result.items() if bytes(answer.outputs.get(name, b"")) != data)
        return "" if self._entry["atomics"] else next(wrong, "")

    def _tried(self, call: Call, mode: str, what: str) -> str:
        """Why a call is none that ends in order, with a result or an error of Python."""
        _, found = self._other(call, mode)
        return f"with {what}: {found.message}" if found is not None and found.kind not in _WITH_ERRORS else ""

    def _rejections(self, call: Call) -> Iterator[str]:
        given = [one for one in call.arguments if not (isinstance(one, TensorArgument) and one.role == "output")]
        for number, one in enumerate(given):
            if not isinstance(one, TensorArgument):
                continue
            _, found = self._other(call, f"dtype {number}")
            if found is None:
                yield f"'{one.name}' of dtype complex64 is accepted; refuse other dtypes with TORCH_CHECK"
            elif found.kind != "exception":
                yield f"with '{one.name}' of dtype complex64: {found.message}"
            yield self._tried(call, f"device {number}", f"'{one.name}' on another device")

    def _call(self, call: Call, poison: int, **options: object) -> tuple[Answer, Any]:
        answer, counts = super()._call(call, poison, **options)
        if "mode" in options:  # what it leaves in inputs is no result of the example
            answer = replace(answer, findings=tuple(one for one in answer.findings if one.assertion == "runs"))
        return answer, counts

    def _note(self, plain: Mapping[str, Any]) -> None:
        self._keep_folder(plain)
        for name, what, _ in plain["seen"]:
            self._seen.setdefault(name, f"it {findings.clean(what)[:300]}")

    def _keep_folder(self, plain: Mapping[str, Any]) -> None:
        folder = plain.get("folder")
        if isinstance(folder, str) and _FOLDER.match(folder):
            self._folder = folder

    def stop(self) -> None:
        super().stop()
        if self._folder:
            self._server.clear(self._folder)
            self._folder = ""


def _rank(call: Call, answer: Answer) -> tuple[float, float]:
    """How little a call shows when it is repeated with other arguments; the lowest one is repeated.

    An argument that is updated in place shows nothing if the call leaves its values as they are, and neither do the
    strides of dims of one element. Then a small call is better than a large one.
    """
    tensors = [one for one in call.arguments if isinstance(one, TensorArgument)]
    elements = sum(one.elements for one in tensors)
    if min((one.elements for one in tensors), default=0) == 0:
        return math.inf, 0
    kept = [one for one in tensors if one.role == "inplace" and bytes(answer.outputs[one.name]) == bytes(bytes_of(one))]
    single = [one for one in tensors if 1 in one.shape]
    return len(kept) + len(single), elements if elements >= _ENOUGH else 0
