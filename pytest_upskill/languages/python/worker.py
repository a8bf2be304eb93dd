"""The process that imports torch once, and its forks, in each of which one kernel lives. Stands alone: it imports
torch, the standard library, and ``seccomp`` of the sandbox, whose folder it gets.

Started as ``python -I -S worker.py CONTROL SANDBOX PATHS...``: an inherited socket that keeps the bounds of messages,
the folder of ``seccomp``, and folders in which torch is found. On CONTROL come ``start`` (with four open files: the
worker's own channel, the shared memory of its tensors, where it prints, and the kernel; and its limits) and ``end``.
For each worker that has ended, its number and its status go back. The server itself never sees a kernel.

A worker is a fork without threads, files, sockets or new processes (a filter of system calls, put on after the fork).
Each message on its channel is one call: 8 bytes that the answer begins with, and JSON. What a worker says is untrusted
once it has loaded its kernel: the parent judges bytes in the shared memory, and the way in which the process ends.
"""

import gc
import json
import mmap
import os
import random
import resource
import select
import signal
import socket
import sys
import traceback
import tracemalloc
import types

MESSAGE_BYTES = 1 << 16
_MESSAGE_LENGTH = 800
_WITH_TORCH = (
    "torch", "torchgen", "functorch", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe",
    "fsspec", "filelock",
)  # fmt: skip
"""What can be imported beside the standard library: torch and what it needs itself."""


class OnlyTorch:
    """A finder that finds nothing, and refuses all that is neither torch nor the standard library."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        top = name.partition(".")[0]
        known = top in _WITH_TORCH or top in sys.stdlib_module_names or top.startswith("_sysconfigdata")
        if not known:
            raise ModuleNotFoundError(
                f"No module named {name!r}: only torch and Python's standard library can be imported here", name=name
            )


def main() -> None:
    """Imports torch, and serves until the parent hangs up."""
    control, sandbox = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
    global seccomp, torch, profiler
    sys.path.insert(0, sandbox)
    import seccomp  # type: ignore[import-not-found]

    sys.path[0:1] = []
    sys.path += sys.argv[3:]
    sys.meta_path.insert(0, OnlyTorch())  # type: ignore[arg-type]
    import warnings

    warnings.simplefilter("ignore")
    import torch
    from torch import autograd as profiler

    prepare_torch()
    seccomp.hide()
    gc.collect()
    gc.freeze()
    control.send(b"ready")
    serve(control)


def prepare_torch() -> None:
    """One thread; memory that is allocated and not written holds NaN; what torch sets up on first use is set up."""
    torch.set_num_threads(1)
    torch._C._set_deterministic_algorithms(True, warn_only=True)  # the public function imports torch's compiler
    torch.utils.deterministic.fill_uninitialized_memory = True
    x = torch.ones(4, 4)
    with Watcher(frozenset()):
        torch.softmax(x @ x, -1).sum().item()


# ------------------------------------------------------------------------------------------------- the server


def serve(control: socket.socket) -> None:
    """Starts workers and ends them, and tells how they ended."""
    poller = select.poll()
    poller.register(control, select.POLLIN)
    numbers: "dict[int, tuple[int, bytes]]" = {}
    while True:
        for descriptor, _ in poller.poll():
            if descriptor != control.fileno():
                poller.unregister(descriptor)
                process, number = numbers.pop(descriptor)
                os.close(descriptor)
                control.send(number + status_of(process).to_bytes(4, "little"))
                continue
            message, files, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 4)
            if not message:
                return
            word, number = message[:5], message[5:13]
            if word == b"start":
                process = os.fork()
                if process == 0:
                    become_worker([control.fileno(), *numbers], files, json.loads(message[13:]))
                for file in files:
                    os.close(file)
                watch = os.pidfd_open(process)
                numbers[watch] = (process, number)
                poller.register(watch, select.POLLIN)
            else:
                for process, other in numbers.values():
                    if other == number:
                        os.kill(process, signal.SIGKILL)


def status_of(process: int) -> int:
    """How a worker ended, as a shell sees it."""
    _, status = os.waitpid(process, 0)
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def become_worker(inherited: "list[int]", files: "list[int]", limits: "dict[str, float]") -> None:
    """In the fork: gives up all that a kernel has no need of, and serves the calls of one kernel. Does not return."""
    try:
        channel, shared, output, source = files
        for descriptor in inherited:
            os.close(descriptor)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        # The place in the file is the parent's, too, and other forks'.
        plan = json.loads(os.pread(source, os.fstat(source).st_size, 0))
        os.close(source)
        seed_generators()
        limit_resources(limits)
        seccomp.hide()
        # Later filters cannot lift what earlier ones refuse.
        filtered = seccomp.install(seccomp.no_thread_rules()) and seccomp.install(
            seccomp.worker_rules(os.getpid(), False)
        )
        own = socket.socket(fileno=channel)
        own.send(b"ready" if filtered else b"ready, unfiltered")
        work(own, shared, Kernel(plan), limits["seconds"])
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(70)


def seed_generators() -> None:
    """A fork would repeat the random numbers of every other one, and random results would look deterministic."""
    random.seed()
    torch.seed()


def limit_resources(limits: "dict[str, float]") -> None:
    """Limits that cannot be raised again. What torch takes up already is on the house."""
    memory = int(limits["memory"])
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, memory + mapped()),
        (resource.RLIMIT_DATA, memory + (1 << 30)),
        (resource.RLIMIT_CPU, int(limits["cpu_seconds"])),
        (resource.RLIMIT_FSIZE, int(limits["file_size"])),
        (resource.RLIMIT_NOFILE, 64),
    ):
        _, hard = resource.getrlimit(what)
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (bound, bound))


def mapped() -> int:
    """Bytes of address space in use; a guess where /proc is out of sight."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * mmap.PAGESIZE
    except OSError:
        return 4 << 30


