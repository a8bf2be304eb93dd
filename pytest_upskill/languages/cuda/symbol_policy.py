"""Checks what a built object imports, defines and exports (the symbol policy). Never reads the source.

The object may call the CUDA runtime, and functions of the C and C++ libraries that compute, handle memory and text, or
print (``allowed_functions``). System calls in assembly import nothing, so this policy does not see them; the sandbox
refuses them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_upskill.build import elf
from pytest_upskill.languages.cuda.allowed_functions import is_allowed
from pytest_upskill.native import BEGIN, ENTRY
from pytest_upskill.sandbox.client import RUNTIME

_LIBRARIES = re.compile(
    rf"{re.escape(RUNTIME)}|lib(stdc\+\+|c\+\+|c\+\+abi|gcc_s|unwind|m|mvec|c|pthread|rt)\.so(\.\d+)?|"
    r"ld-linux[\w.-]*\.so\.\d+"
)
"""Matches the libraries that an object may need."""

UNLISTED = "is not one of the functions that launchers may call (CUDA runtime, mathematics, memory, text, output)"
_MOST_SHOWN = 5
_LONGEST = 1024
"""The most characters of an imported name. Names of templates that a kernel instantiates can be longer, but the kernel
defines them and does not import them.
"""

_RULES = tuple((why, re.compile("|".join(patterns))) for why, *patterns in (
    ("load code while they run",
     r"_*(libc_)?dl(m?open|v?sym|open_mode|iterate_phdr|addr1?|info)",
     r"cuda(GetDriverEntryPoint|Library|GetKernel|ModuleLoad)\w*",
     r"cu(Module|Library|Link|GetProcAddress|Init|Launch|Ctx|Mem)\w*",
     r"nvrtc\w*"),
    ("start processes",
     r"_*(v?fork|clone\d?|system|popen|pclose|daemon|posix_spawnp?|exec[lv]p?e?|execvpe|fexecve|execveat|wait(pid|id|3|4)?)"),
    ("start threads of the host",
     r"pthread_create|thrd_create|_ZNSt6thread15_M_start_thread.*|_ZNSt3__16thread.*|pthread_kill|pthread_cancel"),
    ("use sockets",
     r"socket(pair)?|connect|bind|listen|accept4?|shutdown|(send|recv)(to|from|msg|mmsg)?|getaddrinfo|gethostby\w+",
     r"[gs]etsockopt|getpeername|getsockname"),
    ("inspect or change the process that they run in",
     r"ptrace|process_vm_(read|write)v|p?key_?mprotect|pkey_\w+|mprotect|mmap(64)?|munmap|mremap|madvise|mincore|mlock\w*",
     r"memfd_create|shm(_open|_unlink|get|at|ctl)|syscall|prctl|arch_prctl|personality|userfaultfd|[gs]etcontext",
     r"[gs]?e?t?rlimit(64)?|setrlimit(64)?|prlimit(64)?|sbrk|brk|unshare|setns|mount|chroot|__libc_start_main",
     r"_r_debug|_rtld_global\w*|_dl_\w+|__libc_stack_end|_*getauxval|__libc_(argv|enable_secure)",
     r"cuda(Ipc|ImportExternal|Graphics)\w*"),
    ("use files",
     r"_*open(at)?(64)?(_2)?|creat(64)?|f(re|d)?open(64)?|fopencookie|mkstemps?(64)?|mkdtemp|tmpfile(64)?",
     r"p?(read|write)v?(64)?|__p?read(64)?_chk|lseek(64)?|dup[23]?|close|close_range|pipe2?|ioctl|fcntl(64)?|sendfile(64)?",
     r"opendir|fdopendir|readdir(64)?|scandir(64)?|nftw(64)?|ftw(64)?|glob(64)?|l?stat(64)?|statx|access|faccessat",
     r"unlink(at)?|remove|rename(at)?2?|rmdir|mkdir(at)?|symlink(at)?|link(at)?|f?truncate(64)?|f?chmod|f?chown|mkfifo",
     r"_ZN?K?St.*basic_(filebuf|ifstream|ofstream|fstream).*|_ZN?K?St10filesystem.*|_ZNSt3__1\d+basic_filebuf.*"),
    ("send signals, or catch them",
     r"kill|killpg|raise|tgkill|tkill|sigqueue|signal|(bsd|sysv)_signal|sigaction|sigprocmask|pthread_sigmask|sigaltstack",
     r"alarm|ualarm|setitimer|timer_create"),
    ("end the process past its handlers", r"_exit|_Exit|quick_exit"),
    ("have the host's functions run in a stream", r"cudaLaunchHostFunc\w*|cudaStreamAddCallback\w*"),
    ("copy in a way that is not watched",
     r"cudaMemcpy(2D)?(Peer|Batch|FromArray|ArrayToArray)\w*|cudaMemcpy3D\w*|cudaGraphAdd(Memcpy|Host)\w*"),
    ("use memory that host and device share",
     r"cudaMallocManaged\w*|cudaMallocHost|cudaHost(Alloc|Register|GetDevicePointer)\w*|cudaMemPrefetch\w*",
     r"_*cudaRegisterManagedVar\w*|_*cudaInitManagedRuntime\w*"),
    ("call libraries of ready-made kernels",
     r"(cublas|cudnn|cufft|cusparse|cusolver|curand[A-Z]|cutensor|nccl|npp|nvjpeg)\w*|aoti_torch_\w*|_ZNK?(2at|5torch|3c10)\w*"),
    ("call the harness", r"upskill_(?!cpu_)\w*|_Z\w*7upskill\w*|_Py\w*|Py[A-Z]\w*"),
))  # fmt: skip
"""Patterns of names that must not be imported. The text completes "kernels may not ..."."""

_OF_PYTORCH = re.compile(r"_?Py|_Z\w*?(?:2at|3c10|5torch|6caffe2)")

_RESERVED = re.compile(r"(__tsan|__ubsan|__asan)_\w*|upskill_\w*")
_RESERVED_FUNCTIONS = re.compile(r"_*cuda[A-Z]\w*")
"""Matches functions of the CUDA runtime. If an object defined such a function, or a name of the harness
(``_RESERVED``), it would replace the original.
"""


def violations(library: Path, kernel: Path | None = None) -> tuple[str, ...]:
    """A message for each violation; at most six, and then the number of the rest. ``kernel`` is the student's object,
    if the library also has parts of ours. Raises ToolchainError if a file cannot be opened.
    """
    try:
        linked = elf.read(library)
        own = elf.read(kernel) if kernel is not None else linked
    except elf.Unreadable as error:
        rule = "what it calls must be readable: leave sections and tables of symbols to the compiler"
        return (f"the built kernel cannot be read ({error}); {rule}",)
    runtime = library.with_name(RUNTIME)
    ours = _exports(runtime, runtime.stat().st_mtime_ns) if runtime.exists() else frozenset()
    found = list(dict.fromkeys(_violations(linked, own, ours)))
    more = len(found) - _MOST_SHOWN
    return (*found[:_MOST_SHOWN], *([f"and {more} more of this kind"] if more > 0 else []))


def forbidden_calls(imports: Iterable[str]) -> Iterator[str]:
    """A message for each function of CUDA or the system that a library of PyTorch imports, although kernels may not
    call it.
    """
    for name in sorted(name for name in imports if len(name) <= _LONGEST and not _OF_PYTORCH.match(name)):
        if why := next((why for why, names in _RULES if names.fullmatch(name)), None):
            yield f"it calls {_shown(name)}; kernels may not {why}: remove the call"


@functools.lru_cache(maxsize=64)
def _exports(runtime: Path, changed: int) -> frozenset[str]:
    """The names that the cpu device's runtime exports. Some are names of the harness, which a rule forbids."""
    return elf.read(runtime).exports


