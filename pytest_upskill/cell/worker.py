"""The process in which kernels run. Stands alone: it imports the fewest modules of the standard library, nothing else.

Started as ``python -I -S worker.py CONTROL SHARED MEMORY CPU FILE DEVICE``: two inherited descriptors (a socket that
keeps the bounds of messages, and the shared memory that tensors travel through), limits (bytes, seconds, bytes), and
the device, ``cpu`` or ``cuda``. The parent first sends the descriptors of the library that holds the driver and of the
kernel's (on a GPU both are one, and one descriptor comes), then one message for each call:
8 bytes that the answer begins with, 8 bytes that say how much of the shared memory is in use, and the request,
which only the driver understands. The answer is those 8 bytes, and the driver's lines.

Nothing here can be trusted once a kernel was loaded: the parent judges bytes, and the way in which the process ends.
"""

import _socket
import ctypes
import mmap
import os
import resource
import sys

MESSAGE_BYTES = 1 << 16


def main() -> None:
    """Serves calls until the parent hangs up."""
    control, shared, memory, cpu_seconds, file_size = (int(word) for word in sys.argv[1:6])
    on_gpu, seconds = sys.argv[6] == "cuda", float(sys.argv[7])
    limit_resources(memory, cpu_seconds, file_size, on_gpu)
    libc = ctypes.CDLL(None, use_errno=True)
    give_up_powers(libc, on_gpu)
    if on_gpu:
        open_gpu()
    channel = _socket.socket(fileno=control)
    channel.send(b"ready")
    runtime, kernel = receive_libraries(channel)
    driver = ctypes.CDLL(runtime, mode=os.RTLD_NOW | os.RTLD_GLOBAL)
    driver.upskill_call.restype = ctypes.c_char_p
    driver.upskill_call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    entry = ctypes.cast(ctypes.CDLL(kernel, mode=os.RTLD_NOW | os.RTLD_LOCAL).upskill_entry, ctypes.c_void_p)
    window = Window(shared)
    # A kernel of the cpu device is stopped a little before the parent's patience ends, so that it can say where it was.
    limit_time = (lambda seconds: None) if on_gpu else driver.upskill_limit_time
    margin = 0.9
    while True:
        message = channel.recv(MESSAGE_BYTES)
        if not message:
            os._exit(0)
        request = message[16:]
        base = window.address(int.from_bytes(message[8:16], "little"))
        limit_time(ctypes.c_double(margin * seconds))
        lines = driver.upskill_call(entry, base, request, len(request))
        limit_time(ctypes.c_double(0))
        channel.send(message[:8] + lines[: MESSAGE_BYTES - 8])


class Window:
    """The part of the shared memory that is mapped: as much as any call needed so far."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = 0
        self.start = 0

    def address(self, size: int) -> int:
        """The address of a mapping of at least ``size`` bytes."""
        if size > self.size:
            self.map = mmap.mmap(self.descriptor, size)
            self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
            self.size = size
        return self.start


def receive_libraries(channel: "_socket.socket") -> tuple[str, str]:
    """Paths of the runtime and of the kernel's library, which come as open files: no folder needs to be visible."""
    space = _socket.CMSG_SPACE(8)
    data, ancillary, _, _ = channel.recvmsg(16, space)
    if not data:
        os._exit(0)
    packed = ancillary[0][2]
    descriptors = [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4)]
    return f"/proc/self/fd/{descriptors[0]}", f"/proc/self/fd/{descriptors[-1]}"


def open_gpu() -> None:
    """Makes the GPU's context while nothing of the kernel's is loaded: what goes wrong here is the machine's fault."""
    cuda = ctypes.CDLL("libcuda.so.1")
    context = ctypes.c_void_p()
    code = cuda.cuInit(0) or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
    if code:
        name, text = ctypes.c_char_p(), ctypes.c_char_p()
        cuda.cuGetErrorName(code, ctypes.byref(name))
        cuda.cuGetErrorString(code, ctypes.byref(text))
        sys.exit(f"{(name.value or b'').decode()} ({code}): {(text.value or b'').decode()}")


