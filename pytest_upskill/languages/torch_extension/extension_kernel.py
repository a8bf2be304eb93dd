"""One project's build in a worker: loads it with ``kernels``, calls its operator, checks its results.

Imports torch, ``kernels``, the standard library, and ``worker``, ``worker_kernel`` and ``worker_watch`` of the language
python.
"""

import base64
import inspect
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import torch
import worker  # type: ignore[import-not-found]
import worker_kernel  # type: ignore[import-not-found]
import worker_watch  # type: ignore[import-not-found]

_EVENTS = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.remove", "os.rename",
    "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.", "urllib.", "ctypes.dlopen", "pty.",
)  # fmt: skip
"""Beginnings of the names of audit events that a kernel has no reason to cause."""
_MOST_NOTED = 8
_OF_AUTOGRAD = ("autograd::", "torch::autograd::", "struct torch::autograd::")
"""Beginnings of the names of records that are not operators."""


def prepare() -> None:
    """What all forks share: ``kernels``, and the modes of torch that check operators."""
    import kernels
    import torch._subclasses.fake_tensor
    import torch._subclasses.schema_check_mode

    with torch._subclasses.fake_tensor.FakeTensorMode():
        torch.empty(2, 2).contiguous()
    assert kernels.get_local_kernel
    # The threads of gradients are for the devices that there are now: none.
    torch.ones(1, requires_grad=True).sum().backward()  # type: ignore[no-untyped-call]
    torch.autograd.set_multithreading_enabled(False)
    record_all_calls()


def record_all_calls() -> None:
    """Have calls recorded that skip the dispatcher's own record, and refuse to switch the record off."""
    handle: Any = type(torch.ops.aten.empty.memory_format._handle)
    redispatch, note = handle.redispatch_boxed, torch._C._profiler._RecordFunctionFast

    def redispatch_boxed(self: Any, *arguments: Any, **named: Any) -> Any:
        with note(self.schema().name):
            return redispatch(self, *arguments, **named)

    def refuse(enable: bool) -> None:
        raise RuntimeError("the record of operators cannot be switched off: leave torch's profiler alone")

    handle.redispatch_boxed = redispatch_boxed
    for module in (torch.autograd, torch._C._autograd):
        module._enable_record_function = refuse  # type: ignore[attr-defined]


def hidden_folder() -> str:
    """A folder that can be used and not listed: who knows no name in it finds nothing there."""
    folder = Path(os.environ["UPSKILL_SCRATCH"]) / "work"
    folder.mkdir(mode=0o300)
    return str(folder)


