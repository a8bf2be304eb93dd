"""Cost of a sandbox: its start (until the first answer), and a call without the kernel's own work.

Run: python benchmarks/sandbox.py [--quick]. The levels alternate, and the first round is a warm-up; figures are
medians. The strongest level must cost less than 40 ms more than none; otherwise the exit status is 1.
``--quick`` measures once, to try the benchmark, and does not compare.
"""

from __future__ import annotations

import array
import statistics
import sys
import time

from pytest_upskill.contracts.launcher.signature import Parameter, Signature, entry_source
from pytest_upskill.languages.cuda.cpu_build import HostCompiler
from pytest_upskill.records import Build, Call, ScalarArgument, TensorArgument
from pytest_upskill.sandbox.client import Sandbox
from pytest_upskill.sandbox.confinement import Confinement, find, strongest

QUICK = "--quick" in sys.argv
ROUNDS = 1 if QUICK else 15
MOST_MORE = 40.0
SIGNATURE = Signature(
    "copy",
    ("float32",),
    False,
    (
        Parameter("out", "float", "output"),
        Parameter("x", "float", "input"),
        Parameter("n", "int64_t", "dim"),
        Parameter("stream", "cudaStream_t", "stream"),
    ),
)
SOURCE = """
#include <cuda_runtime.h>
void copy(float* out, const float* x, int64_t n, cudaStream_t stream) {
  cudaMemcpyAsync(out, x, n * sizeof(float), cudaMemcpyDeviceToDevice, stream);
}
"""


def call_of(elements: int) -> Call:
    data = array.array("f", bytes(4 * elements))
    return Call(
        0,
        (
            TensorArgument("out", "output", "float32", (elements,)),
            TensorArgument("x", "input", "float32", (elements,), data),
            ScalarArgument("n", "int", elements),
        ),
    )


def main() -> None:
    strong = strongest()
    levels: dict[str, Confinement] = {level.level: level for level in (strong, find(None), Confinement("process"))}
    build = HostCompiler().build(SOURCE, entry_source(SIGNATURE), confinement=strong)
    starts: dict[str, list[float]] = {level: [] for level in levels}
    for _ in range(ROUNDS + 1):
        for level, confinement in levels.items():
            starts[level].append(start(build, confinement))
    medians = {level: 1e3 * statistics.median(seconds[1:]) for level, seconds in starts.items()}
    for level, milliseconds in medians.items():
        print(
            f"start and first answer, {level:<12}{milliseconds:8.2f} ms: {milliseconds - medians['process']:+.2f} ms, "
            f"{milliseconds / medians['process']:.2f} times that of a plain process"
        )
    for elements in (16, 1 << 14, 1 << 20):
        print(f"call, copy of {elements:>8} floats    {1e3 * call_seconds(build, strong, elements):8.3f} ms")
    if not QUICK and medians[strong.level] - medians["process"] >= MOST_MORE:
        sys.exit(f"a confined start costs {MOST_MORE:g} ms more than a plain one, or above")


def start(build: Build, confinement: Confinement) -> float:
    assert build.library is not None, build.message
    call = call_of(16)
    started = time.perf_counter()
    with Sandbox(build.library, confinement) as sandbox:
        answer = sandbox.call(call)
        seconds = time.perf_counter() - started
    assert not answer.findings, answer.findings
    return seconds


def call_seconds(build: Build, confinement: Confinement, elements: int) -> float:
    assert build.library is not None, build.message
    call = call_of(elements)
    seconds = []
    with Sandbox(build.library, confinement) as sandbox:
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            answer = sandbox.call(call)
            seconds.append(time.perf_counter() - started)
            assert not answer.findings, answer.findings
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
