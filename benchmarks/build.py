"""What a kernel's build costs: for the cpu device with a warm precompiled header, nvcc's check, both at once, a hit.

Run: python benchmarks/build.py. Sources differ by a comment, so that each one is really compiled; the ways take turns
(A B C A B C ...), and the first round is a warm-up. Medians, and the ratio of "both at once" to one after the other.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pytest_upskill.build.cache import Cache
from pytest_upskill.build.host import HostCompiler
from pytest_upskill.build.nvcc import NvccCheck
from pytest_upskill.cell.confine import strongest
from pytest_upskill.signature import Parameter, Signature, entry_source

ROUNDS = 9
SIGNATURE = Signature(
    "rms_norm",
    ("float32", "float16", "bfloat16"),
    True,
    (
        Parameter("out", "scalar_t", "output"),
        Parameter("x", "scalar_t", "input"),
        Parameter("weight", "scalar_t", "input"),
        Parameter("eps", "float", "scalar"),
        Parameter("rows", "int64_t", "dim"),
        Parameter("cols", "int64_t", "dim"),
        Parameter("stream", "cudaStream_t", "stream"),
    ),
)
SOURCE = """
#include <cuda_runtime.h>
#include <cuda_fp16.h>
#include <cuda_bf16.h>
template <typename scalar_t>
__global__ void rms_norm_kernel(scalar_t* out, const scalar_t* x, const scalar_t* weight, float eps, int64_t cols) {
  __shared__ float partial[256];
  const scalar_t* row = x + blockIdx.x * cols;
  float sum = 0.0f;
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) sum += (float)row[c] * (float)row[c];
  partial[threadIdx.x] = sum;
  __syncthreads();
  for (int width = 128; width > 0; width /= 2) {
    if (threadIdx.x < width) partial[threadIdx.x] += partial[threadIdx.x + width];
    __syncthreads();
  }
  float scale = rsqrtf(partial[0] / cols + eps);
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x)
    out[blockIdx.x * cols + c] = (scalar_t)((float)row[c] * scale * (float)weight[c]);
}
template <typename scalar_t>
void rms_norm(scalar_t* out, const scalar_t* x, const scalar_t* weight, float eps, int64_t rows, int64_t cols,
              cudaStream_t stream) {
  rms_norm_kernel<<<rows, 256, 0, stream>>>(out, x, weight, eps, cols);
}
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder))
        host, nvcc, confinement, entry = HostCompiler(cache), NvccCheck(cache), strongest(), entry_source(SIGNATURE)
        started = time.perf_counter()
        host.prepare()
        print(f"runtime and precompiled header, once per machine: {time.perf_counter() - started:.2f} s")
        with ThreadPoolExecutor(2) as pool:

            def build(source: str) -> None:
                made = host.build(source, entry, confinement=confinement)
                assert made.ok, made.message

            def check(source: str) -> None:
                made = nvcc.check(source, entry, confinement=confinement)
                assert made is None or not made.message, made

            def both(source: str) -> None:
                list(pool.map(lambda way: way(source), (build, check)))

            measure({"host": build, "nvcc": check, "both at once": both})
        build(SOURCE)
        hits = [timed(build, SOURCE) for _ in range(ROUNDS)]
        print(f"{'hit in the cache':<18}{1e3 * statistics.median(hits):8.1f} ms")


def measure(ways: dict[str, Callable[[str], None]]) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            seconds[name].append(timed(way, f"{SOURCE}// {uuid.uuid4()}\n"))
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<18}{1e3 * median:8.1f} ms")
    print(f"at once, against in sequence: {medians['both at once'] / (medians['host'] + medians['nvcc']):.2f}")


def timed(way: Callable[[str], None], source: str) -> float:
    started = time.perf_counter()
    way(source)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
