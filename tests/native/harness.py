"""Runs kernel libraries in a process of its own: ``python harness.py RUNTIME LIBRARY...``.

The request comes on stdin, the answer goes to stdout, both JSON. Imports nothing but the standard library.

A request is a list of calls ``{"library": 0, "which": 0, "order": 0, "seed": 1, "seconds": 0, "buffers": [{"name",
"data" (hex), "read_only", "written"}]}``; "seconds" limit a launch, or not if 0; "written" says whether the kernel may
read the buffer before it writes.
Each call gets fresh device memory, guarded on both sides; its answer has the buffers' bytes, the reports and the error.
"""

import ctypes
import json
import sys
from typing import Any

GUARD = 256
CHECK_ALL = 7


def main() -> None:
    runtime = ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
    runtime.upskill_report.restype = ctypes.c_char_p
    runtime.upskill_report_count.restype = ctypes.c_size_t
    entries = [ctypes.CDLL(path).upskill_entry for path in sys.argv[2:]]
    answers = [run(runtime, entries[call.get("library", 0)], call) for call in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)


def run(runtime: ctypes.CDLL, entry: Any, call: dict[str, Any]) -> dict[str, Any]:
    runtime.upskill_clear_reports()
    runtime.upskill_unwatch_all()
    runtime.upskill_configure(call.get("order", 0), ctypes.c_uint64(call.get("seed", 1)), CHECK_ALL)
    buffers = [Buffer(runtime, **item) for item in call["buffers"]]
    pointers = (ctypes.c_void_p * len(buffers))(*(buffer.address for buffer in buffers))
    runtime.upskill_limit_time(ctypes.c_double(call.get("seconds", 0)))
    entry(call.get("which", 0), pointers, None)
    error = runtime.cudaGetLastError()
    count = runtime.upskill_report_count()
    reports = [runtime.upskill_report(ctypes.c_size_t(index)).decode().split("\t") for index in range(count)]
    runtime.upskill_clear_reports()
    return {"error": error, "reports": reports, "buffers": [buffer.close() for buffer in buffers]}


class Buffer:
    def __init__(self, runtime: ctypes.CDLL, name: str, data: str, read_only: bool, written: bool) -> None:
        contents = bytearray.fromhex(data)
        base = ctypes.c_void_p()
        runtime.cudaMalloc(ctypes.byref(base), ctypes.c_size_t(len(contents) + 2 * GUARD + 32))
        self.runtime, self.base, self.size = runtime, base, len(contents)
        self.address = (base.value or 0) + GUARD + 16  # aligned to 16 bytes and not to 32
        self.copy(self.address, (ctypes.c_char * len(contents)).from_buffer(contents), 1)
        access = 0 if read_only else 1
        runtime.upskill_watch(
            ctypes.c_void_p(self.address), ctypes.c_size_t(len(contents)), name.encode(), access, written
        )

    def copy(self, target: Any, source: Any, kind: int) -> None:
        ends = [ctypes.c_void_p(end) if isinstance(end, int) else end for end in (target, source)]
        assert self.runtime.cudaMemcpy(*ends, ctypes.c_size_t(self.size), kind) == 0

    def close(self) -> str:
        data = (ctypes.c_char * self.size)()
        self.copy(data, self.address, 2)
        self.runtime.cudaFree(self.base)
        return bytes(data).hex()


if __name__ == "__main__":
    main()
