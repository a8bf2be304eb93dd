"""Kernels, calls and builds that the tests of build/ and sandbox/ share."""

from __future__ import annotations

import functools
import struct
from pathlib import Path

from pytest_upskill.build.messages import SOURCE_NAME
from pytest_upskill.contracts.launcher.signature import Parameter, Signature, entry_source
from pytest_upskill.languages.cuda.cpu_build import HostCompiler
from pytest_upskill.records import Answer, Build, Call, ScalarArgument, TensorArgument
from pytest_upskill.sandbox.client import Sandbox
from pytest_upskill.sandbox.confinement import Confinement, strongest
from pytest_upskill.sandbox.message_process import Limits

HEADERS = "#include <cuda_runtime.h>\n#include <cuda_fp16.h>\n#include <cuda_bf16.h>\n"

AXPY = (
    HEADERS
    + """
template <typename scalar_t>
__global__ void axpy_kernel(scalar_t* out, const scalar_t* x, const scalar_t* y, float alpha, bool negate, int64_t n) {
  int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
  if (i < n) {
    float value = alpha * (float)x[i] + (float)y[i];
    out[i] = (scalar_t)(negate ? -value : value);
  }
}
template <typename scalar_t>
void axpy(scalar_t* out, const scalar_t* x, const scalar_t* y, float alpha, bool negate, int64_t shift, int64_t n,
          cudaStream_t stream) {
  if (n > 0) axpy_kernel<scalar_t><<<(n + 255) / 256, 256, 0, stream>>>(out, x, y, alpha + shift, negate, n);
}
"""
)

AXPY_SIGNATURE = Signature(
    "axpy",
    ("float32", "float16", "bfloat16"),
    True,
    (
        Parameter("out", "scalar_t", "output"),
        Parameter("x", "scalar_t", "input"),
        Parameter("y", "scalar_t", "input"),
        Parameter("alpha", "float", "scalar"),
        Parameter("negate", "bool", "scalar"),
        Parameter("shift", "int64_t", "scalar"),
        Parameter("n", "int64_t", "dim"),
        Parameter("stream", "cudaStream_t", "stream"),
    ),
)

PROBE_SIGNATURE = Signature(
    "probe",
    ("float32",),
    False,
    (
        Parameter("out", "int64_t", "output"),
        Parameter("x", "int64_t", "input"),
        Parameter("n", "int64_t", "dim"),
        Parameter("stream", "cudaStream_t", "stream"),
    ),
)
"""For launchers that do something on the host; ``out`` and ``x`` hold ``n`` integers."""


def probe(body: str, before: str = "") -> str:
    """A launcher with the given statements."""
    return (
        f"{HEADERS}{before}\nvoid probe(int64_t* out, const int64_t* x, int64_t n, cudaStream_t stream) {{ {body} }}\n"
    )


def encode(values: list[float], dtype: str) -> bytes:
    if dtype == "bfloat16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{len(values)}{'f' if dtype == 'float32' else 'e'}", *values)


def decode(data: bytes, dtype: str) -> list[float]:
    if dtype == "bfloat16":
        return [struct.unpack("<f", b"\0\0" + data[i : i + 2])[0] for i in range(0, len(data), 2)]
    return list(
        struct.unpack(f"<{len(data) // (4 if dtype == 'float32' else 2)}{'f' if dtype == 'float32' else 'e'}", data)
    )


def axpy_call(x: list[float], y: list[float], alpha: float, negate: bool, shift: int, dtype: str = "float32") -> Call:
    shape = (len(x),)
    return Call(
        AXPY_SIGNATURE.dtypes.index(dtype),
        (
            TensorArgument("out", "output", dtype, shape),
            TensorArgument("x", "input", dtype, shape, encode(x, dtype)),
            TensorArgument("y", "input", dtype, shape, encode(y, dtype)),
            ScalarArgument("alpha", "float", alpha),
            ScalarArgument("negate", "bool", negate),
            ScalarArgument("shift", "int", shift),
            ScalarArgument("n", "int", len(x)),
        ),
    )


def probe_call(n: int = 4) -> Call:
    return Call(
        0,
        (
            TensorArgument("out", "output", "int64", (n,)),
            TensorArgument("x", "input", "int64", (n,), struct.pack(f"<{n}q", *range(n))),
            ScalarArgument("n", "int", n),
        ),
    )


def integers(answer: Answer) -> list[int]:
    data = answer.outputs["out"]
    return list(struct.unpack(f"<{len(data) // 8}q", data))


@functools.cache
def compiler() -> HostCompiler:
    """With the user's cache, so that the runtime is not built for each run of the tests."""
    return HostCompiler()


def build(source: str, signature: Signature, confinement: Confinement | None = None) -> Build:
    return compiler().build(source, entry_source(signature), confinement=confinement or strongest())


def library_of(source: str, signature: Signature) -> Path:
    made = build(source, signature)
    assert made.library is not None, made.message
    return made.library


def sandbox_of(
    source: str,
    signature: Signature = PROBE_SIGNATURE,
    *,
    seconds: float = 10.0,
    confinement: Confinement | None = None,
    **limits: int,
) -> Sandbox:
    library = library_of(source, signature)
    chosen = Limits(seconds=seconds, **limits)
    return Sandbox(library, confinement or strongest(), chosen, source_name=SOURCE_NAME)
