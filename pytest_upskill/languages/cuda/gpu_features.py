"""Names features of GPUs that the cpu device lacks, for messages."""

from __future__ import annotations

import re

_FAMILIES = tuple((re.compile(pattern), what) for pattern, what in (
    (r"thrust(?:::.*|/.*)?", "Thrust"),
    (r"cutlass(?:::.*|/.*)?", "CUTLASS"),
    (r"cute(?:::.*|/.*)?", "CuTe (CUTLASS)"),
    (r"cub::Device.*|cub/device/.*", "CUB's device-wide algorithms"),
    (r"cub(?:::.*|/.*)?", "this part of CUB"),
    (r"(?:tex[123C]|cudaTexture|cudaCreateTexture|cudaDestroyTexture|cudaGetTexture|cudaBindTexture|cudaUnbindTexture)\w*|texture",
     "textures"),
    (r"(?:surf[123C]|cudaSurface|cudaCreateSurface|cudaDestroySurface)\w*|surface", "surfaces"),
    (r"cuda(?:Malloc3DArray|MallocArray|Array|FreeArray|Memcpy\w*Array|MipmappedArray|MallocMipmapped)\w*",
     "CUDA arrays"),
    (r"(?:\w+::)*(?:this_cluster|cluster_group|map_shared_rank)|cluster(?:Dim|Idx|GridDim)\w*|__cluster\w*"
     r"|cudaLaunchAttributeCluster\w*|cudaFuncAttributeNonPortableClusterSizeAllowed", "thread block clusters"),
    (r"CUtensorMap\w*|cuTensorMap\w+|CU_TENSOR_MAP_\w+|(?:\w+::)*cp_async_bulk\w*|cde::.*", "TMA"),
    (r"cudaLaunch(?:KernelEx|Config|Attribute)\w*", "cudaLaunchKernelEx"),
    (r"(?:cublas|CUBLAS)\w+", "cuBLAS"),
    (r"(?:cufft|CUFFT)\w+", "cuFFT"),
    (r"(?:cusparse|CUSPARSE)\w+", "cuSPARSE"),
    (r"(?:cusolver|CUSOLVER)\w+", "cuSOLVER"),
    (r"(?:nvrtc|NVRTC)\w+", "NVRTC"),
    (r"(?:curand|CURAND)\w*(?:Sobol|SOBOL)\w*", "cuRAND's Sobol generators"),
    (r"(?:curand|CURAND)\w+", "this part of cuRAND"),
    (r"cudaGraph(?!ics)\w*|cudaStream\w*Captur\w*", "CUDA graphs"),
    (r"cudaMemPool\w*|cudaMemAccess\w*|cudaMallocFromPoolAsync|cudaDevice\w*MemPool", "memory pools"),
    (r"cuda(?:Memcpy\w*Peer\w*|Device\w*PeerAccess|DeviceCanAccessPeer)|(?:\w+::)*(?:this_)?multi_grid\w*",
     "several GPUs"),
    (r"cuda(?:Ipc|External|ImportExternal|Graphics|GL)\w+", "memory of other programs"),
    (r"cuda::(?:ptx|experimental|device)(?:::.*)?", "cuda::ptx and experimental features"),
    (r"(?:__nv_|__NV_)(?:cvt_\w*)?fp[468]\w*", "the 8-, 6- and 4-bit floating types"),
    (r"(?:nvcuda::)?(?:wmma::)?experimental(?:::.*)?|precision", "wmma's experimental types"),
    (r"CU[a-z]\w*|CU_\w+|CUDA_\w+|cu[A-Z]\w+", "the driver API"),
))  # fmt: skip

LIBRARIES = re.compile(r"(?:cublas|cudnn|cufft|cusparse|cusolver|curand[A-Z]|cutensor|nccl|npp|nvjpeg)\w*")
"""Matches functions of libraries of ready-made kernels. A student's launcher may not call them."""


def feature(name: str) -> str:
    """The name of a feature with its CUDA name, such as ``CUDA graphs (cudaGraphCreate)``."""
    what = next((what for pattern, what in _FAMILIES if pattern.fullmatch(name)), None)
    return f"{what} ({name})" if what else name


def message(what: str, place: str) -> str:
    """A message such as ``needs a GPU: wgmma, kernel.cu:12``."""
    return f"needs a GPU: {what}, {place}"
