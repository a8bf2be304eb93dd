"""Cost of a kernel's build: for the cpu device with a warm precompiled header, nvcc's check, both, a cache hit,
and for the cuda device (without a GPU), next to what PyTorch's ``load_inline`` compiles for the same kernel.

Run: python benchmarks/build.py. Sources differ by a comment, so each one is compiled. The variants alternate (A B C A B
C ...) and the first round is a warm-up. Prints medians, and the ratio of building both together to one after the other.
``--load-inline`` also compiles the two units of ``load_inline``, which takes minutes, mostly for PyTorch's headers. A
unit that does not compile on this machine is reported. ``--quick`` measures once, to try the benchmark.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pytest_upskill.build.cache import Cache
from pytest_upskill.build.nvcc import find_nvcc
from pytest_upskill.build.toolchain import find_compiler
from pytest_upskill.contracts.launcher.signature import Parameter, Signature, entry_source
from pytest_upskill.languages.cuda.cpu_build import HostCompiler
from pytest_upskill.languages.cuda.gpu_build import CudaCompiler, NvccCheck
from pytest_upskill.sandbox.confinement import strongest

QUICK = "--quick" in sys.argv
ROUNDS = 1 if QUICK else 9
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

            seconds = measure({"host": build, "nvcc": check, "both at once": both})
            print(f"at once, against in sequence: {seconds['both at once'] / (seconds['host'] + seconds['nvcc']):.2f}")
        if find_nvcc() is not None:
            cuda = CudaCompiler(["sm_90"], cache)
            cuda.prepare()

            def library(source: str) -> None:
                made = cuda.build(source, entry, confinement=confinement)
                assert made.ok, made.message

            ours = measure({"cuda, library": library})["cuda, library"]
            if "--load-inline" in sys.argv:
                against_load_inline(ours, Path(folder))
        build(SOURCE)
        hits = [timed(build, SOURCE) for _ in range(ROUNDS)]
        print(f"{'hit in the cache':<18}{1e3 * statistics.median(hits):8.1f} ms")


def measure(ways: dict[str, Callable[[str], None]]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + (not QUICK)):
        for name, way in ways.items():
            seconds[name].append(timed(way, f"{SOURCE}// {uuid.uuid4()}\n"))
    medians = {name: statistics.median(values[not QUICK :]) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<18}{1e3 * median:8.1f} ms")
    return medians


LOAD_INLINE = {
    "main.cpp": """#include <torch/extension.h>
torch::Tensor rms(torch::Tensor x, torch::Tensor weight, double eps);
PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("rms", &rms); }
""",
    "cuda.cu": f"""#include <torch/types.h>
#include <cuda.h>
{SOURCE}
torch::Tensor rms(torch::Tensor x, torch::Tensor weight, double eps) {{
  auto out = torch::empty_like(x);
  rms_norm(out.data_ptr<float>(), x.data_ptr<float>(), weight.data_ptr<float>(), (float)eps, x.size(0), x.size(1), 0);
  return out;
}}
""",
}
"""The two units that load_inline makes of a kernel, a function around it, and their declaration."""


def against_load_inline(ours: float, folder: Path) -> None:
    """Compiles each unit once, which takes long enough to be exact. load_inline compiles the two in parallel."""
    import torch

    include = Path(torch.__file__).parent / "include"
    options = [f"-I{include}", f"-I{include}/torch/csrc/api/include", f"-I{sysconfig.get_paths()['include']}", "-O2"]
    options += ["-DTORCH_EXTENSION_NAME=upskill", f"-std=c++{20 if torch_needs_20(torch.__version__) else 17}", "-c"]
    nvcc = find_nvcc()
    assert nvcc is not None
    compilers = {
        "main.cpp": [str(find_compiler().program), "-fPIC"],
        "cuda.cu": [str(nvcc.program), "-arch=sm_90", "-Xcompiler=-fPIC", "-w"],
    }
    seconds = []
    for name, text in LOAD_INLINE.items():
        (folder / name).write_text(text, encoding="utf-8")
        started = time.perf_counter()
        command = [*compilers[name], *options, str(folder / name), "-o", str(folder / f"{name}.o")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        spent = time.perf_counter() - started
        failure = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:100])
        said = f"{spent:8.1f} s" if done.returncode == 0 else f"does not compile here: {failure}"
        print(f"load_inline, {name:<10} {said}")
        seconds += [spent] if done.returncode == 0 else []
    if seconds:
        print(f"our library, against the slowest unit of load_inline: 1:{max(seconds) / ours:.0f}")


def torch_needs_20(version: str) -> bool:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= (2, 12)


def timed(way: Callable[[str], None], source: str) -> float:
    started = time.perf_counter()
    way(source)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
