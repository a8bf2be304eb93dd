"""A case of the contract kernel-builder for tests, and a project that meets it."""

from __future__ import annotations

import functools
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.contracts.kernel_builder.contract import Signature, derive
from pytest_upskill.languages.torch_extension.project import File, Project
from pytest_upskill.records import ResultFacts

HEAD = """\
---
op: scale_rows(Tensor x, Tensor weight, float factor) -> Tensor
contract: kernel-builder
language: cpp
dims: {rows: 0..64, cols: 1..256}
args:
  x: [rows, cols]
  weight: [rows]
  factor: {values: [0.5, 1.0, 3.0]}
dtypes: [float32, float64]
---
Each row of `x` multiplied by its weight and by `factor`: `x[r, c] * weight[r] * factor`.

## Reference

```python
def scale_rows(x, weight, factor):
    return x * weight[:, None] * factor
```

## Solution

"""

BUILD = """\
[general]
name = "scale-rows"
version = 1
license = "Apache-2.0"
backends = ["cpu"]
edition = 5

[torch]
src = ["torch-ext/torch_binding.cpp", "torch-ext/torch_binding.h"]

[kernel.scale_rows]
backend = "cpu"
depends = ["torch"]
src = ["scale_rows_cpu/scale_rows.cpp"]
include = ["torch-ext"]
"""

HEADER = """\
#pragma once

#include <torch/all.h>

torch::Tensor scale_rows(const torch::Tensor& x, const torch::Tensor& weight, double factor);
"""

BINDING = """\
#include "torch_binding.h"

#include <torch/library.h>

#include "registration.h"

TORCH_LIBRARY_EXPAND(TORCH_EXTENSION_NAME, ops) {
  ops.def("scale_rows(Tensor x, Tensor weight, float factor) -> Tensor");
  ops.impl("scale_rows", torch::kCPU, &scale_rows);
}

REGISTER_EXTENSION(TORCH_EXTENSION_NAME)
"""

KERNEL = """\
#include "torch_binding.h"

torch::Tensor scale_rows(const torch::Tensor& x, const torch::Tensor& weight, double factor) {
  TORCH_CHECK(x.device().is_cpu() && weight.device().is_cpu(), "x and weight must be on the cpu");
  TORCH_CHECK(x.dim() == 2 && weight.dim() == 1 && weight.size(0) == x.size(0), "x is [rows, cols], weight is [rows]");
  TORCH_CHECK(x.scalar_type() == weight.scalar_type(), "x and weight must have the same dtype");
  TORCH_CHECK(x.is_contiguous() && weight.is_contiguous(), "x and weight must be contiguous");
  torch::Tensor out = torch::empty_like(x);
  const int64_t rows = x.size(0), cols = x.size(1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "scale_rows", [&] {
    const scalar_t* from = x.const_data_ptr<scalar_t>();
    const scalar_t* weights = weight.const_data_ptr<scalar_t>();
    scalar_t* to = out.mutable_data_ptr<scalar_t>();
    for (int64_t r = 0; r < rows; ++r) {
      const scalar_t scale = weights[r];
      for (int64_t c = 0; c < cols; ++c) to[r * cols + c] = from[r * cols + c] * scale * static_cast<scalar_t>(factor);
    }
  });
  return out;
}
"""

MODULE = """\
import torch

from ._ops import add_op_namespace_prefix, ops


@torch.library.register_fake(add_op_namespace_prefix("scale_rows"))
def _(x: torch.Tensor, weight: torch.Tensor, factor: float) -> torch.Tensor:
    return torch.empty_like(x)


def scale_rows(x: torch.Tensor, weight: torch.Tensor, factor: float) -> torch.Tensor:
    return ops.scale_rows(x, weight, factor)


__all__ = ["scale_rows"]
"""

FILES = {
    "build.toml": BUILD,
    "torch-ext/torch_binding.h": HEADER,
    "torch-ext/torch_binding.cpp": BINDING,
    "scale_rows_cpu/scale_rows.cpp": KERNEL,
    "torch-ext/scale_rows/__init__.py": MODULE,
}


def reply(files: dict[str, str] | None = None) -> str:
    """A reply with the files of a project, FILES if none are given."""
    project = Project(tuple(File(path, text) for path, text in (files or FILES).items()))
    return f"Here is the project.\n\n{project.text}"


def changed(path: str, old: str, new: str) -> dict[str, str]:
    """FILES with a replacement in one of them."""
    assert old in FILES[path]
    return {**FILES, path: FILES[path].replace(old, new)}


def text(head: str = HEAD) -> str:
    """The text of the case's file."""
    return head + reply()


@functools.cache
def case() -> Case:
    return parse_case(text(), Path("scale_rows.md"), "scaling")


@functools.cache
def signature() -> Signature:
    return derive(case(), ResultFacts({"out": None}, {"out": ("rows", "cols")}))
