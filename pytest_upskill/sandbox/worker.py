"""The process in which kernels run. For a fast start, it imports few modules of the standard library, and ``seccomp``.

Started as ``python -I -S worker.py CONTROL SHARED MEMORY CPU FILE DEVICE SECONDS FILTER THREADS CODE``. CONTROL and
SHARED are inherited descriptors: a socket that keeps the bounds of messages, and the memory in which tensors are
passed. MEMORY, CPU and FILE are limits (bytes, seconds, bytes). DEVICE is ``cpu`` or ``cuda``, and SECONDS the limit on
a call. FILTER, THREADS and CODE are filters of system calls (empty: none): for kernels, for new threads, and for new
code; the last one is installed before a constructor of the kernel runs.

The parent first sends the descriptors of two libraries, the driver's and the kernel's (on a GPU, one library contains
both). Then it sends one message for each call: a nonce of 8 bytes, 8 bytes with the size of the shared memory in use,
and the request, whose format only the driver knows. The answer is the nonce and the driver's lines.

An answer that was made before its call does not have the nonce. A kernel shares this process, so it can read the nonce
while it runs, and forge the lines of its own call. It can forge nothing else, because the parent judges its results
from the bytes in the shared memory and from the way in which the process ends.
"""

import _socket
import ctypes
import mmap
import os
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib takes 10 ms to load

import seccomp  # type: ignore[import-not-found]

MESSAGE_BYTES = 1 << 16


def main() -> None:
    """Serve calls until the parent closes the channel."""
    control, shared, memory, cpu_seconds, file_size = (int(word) for word in sys.argv[1:6])
    on_gpu, seconds = sys.argv[6] == "cuda", float(sys.argv[7])
    limit_resources(memory, cpu_seconds, file_size, on_gpu)
    seccomp.hide()
    filtered = seccomp.install(sys.argv[8])
    if on_gpu:
        open_gpu()
    channel = _socket.socket(fileno=control)
    say_ready(channel, seccomp.listen(sys.argv[9]) if filtered else -1)
    runtime, kernel = receive_libraries(channel)
    driver = ctypes.CDLL(runtime, mode=os.RTLD_NOW | os.RTLD_GLOBAL)
    driver.upskill_call.restype = ctypes.c_char_p
    driver.upskill_call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    sealing = bytes.fromhex(sys.argv[10]) if filtered else b""
    if sealing:
        driver.upskill_set_filter(sealing, ctypes.c_size_t(len(sealing)))
    entry = ctypes.cast(ctypes.CDLL(kernel, mode=os.RTLD_NOW | os.RTLD_LOCAL).upskill_entry, ctypes.c_void_p)
    if sealing and not driver.upskill_is_sealed():
        sys.exit("the kernel's library prevents the filter of system calls")
    window = Window(shared)
    # A kernel on the cpu device is stopped at its limit of processor time, so that its line can be reported.
    limit_time = (lambda seconds: None) if on_gpu else driver.upskill_limit_time
    while True:
        message = channel.recv(MESSAGE_BYTES)
        if not message:
            os._exit(0)
        request = message[16:]
        base = window.address(int.from_bytes(message[8:16], "little"))
        limit_time(ctypes.c_double(seconds))
        lines = driver.upskill_call(entry, base, request, len(request))
        limit_time(ctypes.c_double(0))
        channel.send(message[:8] + lines[: MESSAGE_BYTES - 8])


def say_ready(channel: "_socket.socket", listener: int) -> None:
    """Tell the parent that the process is ready. If there is a filter for new threads, the message carries its
    listener's descriptor.
    """
    if listener < 0:
        channel.send(b"ready")
        return
    packed = listener.to_bytes(4, sys.byteorder)
    channel.sendmsg([b"ready"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])
    os.close(listener)


class Window:
    """The mapped part of the shared memory. It is as large as the largest call so far."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = 0
        self.start = 0

    def address(self, size: int) -> int:
        """The address of the mapping, which is enlarged to at least ``size`` bytes if necessary."""
        if size > self.size:
            self.map = mmap.mmap(self.descriptor, size)
            self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
            self.size = size
        return self.start


def receive_libraries(channel: "_socket.socket") -> tuple[str, str]:
    """The paths of the runtime and of the kernel's library. They are received as open files, because their folders are
    not visible.
    """
    space = _socket.CMSG_SPACE(8)
    data, ancillary, _, _ = channel.recvmsg(16, space)
    if not data:
        os._exit(0)
    packed = ancillary[0][2]
    descriptors = [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4)]
    return f"/proc/self/fd/{descriptors[0]}", f"/proc/self/fd/{descriptors[-1]}"


def open_gpu() -> None:
    """Create the GPU's context before the kernel is loaded, so that a failure is known to be the machine's fault."""
    cuda = ctypes.CDLL("libcuda.so.1")
    context = ctypes.c_void_p()
    code = cuda.cuInit(0) or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
    if code:
        name, text = ctypes.c_char_p(), ctypes.c_char_p()
        cuda.cuGetErrorName(code, ctypes.byref(name))
        cuda.cuGetErrorString(code, ctypes.byref(text))
        sys.exit(f"{(name.value or b'').decode()} ({code}): {(text.value or b'').decode()}")


def limit_resources(memory: int, cpu_seconds: int, file_size: int, on_gpu: bool) -> None:
    """Set limits of this process. Only root outside of bubblewrap can raise them again.

    CUDA's driver reserves terabytes of address space and opens many files. Therefore, with a GPU, the limit on memory
    counts private writable memory only.
    """
    seccomp.limit(resource.RLIMIT_CORE, 0)
    seccomp.limit(resource.RLIMIT_DATA if on_gpu else resource.RLIMIT_AS, memory)
    seccomp.limit(resource.RLIMIT_CPU, cpu_seconds)
    seccomp.limit(resource.RLIMIT_FSIZE, file_size)
    seccomp.limit(resource.RLIMIT_NOFILE, 1024 if on_gpu else 64)


if __name__ == "__main__":
    main()
