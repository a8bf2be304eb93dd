"""Finds, in a source's text, features that the cpu device lacks: such a kernel is inconclusive and never failed."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator

from pytest_upskill.languages.cuda import ptx
from pytest_upskill.languages.cuda.ptx_instructions import Unsupported
from pytest_upskill.languages.cuda.source_text import blank_out, bracket_pairs
from pytest_upskill.native.cpu.flags import INCLUDE

_HEADERS = (
    (r"cutlass/.*", "CUTLASS"),
    (r"cute/.*", "CuTe (CUTLASS)"),
    (r"thrust/.*", "Thrust"),
    (r"cub/device/.*", "CUB's device-wide algorithms"),
    (r"cub/.*|cuda/.*|cooperative_groups/.*|nv/.*", ""),  # those that are there are found first
    (r"(cudnn|cufft|cusparse|cusolver|curand|nvrtc|nccl|nvjpeg|cusolverDn|cufftXt|cudnn_frontend)\w*\.h", ""),
    (r"cuda_fp8\.hp?p?|cuda_fp6\.hp?p?|cuda_fp4\.hp?p?", ""),
    (r"cudaTypedefs\.h|cudaGL\.h|cuda_gl_interop\.h|cuda_egl_interop\.h|cuda_vdpau_interop\.h", ""),
)
"""Headers that we do not have: a pattern, and the feature that including one requires ("": the header itself)."""

_BLOCK_ALGORITHMS = (
    "BlockReduce|WarpReduce|BlockScan|WarpScan|BlockLoad|BlockStore|BlockReduceAlgorithm|BlockScanAlgorithm|"
    "BlockLoadAlgorithm|BlockStoreAlgorithm"
)

_WORDS = tuple((re.compile(pattern), what) for pattern, what in (
    (r"\b(?:tex[123]D\w*|texCubemap\w*|cudaTextureObject_t|cudaCreateTextureObject|cudaTextureDesc|tex1Dfetch)\b"
     r"|\btexture\s*<", "textures"),
    (r"\b(?:surf[123]D\w+|cudaSurfaceObject_t|cudaCreateSurfaceObject)\b", "surfaces"),
    (r"\b(?:cudaMallocArray|cudaMalloc3DArray|cudaArray_t|cudaMemcpy2DToArray)\b", "CUDA arrays"),
    (r"\b(?:this_cluster|cluster_group|map_shared_rank|cudaLaunchAttributeClusterDimension|clusterDim\w*|clusterIdx"
     r"|__clusterDim\w*|__cluster\w+|__block_size__|cluster_dims|cudaFuncAttributeNonPortableClusterSizeAllowed)\b",
     "thread block clusters"),
    (r"\b(?:CUtensorMap|cuTensorMapEncode\w+|cp_async_bulk\w*|cde::\w+)\b", "TMA"),
    (r"\b(?:cudaLaunchKernelExC?|cudaLaunchConfig_t)\b", "cudaLaunchKernelEx"),
    (r"\bcublas(?:[SDCZH]|GemmEx|Gemm|Lt|Create|Ddot|Nrm)\w*\s*\(", "cuBLAS"),
    (r"\b(?:cudaGraph\w*|cudaStreamBeginCapture)\b", "CUDA graphs"),
    (r"\b(?:cudaMemcpyPeer\w*|cudaDeviceEnablePeerAccess|multi_grid_group|this_multi_grid)\b", "several GPUs"),
    (r"\b(?:cudaIpc\w+|cudaExternal\w+|cudaImportExternal\w+|cudaGraphics\w+)\b", "memory of other programs"),
    (r"\bcuda::(?:ptx|experimental|device::experimental)::\w+", "cuda::ptx and experimental features"),
    (r"\b__nv_fp[468]\w*\b", "the 8-, 6- and 4-bit floating types"),
    (r"\bwmma::experimental\b|\bexperimental::precision\b", "wmma's experimental types"),
    (r"\bcub::Device\w+\b", "CUB's device-wide algorithms"),
    (rf"\bcub::(?!(?:{_BLOCK_ALGORITHMS})\b)(?:Block|Warp|Grid|Agent|Dispatch)\w+\b", "this part of CUB"),
    (r"\bthrust::\w+", "Thrust"),
))  # fmt: skip


def needs_gpu(source: str, *, program: bool = False) -> tuple[str, int] | None:
    """The first feature in a source that the cpu device does not support, and its line (1-based); None without any.

    A whole ``program`` may call cuBLAS, which we have for programs that compare themselves with it.
    """
    text = source.replace("\r\n", "\n")
    blank = blank_out(text)
    words = [(match.start(), what) for pattern, what in _WORDS if (match := pattern.search(blank))]
    found = [*_headers(text, blank), *words, *_inline_ptx(text), *_nested_launches(blank)]
    position, what = min((entry for entry in found if not (program and entry[1] == "cuBLAS")), default=(0, ""))
    return (what, text.count("\n", 0, position) + 1) if what else None


def message(need: tuple[str, int], name: str = "kernel.cu") -> str:
    """A text like ``needs a GPU: wgmma, kernel.cu:12``."""
    return f"needs a GPU: {need[0]}, {name}:{need[1]}"


def _headers(text: str, blank: str) -> Iterator[tuple[int, str]]:
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"]', text, re.MULTILINE):
        name = match[1].strip()
        in_comment = not blank[match.start() : match.end()].strip().startswith("#")
        if in_comment or (INCLUDE / name).is_file():
            continue
        what = next((what for pattern, what in _HEADERS if re.fullmatch(pattern, name)), None)
        if what is not None:
            yield match.start(), what or f"the header {name}"


def _inline_ptx(text: str) -> Iterator[tuple[int, str]]:
    for statement in ptx.statements(text):
        try:
            ptx.translate(statement)
        except Unsupported as reason:
            yield statement.start, str(reason)


_DEVICE = re.compile(r"\b(?:__global__|__device__)\b")
_LAUNCH = re.compile(r"(?<!<)(?<!operator)(?:<<<|<<[ \t]+<)(?!<)")


def _nested_launches(blank: str) -> Iterator[tuple[int, str]]:
    launches = [match.start() for match in _LAUNCH.finditer(blank)]
    pairs = bracket_pairs(blank) if launches else {}
    for begin in _device_bodies(blank):
        first = bisect(launches, begin)
        if first < len(launches) and launches[first] < pairs.get(begin, begin):
            yield launches[first], "dynamic parallelism (a launch within a kernel)"


def _device_bodies(blank: str) -> Iterator[int]:
    """The positions of the braces that open the bodies of functions that only the device runs."""
    start = 0
    for mark in re.finditer(r"[;{}]", blank):
        head, start = blank[start : mark.start()], mark.end()
        word = _DEVICE.search(head) if mark[0] == "{" else None
        if word is None or "__host__" in head[word.start() :]:
            continue
        before, parenthesis, _ = head[word.end() :].partition("(")
        if parenthesis and "=" not in before and head.rfind(")") > head.rfind("("):
            yield mark.start()