class Extension(worker_kernel.Kernel):  # type: ignore[misc]
    """The operator that a build registers; the first call loads it. This is one for the backend cpu."""

    key = "CPU"
    """The dispatch key of its implementation."""
    harness: "tuple[str, ...]" = ()
    """Operators of ours that ``entered`` calls."""

    def __init__(self, plan: "dict[str, object]") -> None:
        entry = plan["entry"]
        self.name: str = entry["name"]  # type: ignore[index]
        self.results: list[str] = entry["results"]  # type: ignore[index]
        self.backend: str = entry["backend"]  # type: ignore[index]
        self.extension: str = plan["extension"]  # type: ignore[assignment]
        self.seen: dict[str, tuple[str, int | None]] = {}
        self.facts: dict[str, object] = {}
        self.operator: Any = None
        self.allowed = frozenset(plan["allowed"])  # type: ignore[call-overload]
        worker.MORE.add(self.extension)
        self.folder = secrets.token_hex(16)
        self.place = Path(os.environ["UPSKILL_SCRATCH"]) / "work" / self.folder
        for path, data in plan["files"].items():  # type: ignore[attr-defined]
            file = self.place / "build" / str(plan["variant"]) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(base64.b64decode(data))
        self.readable = tuple(os.path.abspath(one) for one in (str(self.place), *sys.path, sys.prefix, "/proc/self"))  # noqa: PTH100
        self.slots: dict[int, torch.Tensor] = {}
        self.watching = False
        sys.addaudithook(self.audit)

    def audit(self, event: str, arguments: "tuple[object, ...]") -> None:
        """Note what code of a kernel has no reason to do. A hook cannot be removed."""
        if not self.watching:
            return
        what = ""
        if event == "open" and isinstance(arguments[0], str | bytes):
            path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100
            writes = any(letter in str(arguments[1] or "") for letter in "wax+")
            if writes or not path.startswith(self.readable):
                what = f"opens {os.fsdecode(arguments[0])!r}"
        elif event.startswith(_EVENTS):
            what = f"does '{event}'"
        if what and len(self.seen) < _MOST_NOTED and self.is_called_by_kernel():
            self.seen.setdefault(what, (what, None))

    def is_called_by_kernel(self) -> bool:
        """Whether a file of the build is being executed."""
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_filename.startswith(str(self.place)):
                return True
            frame = frame.f_back  # type: ignore[assignment]
        return False

    def call(self, request: "dict[str, object]", memory: object) -> "dict[str, object]":
        """One call. Raises what the operator raises; a wrong result gives a ``kind`` and a ``message``."""
        if request.get("mode") == "load":
            self.loaded(inspect=True)
            return {"facts": self.facts}
        outputs: dict[str, torch.Tensor] = {}
        own: list[Any] = []
        roles: list[tuple[str, bool]] = []
        for one in request["arguments"]:  # type: ignore[attr-defined]
            value = one["value"] if "value" in one else worker_kernel.tensor_at(memory, one)
            if one.get("role") == "output":
                outputs[one["name"]] = value
            else:
                own.append(value)
                roles.append((one["name"], one.get("role") == "inplace"))
        mode = str(request.get("mode") or "")
        operator = self.loaded()
        given = self.placed(own, roles, mode)
        if mode == "gradients":
            problem = self.differentiated(request, given, [name for name, _ in roles], outputs)
        elif mode:
            problem = self.checked(mode, operator, given, outputs)
        else:
            problem = self.store(self.watched(operator, given), outputs, given)
        for host, one in zip(own, given, strict=True):
            if one is not host:
                host.copy_(one)
        return {"kind": "result", "message": problem, "line": None} if problem else {}

    def placed(self, given: "list[Any]", roles: "list[tuple[str, bool]]", mode: str) -> "list[Any]":
        """The arguments where the operator wants them; ``roles``: their names, and whether they are written to.

        Each has memory of its own, which later calls use again: other contents, whatever the sizes, at one address.
        """
        return [self.slot(place, one) if isinstance(one, torch.Tensor) else one for place, one in enumerate(given)]

    def slot(self, place: int, tensor: "torch.Tensor") -> "torch.Tensor":
        """A copy of the tensor in the memory of an argument."""
        if tensor.numel() == 0:
            return tensor
        if place not in self.slots or tensor.nbytes > self.slots[place].nbytes:
            self.slots[place] = torch.empty(max(2 * tensor.nbytes, 1 << 16), dtype=torch.uint8)
        return self.slots[place][: tensor.nbytes].view(tensor.dtype).reshape(tensor.shape).copy_(tensor)

    def entered(self, operator: Any, given: "list[Any]") -> Any:
        """A call of the operator."""
        with torch.no_grad():
            return operator(*given)

    def differentiated(
        self, request: "dict[str, Any]", given: "list[Any]", names: "list[str]", outputs: "dict[str, torch.Tensor]"
    ) -> str:
        """Store the gradients of arguments, whose names are in ``request``; returns what is wrong with them."""
        count, leaves = int(request["count"]), list(request["leaves"])
        function, cotangents = getattr(self.module, self.name), given[count:]
        named = dict(zip(names[:count], given, strict=False))
        own = {name: one.detach().requires_grad_() if name in leaves else one for name, one in named.items()}

        def gradients(*arguments: Any) -> "list[Any] | None":
            with torch.enable_grad():
                result = function(*arguments)
                results = [
                    one for one in (result if isinstance(result, tuple | list) else [result]) if one.is_floating_point()
                ]
                if not any(one.requires_grad for one in results):
                    return None
                wanted = [own[name] for name in leaves]
                return list(torch.autograd.grad(results, wanted, cotangents, allow_unused=True))

        found = self.watched(gradients, list(own.values()))
        if found is None or all(one is None for one in found):
            how = "register them with torch.library.register_autograd, or use a torch.autograd.Function"
            return f"returned a result without gradients; {how}"
        if lost := [name for name, one in zip(leaves, found, strict=True) if one is None]:
            return f"returned a result that has no gradient of '{lost[0]}'"
        kept, self.results = self.results, list(outputs)
        try:
            return str(self.store(found[0] if len(found) == 1 else found, outputs, given))
        finally:
            self.results = kept

    def watched(self, operator: Any, given: "list[Any]") -> Any:
        """The result of a call; the operators of torch that it calls are noted unless they are allowed."""
        mark = secrets.token_hex(8)
        worker_watch.record()
        self.watching = True
        try:
            with torch._C._profiler._RecordFunctionFast(mark):
                return self.entered(operator, given)
        finally:
            self.watching = False
            # Also those inside others: a mode of torch can compute inside an operator that is allowed.
            names = [name for kind, name in worker_watch.recorded() or [] if kind == "push"]
            for name in self.harness:
                if name in names:
                    names.remove(name)  # once: a kernel that calls it, too, is seen
            for name in names:
                if name.startswith(_OF_AUTOGRAD):
                    continue
                bare = name.rpartition("::")[2].partition(".")[0].rstrip("_")
                if not name.startswith(f"{self.extension}::") and bare not in self.allowed and "::" in name:
                    self.seen.setdefault(name, (f"calls the operator '{name}' of torch, which computes", None))
            if mark not in names:
                self.seen.setdefault("", ("ends the record of its operators; leave torch's profiler alone", None))

    def loaded(self, *, inspect: bool = False) -> Any:
        """The operator; loads the build if that has not been done. ``inspect``: finds what else it registers."""
        if self.operator is None:
            import kernels

            before = registrations() if inspect else set()
            self.watching = True
            try:
                module = kernels.get_local_kernel(self.place, backend=self.backend)
            finally:
                self.watching = False
            self.module, self.package = module, module.__name__
            self.operator = getattr(getattr(torch.ops, self.extension), self.name).default
            qualified = f"{self.extension}::{self.name}"
            changed = {one.partition("@")[0] for one in registrations() - before} if inspect else set()
            self.facts = {
                "schema": schema_text(self.operator._schema),
                "others": sorted(name for name in changed if not name.startswith(f"{self.extension}::"))[:_MOST_NOTED],
                "offered": callable(getattr(module, self.name, None)),
                "implemented": bool(torch._C._dispatch_has_kernel_for_dispatch_key(qualified, self.key))
                or bool(torch._C._dispatch_has_kernel_for_dispatch_key(qualified, "CompositeExplicitAutograd")),
            }
        return self.operator

    def checked(self, mode: str, operator: Any, given: "list[Any]", outputs: "dict[str, torch.Tensor]") -> str:
        """A call with other arguments than those of the example; returns what is wrong with its result. Raises what
        the operator raises.
        """
        if mode in LAYOUTS:
            other = [LAYOUTS[mode](one) if isinstance(one, torch.Tensor) else one for one in given]
            problem: str = self.store(self.entered(operator, other), outputs, other)
            for own, one in zip(given, other, strict=True):
                if isinstance(own, torch.Tensor):
                    own.copy_(one)
            return problem
        if mode == "empty":
            other = [one.new_empty([0] * one.dim()) if isinstance(one, torch.Tensor) else one for one in given]
            self.entered(operator, other)
        elif mode in ("guard", "stream"):
            return str(self.store(self.entered(operator, given), outputs, given))
        elif mode == "package":
            result = self.watched(self.package_call(), given)
            return str(self.store(result, outputs, given)) if outputs else ""
        elif mode.startswith("dtype "):
            number = int(mode.split()[1])
            other = [changed(one) if place == number else one for place, one in enumerate(given)]
            self.entered(operator, other)
        elif mode.startswith("device "):
            number = int(mode.split()[1])
            other = [self.elsewhere(one) if place == number else one for place, one in enumerate(given)]
            self.entered(operator, other)
        elif mode == "schema":
            with torch.no_grad(), torch._subclasses.schema_check_mode.SchemaCheckMode():
                operator(*[one.clone() if isinstance(one, torch.Tensor) else one for one in given])
        elif mode == "fake":
            with torch.no_grad():
                return fake_problem(operator, given)
        return ""

    def package_call(self) -> Any:
        """The package's function, called with the operator's arguments: by name where it has keywords only."""
        function: Any = getattr(self.module, self.name)
        try:
            parameters = inspect.signature(function).parameters
        except ValueError:  # a function in C
            return function
        keywords = {name for name, one in parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}
        names = [one.name for one in self.operator._schema.arguments]

        def call(*given: Any) -> Any:
            pairs = list(zip(names, given, strict=True))
            named = {name: value for name, value in pairs if name in keywords}
            return function(*(value for name, value in pairs if name not in keywords), **named)

        return call

    def elsewhere(self, tensor: "torch.Tensor") -> "torch.Tensor":
        """The tensor on a device that the operator was not written for."""
        return tensor.to("meta")


