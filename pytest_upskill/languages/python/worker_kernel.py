"""Runs one kernel in a worker: loads it, calls it, checks its results. Of ours, imports only ``worker_watch``."""

import math
import mmap
import random
import sys
import traceback
import types
from contextlib import nullcontext

import torch
import worker_watch  # type: ignore[import-not-found]

_MESSAGE_LENGTH = 800


def prepare_torch() -> None:
    """Prepare torch: use one thread, fill newly allocated memory with NaN, and do the set-up of a first use now."""
    torch.set_num_threads(1)
    torch._C._set_deterministic_algorithms(True, warn_only=True)  # the public function imports torch's compiler
    x = torch.ones(4, 4)
    with worker_watch.Watcher(frozenset()):
        torch.softmax(x @ x, -1).sum().item()


def seed_generators() -> None:
    """Seed the generators anew. Otherwise all forks would have the same random numbers, so random results would look
    deterministic.
    """
    random.seed()
    torch.seed()


def describe(error: BaseException) -> str:
    """The type of an exception, and its message. The message may be computed by the kernel's own code."""
    try:
        text = str(error)
    except BaseException:
        text = "(its message cannot be had)"
    name = type(error).__name__
    return f"{name}: {text[:_MESSAGE_LENGTH]}" if text else name


def line_of(error: BaseException) -> "int | None":
    """The innermost line of the kernel's source that an exception passed through."""
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == worker_watch.SOURCE_NAME]
    return lines[-1] if lines else error.lineno if isinstance(error, SyntaxError) else None


class Kernel:
    """The function that a source defines. The first call loads it."""

    def __init__(self, plan: "dict[str, object]") -> None:
        entry = plan["entry"]
        self.source: str = plan["source"]  # type: ignore[assignment]
        self.name: str = entry["name"]  # type: ignore[index]
        self.results: list[str] = entry["results"]  # type: ignore[index]
        self.forbidden = frozenset(map(worker_watch.bare, entry["forbid"]))  # type: ignore[index]
        self.seen: dict[str, tuple[str, int | None]] = {}
        self.function: object = None

    def call(self, request: "dict[str, object]", memory: mmap.mmap) -> "dict[str, object]":
        """Make one call. Raises what the kernel raises. A wrong kind of result gives a ``kind`` and a ``message``."""
        outputs: dict[str, torch.Tensor] = {}
        arguments: list[object] = []
        for one in request["arguments"]:  # type: ignore[attr-defined]
            value = one["value"] if "value" in one else tensor_at(memory, one)
            if one.get("role") == "output":
                outputs[one["name"]] = value
            else:
                arguments.append(value)
        counts: dict[str, object] | None = None
        if request.get("count"):
            counts, result = worker_watch.counted(self.loaded(), arguments)
        else:
            with worker_watch.Watcher(self.forbidden, self.seen) if self.forbidden else nullcontext():
                result = self.loaded()(*arguments)
        problem = self.store(result, outputs, arguments)
        return {"kind": "result", "message": problem, "line": None} if problem else {"counts": counts}

    def loaded(self) -> "types.FunctionType":
        """The function. The source is run first if it has not been run yet."""
        if self.function is None:
            module = types.ModuleType("kernel")
            module.__file__ = worker_watch.SOURCE_NAME
            sys.modules["kernel"] = module
            exec(compile(self.source, worker_watch.SOURCE_NAME, "exec", dont_inherit=True), module.__dict__)
            self.function = getattr(module, self.name)
        return self.function  # type: ignore[return-value]

    def store(self, result: object, outputs: "dict[str, torch.Tensor]", given: "list[object]") -> str:
        """Copy the results into the shared memory. Returns what is wrong with them; empty if nothing is."""
        if not self.results:
            returned_own = any(result is one for one in given)
            return "" if result is None or returned_own else f"returned {kind_of(result)}, where None was asked for"
        found = [result] if len(self.results) == 1 else result
        if not isinstance(found, tuple | list):
            return f"returned {kind_of(result)}, where a tuple of {len(self.results)} tensors was asked for"
        found = list(found)
        if len(found) != len(self.results):
            return f"returned {len(found)} results, where {len(self.results)} were asked for"
        for name, value in zip(self.results, found, strict=True):
            if wrong := mismatch(value, outputs[name]):
                return f"returned {wrong} for '{name}'" if len(found) > 1 else f"returned {wrong}"
        with torch.no_grad():
            for name, value in zip(self.results, found, strict=True):
                outputs[name].copy_(value.detach())
        return ""


def mismatch(value: object, wanted: "torch.Tensor") -> str:
    """How a result differs from what was asked for; empty if it does not differ."""
    if type(value) is not torch.Tensor:
        return f"{kind_of(value)}, where a tensor was asked for"
    if value.layout is not torch.strided:
        return f"a tensor of layout {str(value.layout)[6:]}, where a dense one was asked for"
    if value.is_quantized or value.device.type != "cpu":
        what = "a quantised tensor" if value.is_quantized else f"a tensor on device '{value.device}'"
        return f"{what}, where an ordinary one on the cpu was asked for"
    if value.shape != wanted.shape:
        return f"shape {list(value.shape)}, where {list(wanted.shape)} was asked for"
    if value.dtype != wanted.dtype:
        return f"dtype {str(value.dtype)[6:]}, where {str(wanted.dtype)[6:]} was asked for"
    return ""


def kind_of(value: object) -> str:
    """Describe the kind of a value. This calls none of the value's methods."""
    kind = type(value)
    if value is None:
        return "None"
    if kind is torch.Tensor:
        return "one tensor"
    return f"a {kind.__name__}" + (" (a subclass of Tensor)" if issubclass(kind, torch.Tensor) else "")


def tensor_at(memory: mmap.mmap, one: "dict[str, object]") -> "torch.Tensor":
    """A tensor whose storage is a part of the shared memory."""
    dtype, shape = getattr(torch, str(one["dtype"])), one["shape"]
    count = math.prod(shape)  # type: ignore[call-overload]
    if count == 0:
        return torch.empty(shape, dtype=dtype)  # type: ignore[call-overload, no-any-return]
    return torch.frombuffer(memory, dtype=dtype, count=count, offset=one["offset"]).reshape(shape)  # type: ignore[arg-type, call-overload, no-any-return]
