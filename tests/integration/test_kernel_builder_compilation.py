"""The kernels of all right projects for kernel-builder compile for each generation of GPUs that is in use, with nvcc.

One source has the ``.cu`` files of all projects, each in a namespace of its own, because PyTorch's headers take nvcc a
minute for each generation. Of ``<torch/all.h>`` only what kernels use is included, and headers of CUDA's libraries,
which are no part of nvcc, are stand-ins.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_upskill.build.nvcc import find_nvcc
from pytest_upskill.languages.torch_extension import build_toml
from pytest_upskill.languages.torch_extension.compiler import headers
from tests.integration.test_kernel_builder_skill import RIGHT
from tests.integration.test_kernel_compilation import ARCHITECTURES
from tests.kernel_builder_variants import Variant

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(find_nvcc() is None, reason="nvcc is not installed: pip install nvidia-cuda-nvcc"),
]

_TORCH = """\
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/Dispatch.h>
#include <ATen/DeviceGuard.h>
#include <ATen/OpMathType.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
namespace torch {
using namespace at;
constexpr auto kFloat16 = kHalf, kFloat32 = kFloat, kFloat64 = kDouble, kInt32 = kInt, kInt64 = kLong;
}
"""
_STAND_INS = {
    "ATen/ATen.h": _TORCH,
    "torch/all.h": "#pragma once\n#include <ATen/ATen.h>\n",
    "torch/torch.h": "#pragma once\n#include <ATen/ATen.h>\n",
    "torch/types.h": "#pragma once\n#include <ATen/ATen.h>\n",
    "torch/library.h": "#pragma once\n",
    "c10/cuda/impl/cuda_cmake_macros.h": "#pragma once\n",
    "cusparse.h": "#pragma once\ntypedef struct cusparseContext* cusparseHandle_t;\ntypedef int cusparseStatus_t;\n",
    "cublas_v2.h": "#pragma once\ntypedef struct cublasContext* cublasHandle_t;\ntypedef int cublasStatus_t;\n",
    "cublasLt.h": "#pragma once\ntypedef struct cublasLtContext* cublasLtHandle_t;\n",
    "cusolver_common.h": "#pragma once\ntypedef int cusolverStatus_t;\n",
    "cusolverDn.h": "#pragma once\n#include <cusolver_common.h>\ntypedef struct cusolver* cusolverDnHandle_t;\n",
}
_FIRST = """\
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/Exceptions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cub/cub.cuh>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <type_traits>
"""
"""What is included outside of the namespaces."""


_OWN_HEADER = re.compile(r'#include "([^"]+)"')


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def _kernels(one: Variant, folder: Path) -> list[Path]:
    """Writes a project whose includes of its own headers are absolute; returns its sources of kernels."""
    found = []
    for part in build_toml.read(one.files).parts_for("cuda"):
        for path in part.src:
            places = [(folder / path).parent, *(folder / name for name in part.include)]
            text = _OWN_HEADER.sub(lambda match: f'#include "{_place(match[1], places, folder, one)}"', one.files[path])  # noqa: B023
            _write(folder, {path: f"{text}\n// {folder}\n"})  # of equal files, #pragma once includes one
            found += [folder / path] if path.endswith(".cu") else []
        _write(folder, {path: one.files[path] for path in one.files if not (folder / path).exists()})
    return found


def _place(name: str, places: list[Path], folder: Path, one: Variant) -> str:
    tried = [Path(os.path.normpath(place / name)) for place in places]
    return str(next((path for path in tried if str(path.relative_to(folder)) in one.files), name))


def test_the_kernels_of_all_right_projects_compile(tmp_path: Path) -> None:
    _write(tmp_path / "stand-ins", _STAND_INS)
    text, total = _FIRST, 0
    for number, one in enumerate(RIGHT):
        for path in _kernels(one, tmp_path / str(number)):
            text += f'namespace project_{number} {{  // {one}\n#include "{path}"\n}}\n'
            total += 1
    assert total > len(RIGHT)
    (tmp_path / "all.cu").write_text(text, encoding="utf-8")
    found, nvcc = headers(), find_nvcc()
    assert nvcc is not None
    command = [str(nvcc.program), "-c", "all.cu", "-o", "all.o", f"-std=c++{found.standard}", "-w", "-DCUDA_KERNEL"]
    command += ["--expt-relaxed-constexpr", "--extended-lambda", f"--threads={os.cpu_count() or 1}", "-Istand-ins"]
    for name in ARCHITECTURES:
        command += [f"-gencode=arch={name.replace('sm', 'compute')},code={name}"]
    command += [f"-isystem={one}" for one in found.folders]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