def limit_resources(memory: int, cpu_seconds: int, file_size: int, on_gpu: bool) -> None:
    """Limits that hold for this process and cannot be raised again (but by root, outside of bubblewrap).

    CUDA's driver reserves address space by the terabyte and opens files by the dozen: with a GPU, what counts against
    the limit on memory is what is writable and the process's own.
    """
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA if on_gpu else resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_NOFILE, 1024 if on_gpu else 64),
    ):
        _, hard = resource.getrlimit(what)
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (bound, bound))


PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
SIGKILL = 9


def give_up_powers(libc: ctypes.CDLL, on_gpu: bool) -> None:
    """No core, no debugger, no new processes, no sockets, no signals to others; killed when the parent is gone."""
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.uname().machine == "x86_64":
        install_filter(libc, on_gpu)


class Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install_filter(libc: ctypes.CDLL, on_gpu: bool) -> None:
    """A seccomp filter for x86-64; failing to install it leaves the other fences standing."""
    code = b"".join(filter_instructions(os.getpid(), on_gpu))
    program = Program(len(code) // 8, code)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


LOAD, EQUAL, MASKED, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, REFUSE, MISSING, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
ARCHITECTURE = 0xC000003E
X32_BIT = 0x40000000
CLONE_THREAD = 0x00010000
CLONE, CLONE3, PRLIMIT = 56, 435, 302
SIGNALS = (62, 129, 234, 297)  # kill, rt_sigqueueinfo, tgkill, rt_tgsigqueueinfo
REFUSED = (
    *(41, 42, 49, 53),  # socket, connect, bind, socketpair
    *(57, 58, 59, 322),  # fork, vfork, execve, execveat
    *(101, 310, 311, 438),  # ptrace, process_vm_readv, process_vm_writev, pidfd_getfd
    *(109, 112, 200, 424),  # setpgid, setsid, tkill, pidfd_send_signal
    *(165, 166, 272, 308),  # mount, umount2, unshare, setns
    *(155, 161, 160),  # pivot_root, chroot, setrlimit
    *(298, 321, 323, 425),  # perf_event_open, bpf, userfaultfd, io_uring_setup
    *(246, 248, 250, 169, 175, 313),  # kexec_load, add_key, keyctl, reboot, init_module, finit_module
)


SOCKET, AF_UNIX = 41, 1
OF_CUDA = (42, 49)  # connect, bind


def filter_instructions(own: int, on_gpu: bool = False) -> "list[bytes]":
    """Berkeley packet filter: refuses (EPERM) what a kernel's host code has no need of; threads stay possible.

    CUDA's driver shares descriptors through a local socket with an abstract name, so that with a GPU local sockets
    are allowed; those of bubblewrap's network namespace reach nobody outside.
    """

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return code.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little")

    number, architecture, argument = 0, 4, 16
    steps = [step(LOAD, architecture), step(EQUAL, ARCHITECTURE, 1), step(RETURN, KILL), step(LOAD, number)]
    steps += [step(AT_LEAST, X32_BIT, 0, 1), step(RETURN, REFUSE)]
    steps += [step(EQUAL, CLONE3, 0, 1), step(RETURN, MISSING)]
    if on_gpu:
        steps += [step(EQUAL, SOCKET, 0, 4), step(LOAD, argument), step(EQUAL, AF_UNIX, 1), step(RETURN, REFUSE)]
        steps += [step(RETURN, ALLOW)]
    for refused in REFUSED:
        if on_gpu and refused in (SOCKET, *OF_CUDA):
            continue
        steps += [step(EQUAL, refused, 0, 1), step(RETURN, REFUSE)]
    for signal in SIGNALS:
        steps += [step(EQUAL, signal, 0, 4), step(LOAD, argument), step(EQUAL, own, 1), step(RETURN, REFUSE)]
        steps += [step(RETURN, ALLOW)]
    # Reading limits is fine (libc does, for the size of stacks), setting them is not: the third argument must be NULL.
    steps += [step(EQUAL, PRLIMIT, 0, 6), step(LOAD, argument + 16), step(EQUAL, 0, 0, 2), step(LOAD, argument + 20)]
    steps += [step(EQUAL, 0, 1), step(RETURN, REFUSE), step(RETURN, ALLOW)]
    steps += [step(EQUAL, CLONE, 0, 3), step(LOAD, argument), step(MASKED, CLONE_THREAD, 1), step(RETURN, REFUSE)]
    return [*steps, step(RETURN, ALLOW)]


if __name__ == "__main__":
    main()
