"""The files that kernel-builder generates for a project, and the name of a build's folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_upskill.languages.torch_extension.build_toml import BuildToml

CUDA_VARIANT = "cu130"
"""The version of CUDA that the cpu device claims, in the name of a build's folder."""

REGISTRATION = """\
// Registers the operators of an extension, and makes its library a module of Python.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define EXTENSION_JOINED(first, second) first##second
#define EXTENSION_JOIN(first, second) EXTENSION_JOINED(first, second)
#define EXTENSION_QUOTED(name) #name
#define EXTENSION_QUOTE(name) EXTENSION_QUOTED(name)

// As TORCH_LIBRARY and its relatives, for a name that is itself a macro.
#define TORCH_LIBRARY_EXPAND(name, variable) TORCH_LIBRARY(name, variable)
#define TORCH_LIBRARY_FRAGMENT_EXPAND(name, variable) TORCH_LIBRARY_FRAGMENT(name, variable)
#define TORCH_LIBRARY_IMPL_EXPAND(name, device, variable) TORCH_LIBRARY_IMPL(name, device, variable)

#define REGISTER_EXTENSION(name)                                                                  \\
  PyMODINIT_FUNC EXTENSION_JOIN(PyInit_, name)() {                                                \\
    static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, EXTENSION_QUOTE(name), nullptr, \\
                                            0, nullptr, nullptr, nullptr, nullptr, nullptr};       \\
    return PyModule_Create(&definition);                                                          \\
  }
"""

_OPS = '''\
"""The operators of this package's library."""

import torch

from . import {extension}

ops = torch.ops.{extension}


def add_op_namespace_prefix(op_name: str) -> str:
    """The name of an operator with its library's namespace."""
    return f"{extension}::{{op_name}}"
'''


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a build has. ``extension`` names the library, its module and its operators' namespace."""

    extension: str
    variant: str

    @property
    def library(self) -> str:
        return f"{self.extension}.abi3.so"


def names(build: BuildToml, backend: str, texts: Mapping[str, str], torch_version: str, machine: str) -> Names:
    """The names for one backend; the same files have the same ones."""
    digest = hashlib.sha256(json.dumps(sorted(texts.items())).encode()).hexdigest()[:7]
    major, minor = torch_version.split(".")[:2]
    variant = {"cuda": CUDA_VARIANT}.get(backend, backend)
    return Names(f"_{build.package}_{backend}_{digest}", f"torch{major}{minor}-cxx11-{variant}-{machine}-linux")


def ops_module(extension: str) -> str:
    """The text of ``_ops.py``."""
    return _OPS.format(extension=extension)


def metadata(build: BuildToml, backend: str, extension: str) -> str:
    """The text of ``metadata.json``."""
    kind: dict[str, object] = {"type": backend}
    if backend == "cuda":
        archs = {one.removesuffix("+PTX") for part in build.parts_for("cuda") for one in part.capabilities}
        kind["archs"] = sorted(archs, key=lambda one: [int(part.rstrip("af")) for part in one.split(".")])
    plain = {
        "name": build.name,
        "id": extension,
        "version": build.version,
        "license": build.license,
        "python-depends": [],
        "backend": kind,
    }
    return json.dumps(plain, indent=2) + "\n"