def _violations(linked: elf.Image, own: elf.Image, ours: frozenset[str]) -> Iterator[str]:
    for name in linked.needed:
        if not _LIBRARIES.fullmatch(name):
            rule = "only the C, C++ and CUDA run times may be used: compute in kernels of your own"
            yield f"the kernel needs the library {name!r}; {rule}"
    for name in sorted(own.imports):
        known = len(name) <= _LONGEST
        why = next((why for why, names in _RULES if names.fullmatch(name)), None) if known else None
        if why is not None:
            yield f"the kernel calls {_shown(name)}; kernels may not {why}: remove the call"
        elif not known or (name not in ours and not is_allowed(name)):
            yield f"the kernel calls {_shown(name)}, which {UNLISTED}: remove the call"
    if linked.runs_early:
        yield "the kernel has a function that the loader would call to resolve a symbol (ifunc): call it directly"
    if linked.executable_stack:
        yield "the kernel asks for an executable stack: remove what does so, such as an own section '.note.GNU-stack'"
    reserved = {name for name in own.defined if _RESERVED.fullmatch(name)}
    reserved |= {name for name in own.defined - own.data if _RESERVED_FUNCTIONS.fullmatch(name)}
    for name in sorted(reserved - {ENTRY, BEGIN}):
        yield f"the kernel defines {_shown(name)}, a name of the harness or of the CUDA run time: rename it"
    for name in sorted(linked.exports - {ENTRY}) if own is linked else ():
        yield f"the kernel shows {_shown(name)} to the process; only the function asked for may be seen: hide it"


_READABLE = (
    (re.compile(r"_ZNSt6thread.*|_ZNSt3__16thread.*"), "std::thread"),
    (re.compile(r".*basic_(filebuf|ifstream|ofstream|fstream).*"), "std::fstream"),
    (re.compile(r".*St10filesystem.*"), "std::filesystem"),
)


def _shown(name: str) -> str:
    """A name in readable form. It is shortened, because the object chooses its length."""
    readable = next((words for pattern, words in _READABLE if pattern.fullmatch(name)), name)
    return repr(readable[:80])