# ------------------------------------------------------------------------------------------------- one worker


class Late(BaseException):
    """The time of a call is nearly over: raised where the kernel is, so that the line is known."""


def work(channel: socket.socket, shared: int, kernel: "Kernel", seconds: float) -> None:
    """Serves calls until the parent hangs up."""
    memory: "mmap.mmap | None" = None
    set_timer, clock = signal.setitimer, signal.ITIMER_REAL

    def late(*_: object) -> None:
        raise Late

    while message := channel.recv(MESSAGE_BYTES):
        request = json.loads(message[8:])
        if memory is None or len(memory) < request["size"]:
            memory = mmap.mmap(shared, request["size"])
        signal.signal(signal.SIGALRM, late)
        set_timer(clock, 0.9 * seconds)
        try:
            answer = kernel.call(request, memory)
        except Late as error:
            answer = {"kind": "timeout", "message": "", "line": line_of(error)}
        except BaseException as error:
            answer = {"kind": "exception", "message": describe(error), "line": line_of(error)}
        finally:
            set_timer(clock, 0)
        answer["seen"] = [[name, *where] for name, where in kernel.seen.items()]
        channel.send(message[:8] + json.dumps(answer).encode()[: MESSAGE_BYTES - 8])


def describe(error: BaseException) -> str:
    """The type of an exception and its message, which code of the kernel's may compute."""
    try:
        text = str(error)
    except BaseException:
        text = "(its message cannot be had)"
    name = type(error).__name__
    return f"{name}: {text[:_MESSAGE_LENGTH]}" if text else name


def line_of(error: BaseException) -> "int | None":
    """The innermost line of the kernel's source that an exception passed through."""
    found = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    place = error.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_filename == Kernel.source_name:
            found = place.tb_lineno
        place = place.tb_next
    return found


