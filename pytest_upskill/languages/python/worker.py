"""The process that imports torch once, and its forks; in each fork lives one kernel. It imports only torch, the
standard library, ``worker_kernel`` beside it, and ``seccomp`` from the sandbox's folder, which is an argument.

Started as ``python -I -S worker.py CONTROL SANDBOX FILTER FILTER PATHS...``: an inherited socket that keeps the bounds
of messages, the folder of ``seccomp``, two filters of system calls, and folders in which torch is found. On CONTROL the
server receives ``start`` (with a worker's limits and four open files: the worker's own channel, the shared memory of
its tensors, the pipe to which it prints, and the kernel), ``end``, and ``clear`` with the folder of a worker that has
ended. For each worker that has ended, it sends back the worker's number and exit status. The server itself never loads
a kernel.

A worker is a fork that cannot create threads, files, sockets or processes, because it installs a filter of system calls
after the fork. Each message on its channel is one call: 8 bytes with which the answer must begin, and JSON. What a
worker says is untrusted as soon as it has loaded its kernel. The parent judges only the bytes in the shared memory, and
the way in which the process ends.
"""

import gc
import json
import mmap
import os
import resource
import select
import shutil
import signal
import socket
import sys
import traceback
import warnings
from typing import Any

MESSAGE_BYTES = 1 << 16
_WITH_TORCH = (
    "torch", "torchgen", "functorch", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe",
    "fsspec", "filelock",
)  # fmt: skip
"""What can be imported besides the standard library: torch and the packages that torch needs."""

MORE: "set[str]" = set()
"""Further packages that can be imported: those of which a kernel itself consists."""
_OURS = ("seccomp", "worker_kernel", "worker_watch")


class OnlyTorch:
    """An import finder that finds nothing, and refuses everything except torch and the standard library."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        top = name.partition(".")[0]
        known = (
            top in (*_WITH_TORCH, *_OURS, *MORE) or top in sys.stdlib_module_names or top.startswith("_sysconfigdata")
        )
        if not known:
            raise ModuleNotFoundError(
                f"No module named {name!r}: only torch and Python's standard library can be imported here", name=name
            )


sys.path[:0] = [sys.argv[2], os.path.dirname(os.path.abspath(__file__))]  # noqa: PTH100, PTH120 - no pathlib needed
sys.path += sys.argv[5:]
sys.meta_path.insert(0, OnlyTorch())
warnings.simplefilter("ignore")

import seccomp  # type: ignore[import-not-found]  # noqa: E402
import worker_kernel  # type: ignore[import-not-found]  # noqa: E402

del sys.path[:2]

KERNEL: Any = worker_kernel.Kernel
"""The class whose instance is made from a kernel's plan, in a fork, before the fork gives up its rights."""
SCRATCH = ""
"""The folder in which each kernel has its own folder, which ``clear`` removes; empty if kernels have no folders."""


def main() -> None:
    """Serve until the parent closes the socket."""
    control = socket.socket(fileno=int(sys.argv[1]))
    worker_kernel.prepare_torch()
    seccomp.hide()
    gc.collect()
    gc.freeze()
    control.send(b"ready")
    serve(control)


def serve(control: socket.socket) -> None:
    """Start workers, end them, and report their exit statuses."""
    poller = select.poll()
    poller.register(control, select.POLLIN)
    numbers: dict[int, tuple[int, bytes]] = {}
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
            elif word == b"clear":
                clear(os.path.basename(message[5:].decode()))  # noqa: PTH119
            else:
                for process, other in numbers.values():
                    if other == number:
                        os.kill(process, signal.SIGKILL)


def clear(name: str) -> None:
    """Remove the folder of a worker that has ended."""
    if SCRATCH and name:
        shutil.rmtree(os.path.join(SCRATCH, name), ignore_errors=True)  # noqa: PTH118


def status_of(process: int) -> int:
    """The exit status of a worker, as a shell sees it."""
    _, status = os.waitpid(process, 0)
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def become_worker(inherited: "list[int]", files: "list[int]", limits: "dict[str, float]") -> None:
    """In the fork: close what a kernel does not need, and serve the calls of one kernel. Does not return."""
    try:
        channel, shared, output, source = files
        for descriptor in inherited:
            os.close(descriptor)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        # pread, because the parent and other forks share the file offset.
        plan = json.loads(os.pread(source, os.fstat(source).st_size, 0))
        os.close(source)
        worker_kernel.seed_generators()
        kernel = KERNEL(plan)
        limit_resources(limits)
        seccomp.hide()
        # Later filters cannot lift what earlier ones refuse.
        filtered = seccomp.install(sys.argv[3]) and seccomp.install(sys.argv[4])
        own = socket.socket(fileno=channel)
        own.send(b"ready" if filtered else b"ready, unfiltered")
        work(own, shared, kernel, limits["seconds"])
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(70)


def limit_resources(limits: "dict[str, float]") -> None:
    """Set limits that cannot be raised again. Memory that torch already uses does not count."""
    memory = int(limits["memory"])
    seccomp.limit(resource.RLIMIT_CORE, 0)
    seccomp.limit(resource.RLIMIT_AS, memory + (seccomp.address_space() or 4 << 30))  # an estimate if /proc is missing
    seccomp.limit(resource.RLIMIT_DATA, memory + (1 << 30))
    seccomp.limit(resource.RLIMIT_CPU, int(limits["cpu_seconds"]))
    seccomp.limit(resource.RLIMIT_FSIZE, int(limits["file_size"]))
    seccomp.limit(resource.RLIMIT_NOFILE, 64)


class Late(BaseException):
    """Raised in the kernel when the time of a call is nearly over, so that the kernel's current line is known."""


def work(channel: socket.socket, shared: int, kernel: "Any", seconds: float) -> None:
    """Serve calls until the parent closes the channel."""
    memory: mmap.mmap | None = None
    set_timer, clock = signal.setitimer, signal.ITIMER_REAL  # a kernel could replace them

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
            answer = {"kind": "timeout", "message": "", "line": worker_kernel.line_of(error)}
        except BaseException as error:
            text, line = worker_kernel.describe(error), worker_kernel.line_of(error)
            answer = {"kind": "exception", "message": text, "line": line, **getattr(error, "facts", {})}
        finally:
            set_timer(clock, 0)
        answer["folder"] = getattr(kernel, "folder", "")
        answer["seen"] = [[name, *where] for name, where in kernel.seen.items()]
        channel.send(message[:8] + json.dumps(answer).encode()[: MESSAGE_BYTES - 8])


if __name__ == "__main__":
    main()