def schema_text(schema: Any) -> str:
    """A schema as bindings write it: torch shows ``Tensor! x`` as ``Tensor($0! -> ) x``."""
    parts: list[str] = []
    for one in schema.arguments:
        if one.kwarg_only and "*" not in parts:
            parts.append("*")
        written = one.alias_info is not None and one.alias_info.is_write
        parts.append(f"{one.type}{'!' if written else ''} {one.name}")
    return f"{schema.name}({', '.join(parts)}) -> ({', '.join(str(one.type) for one in schema.returns)})"


def registrations() -> "set[str]":
    """All that is registered with the dispatcher, as NAME@WHAT: schemas, and implementations with their places."""
    return {
        f"{name}@{line}"
        for name in torch._C._dispatch_get_all_op_names()
        for line in torch._C._dispatch_dump(name).splitlines()
    }


def apart(tensor: "torch.Tensor") -> "torch.Tensor":
    """The same values with other values between them."""
    if tensor.dim() == 0 or tensor.numel() == 0:
        return tensor.clone()
    wide = torch.ones((*tensor.shape, 2), dtype=tensor.dtype, device=tensor.device)
    if tensor.dtype is torch.bool:
        wide[..., 1] = ~tensor
    wide[..., 0] = tensor
    return wide[..., 0]