def line_now() -> "int | None":
    """The line of the kernel's source that is being executed."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == Kernel.source_name:
            return frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return None


class Kernel:
    """The function that a source defines, which is loaded in the first call."""

    source_name = "kernel.py"

    def __init__(self, plan: "dict[str, object]") -> None:
        entry = plan["entry"]
        Kernel.source_name = str(plan["source_name"])
        self.source: str = plan["source"]  # type: ignore[assignment]
        self.name: str = entry["name"]  # type: ignore[index]
        self.results: "list[str]" = entry["results"]  # type: ignore[index]
        self.forbidden = frozenset(map(bare, entry["forbid"]))  # type: ignore[index]
        self.seen: "dict[str, tuple[str, int | None]]" = {}
        self.function: object = None

    def call(self, request: "dict[str, object]", memory: mmap.mmap) -> "dict[str, object]":
        """One call. Raises whatever the kernel raises; what it gave wrongly is a ``kind`` and a ``message``."""
        outputs: "dict[str, torch.Tensor]" = {}
        arguments: "list[object]" = []
        for one in request["arguments"]:  # type: ignore[attr-defined]
            value = one["value"] if "value" in one else tensor_at(memory, one)
            if one.get("role") == "output":
                outputs[one["name"]] = value
            else:
                arguments.append(value)
        given = list(arguments)
        counts: "dict[str, object] | None" = None
        if self.forbidden and not request.get("count"):
            with Watcher(self.forbidden, self.seen):
                result = self.loaded()(*arguments)
        elif request.get("count"):
            counts, result = counted(self.loaded(), arguments)
        else:
            result = self.loaded()(*arguments)
        problem = self.store(result, outputs, given)
        return {"kind": "result", "message": problem, "line": None} if problem else {"counts": counts}

    def loaded(self) -> "types.FunctionType":
        """The function; runs the source where that was not done."""
        if self.function is None:
            module = types.ModuleType("kernel")
            module.__file__ = Kernel.source_name
            sys.modules["kernel"] = module
            exec(compile(self.source, Kernel.source_name, "exec", dont_inherit=True), module.__dict__)
            self.function = getattr(module, self.name)
        return self.function  # type: ignore[return-value]

    def store(self, result: object, outputs: "dict[str, torch.Tensor]", given: "list[object]") -> str:
        """Copies the results to where they belong; says what is wrong with them, or nothing."""
        if not self.results:
            returned_own = any(result is one for one in given)
            return "" if result is None or returned_own else f"returned {kind_of(result)}, where None was asked for"
        if len(self.results) == 1:
            found = [result]
        elif isinstance(result, tuple | list):
            found = list(result)
            if len(found) != len(self.results):
                return f"returned {len(found)} results, where {len(self.results)} were asked for"
        else:
            return f"returned {kind_of(result)}, where a tuple of {len(self.results)} tensors was asked for"
        for name, value in zip(self.results, found, strict=True):
            wrong = mismatch(value, outputs[name])
            if wrong:
                return f"returned {wrong} for '{name}'" if len(found) > 1 else f"returned {wrong}"
        with torch.no_grad():
            for name, value in zip(self.results, found, strict=True):
                outputs[name].copy_(value.detach())
        return ""


def mismatch(value: object, wanted: "torch.Tensor") -> str:
    """What a result is that must not be; empty where it is what was asked for."""
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
    """What a value is, in words; nothing of its own is called."""
    kind = type(value)
    if value is None:
        return "None"
    return f"a {kind.__name__}" + (" (a subclass of Tensor)" if issubclass(kind, torch.Tensor) else "")


def tensor_at(memory: mmap.mmap, one: "dict[str, object]") -> "torch.Tensor":
    """A tensor of its own storage, which is a part of the shared memory."""
    dtype, shape = getattr(torch, str(one["dtype"])), one["shape"]
    count = 1
    for size in shape:  # type: ignore[attr-defined]
        count *= size
    if count == 0:
        return torch.empty(shape, dtype=dtype)  # type: ignore[call-overload, no-any-return]
    return torch.frombuffer(memory, dtype=dtype, count=count, offset=one["offset"]).reshape(shape)  # type: ignore[arg-type, call-overload, no-any-return]


# ------------------------------------------------------------------------------------------------- what is watched


def bare(name: str) -> str:
    """An operator's name without namespace, overload and underscores: ``softmax`` of ``aten::_softmax.out``."""
    return name.rpartition("::")[2].partition(".")[0].removeprefix("special_").strip("_")


