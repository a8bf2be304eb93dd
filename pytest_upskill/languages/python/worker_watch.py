"""Records the operators that a kernel calls in a worker, and its work. Imports torch and the standard library only.

A kernel shares the process with this code and could tamper with it, so the records are evidence, not proof.
"""

import os
import sys
import traceback
import tracemalloc
import types
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

profiler: Any = torch.autograd

SOURCE_NAME = "kernel.py"
"""The file name of the kernel's source in tracebacks."""


def line_now() -> "int | None":
    """The line of the kernel's source that is being executed."""
    frames = traceback.walk_stack(sys._getframe(1))
    return next((line for frame, line in frames if frame.f_code.co_filename == SOURCE_NAME), None)


def bare(name: str) -> str:
    """An operator's name without namespace, overload and leading underscores, such as ``softmax`` for
    ``aten::_softmax.out``.
    """
    return name.rpartition("::")[2].partition(".")[0].removeprefix("special_").strip("_")


class Watcher:
    """Records the operators that are called while it is entered. A torch function mode sees functions of torch and
    methods of tensors. The profiler's records of the dispatcher also include calls from C++ and TorchScript, and from
    code that disables modes.
    """

    def __init__(self, names: "frozenset[str]", seen: "dict[str, tuple[str, int | None]] | None" = None) -> None:
        found: dict[str, tuple[str, int | None]] = {} if seen is None else seen

        class Mode(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
                name = str(getattr(func, "__name__", ""))
                if bare(name) in names:
                    found.setdefault(bare(name), (name, line_now()))
                return func(*args, **(kwargs or {}))

        self.names, self.seen = names, found
        self.mode: Any = Mode()

    def __enter__(self) -> None:
        record()
        self.mode.__enter__()

    def __exit__(self, *error: object) -> None:
        self.mode.__exit__(*error)
        events = recorded()
        if events is None:
            self.seen.setdefault("", ("", None))
            return
        for name in called(events):
            if bare(name) in self.names:
                self.seen.setdefault(bare(name), (name, None))


def record() -> None:
    """Begin to record the calls of the dispatcher."""
    state = profiler.ProfilerState.CPU
    plain = torch._C._profiler._ExperimentalConfig()
    profiler._enable_profiler_legacy(profiler.ProfilerConfig(state, False, False, False, False, False, plain))


def recorded() -> "list[tuple[str, str]] | None":
    """The records as (kind, name), where kind is ``push`` or ``pop``; None if the kernel has ended the recording."""
    try:
        threads = profiler._disable_profiler_legacy()
    except RuntimeError:
        return None
    return [(event.kind(), event.name()) for thread in threads for event in thread]


def called(events: "list[tuple[str, str]]") -> "list[str]":
    """The operators that were called. An operator that is called inside another one does not count, unless the outer
    operator is composite: ``mean`` does not count as ``sum``, but ``softmax`` counts as ``_softmax``.
    """
    names: list[str] = []
    inside: list[bool] = []
    for kind, name in events:
        if kind == "push":
            if not any(inside):
                names.append(name)
            inside.append(name.startswith("aten::") and not is_composite(name))
        elif kind == "pop" and inside:
            inside.pop()
    return names


def is_composite(name: str, known: "dict[str, bool]" = {}) -> bool:  # noqa: B006 - a cache
    """Whether an operator is implemented by calling other operators (CompositeImplicitAutograd)."""
    if name not in known:
        packet = getattr(torch.ops.aten, name[6:], None)
        overloads = [one for one in packet.overloads() if "out" not in one and "name" not in one] if packet else []
        known[name] = any(has_composite_kernel(name if one == "default" else f"{name}.{one}") for one in overloads)
    return known[name]


def has_composite_kernel(name: str) -> bool:
    """Whether an overload is implemented by calling other operators. False for TorchScript's overloads, because the
    dispatcher does not have them.
    """
    try:
        return bool(torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd"))
    except RuntimeError:
        return False


def counted(function: "types.FunctionType", arguments: "list[object]") -> "tuple[dict[str, object], object]":
    """Make one call and count its work: executed instructions by line, dispatcher calls, and peak bytes of Python
    objects. Returns the work and the result of the call.

    Code of the kernel counts, including code that is made at run time. Code of torch and the standard library does not.
    """
    instructions: dict[int, int] = {}
    own: dict[str, bool] = {}

    def is_own(name: str) -> bool:
        if name not in own:
            own[name] = name == SOURCE_NAME or (not name.startswith("<frozen") and not os.path.isabs(name))  # noqa: PTH117
        return own[name]

    def trace(frame: types.FrameType, event: str, argument: object) -> object:
        if not is_own(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            line = frame.f_lineno if frame.f_code.co_filename == SOURCE_NAME else 0
            instructions[line] = instructions.get(line, 0) + 1
        return trace

    record()
    tracemalloc.start()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        result = function(*arguments)
    finally:
        kept = sys.gettrace() is trace
        sys.settrace(None)
        most = tracemalloc.get_traced_memory()[1] if tracemalloc.is_tracing() else None
        tracemalloc.stop()
        events = recorded()
    counts = {
        "lines": sorted(instructions.items(), key=lambda pair: -pair[1])[:200],
        "instructions": sum(instructions.values()),
        "operators": None if events is None else sum(kind == "push" for kind, _ in events),
        "bytes": most,
        "kept": kept,
    }
    return counts, result