def padded(tensor: "torch.Tensor") -> "torch.Tensor":
    """The same values, with one more column that is not part of the tensor."""
    if tensor.dim() < 2 or tensor.numel() == 0:
        return tensor.clone()
    wide = torch.ones((*tensor.shape[:-1], tensor.shape[-1] + 1), dtype=tensor.dtype, device=tensor.device)
    wide[..., :-1] = tensor
    return wide[..., :-1]


LAYOUTS = {"apart": apart, "padded": padded}
"""How tensors are made that are not contiguous, by the mode of a call."""


def changed(tensor: object) -> "torch.Tensor":
    """The tensor in a dtype that no case has."""
    assert isinstance(tensor, torch.Tensor)
    return tensor.to(torch.complex64)


def fake_problem(operator: Any, given: "list[Any]") -> str:
    """How the results without data differ from those with data, in shape, dtype or strides; empty if they do not."""
    from torch._subclasses.fake_tensor import FakeTensorMode, UnsupportedOperatorException

    real = operator(*[one.clone() if isinstance(one, torch.Tensor) else one for one in given])
    try:
        with FakeTensorMode() as mode:
            fake = operator(*[mode.from_tensor(one) if isinstance(one, torch.Tensor) else one for one in given])
    except (UnsupportedOperatorException, NotImplementedError):
        return "has no implementation for tensors without data; register one with torch.library.register_fake"
    ones, others = ([one] if isinstance(one, torch.Tensor) else list(one or ()) for one in (real, fake))
    if len(ones) != len(others):
        return f"returns {len(others)} tensors for tensors without data, and {len(ones)} for others"
    for one, other in zip(ones, others, strict=True):
        for what in ("shape", "dtype", "stride"):
            own, found = (getattr(each, what)() if what == "stride" else getattr(each, what) for each in (one, other))
            if tuple(own) != tuple(found) if what != "dtype" else own != found:
                return f"gives {what} {found} for tensors without data, and {own} for others"
    return ""