class Watcher:
    """Sees the operators that are called while it is entered, however that is done: by functions of torch and methods
    of tensors (a torch function mode), and by the dispatcher's records (the profiler's), which also cover C++,
    TorchScript, and code in which modes are switched off.
    """

    def __init__(self, names: "frozenset[str]", seen: "dict[str, tuple[str, int | None]] | None" = None) -> None:
        from torch.overrides import TorchFunctionMode

        found: "dict[str, tuple[str, int | None]]" = {} if seen is None else seen

        class Mode(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
                name = str(getattr(func, "__name__", ""))
                if bare(name) in names:
                    found.setdefault(bare(name), (name, line_now()))
                return func(*args, **(kwargs or {}))

        self.names, self.seen, self.mode = names, found, Mode()

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
    """Begins to record the calls of the dispatcher."""
    state = profiler.ProfilerState.CPU
    plain = torch._C._profiler._ExperimentalConfig()
    profiler._enable_profiler_legacy(profiler.ProfilerConfig(state, False, False, False, False, False, plain))


def recorded() -> "list[tuple[str, str]] | None":
    """What was recorded: (kind, name), where kinds are ``push`` and ``pop``. None where somebody ended it before."""
    try:
        threads = profiler._disable_profiler_legacy()
    except RuntimeError:
        return None
    return [(event.kind(), event.name()) for thread in threads for event in thread]


def called(events: "list[tuple[str, str]]") -> "list[str]":
    """The operators that were called, without those that an operator of its own uses inside: ``mean`` is no ``sum``,
    but ``softmax`` is ``_softmax``, since it consists of it.
    """
    names: "list[str]" = []
    inside: "list[bool]" = []
    for kind, name in events:
        if kind == "push":
            if not any(inside):
                names.append(name)
            inside.append(name.startswith("aten::") and not is_composite(name))
        elif kind == "pop" and inside:
            inside.pop()
    return names


def is_composite(name: str, known: "dict[str, bool]" = {}) -> bool:  # noqa: B006 - a cache
    """Whether an operator is defined by others (CompositeImplicitAutograd)."""
    if name not in known:
        packet = getattr(torch.ops.aten, name[6:], None)
        known[name] = any(map(has_composite_kernel, packet_names(name, packet)))
    return known[name]


def packet_names(name: str, packet: object) -> "list[str]":
    """The full names of an operator's overloads, but those that write to ``out`` or name their dims."""
    overloads = [one for one in packet.overloads() if "out" not in one and "name" not in one] if packet else []  # type: ignore[attr-defined]
    return [name if one == "default" else f"{name}.{one}" for one in overloads]


def has_composite_kernel(name: str) -> bool:
    """TorchScript alone has some overloads, of which the dispatcher knows nothing."""
    try:
        return bool(torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd"))
    except RuntimeError:
        return False


def counted(function: "types.FunctionType", arguments: "list[object]") -> "tuple[dict[str, object], object]":
    """The work of one call: executed instructions by line, calls of the dispatcher, most bytes of Python objects.

    Only code of the kernel's own counts, wherever it was made; torch's and the standard library's does not.
    """
    instructions: "dict[int, int]" = {}
    own: "dict[str, bool]" = {}

    def is_own(name: str) -> bool:
        if name not in own:
            own[name] = name == Kernel.source_name or (not name.startswith("<frozen") and not os.path.isabs(name))
        return own[name]

    def trace(frame: types.FrameType, event: str, argument: object) -> object:
        if not is_own(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            line = frame.f_lineno if frame.f_code.co_filename == Kernel.source_name else 0
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
    lines = sorted(instructions.items(), key=lambda pair: -pair[1])[:200]
    counts = {
        "lines": lines,
        "instructions": sum(instructions.values()),
        "operators": None if events is None else sum(kind == "push" for kind, _ in events),
        "bytes": most,
        "kept": kept,
    }
    return counts, result


if __name__ == "__main__":
    main()
