"""Reads ``build.toml``, edition 5: which keys there are, what they hold, and messages with file, line, key and rule.

Source of the format: the reader of the package ``kernels`` (0.17), which accepts some files that cannot be built; those
are refused here as well.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_upskill.documents.spelling import suggest
from pytest_upskill.languages.torch_extension.project import COMPILED, ProjectError, path_problem, tidy_path

NAME = "build.toml"
EDITION = 5
BACKENDS = ("cpu", "cuda", "rocm", "metal", "xpu", "cann", "neuron", "tpu")
_GENERAL = (
    "name", "version", "edition", "license", "backends", "upstream", "source", "kernel-depends", "python-depends",
    "cuda", "hub", "neuron", "tpu", "xpu",
)  # fmt: skip
_CUDA = ("minver", "maxver", "kernel-depends", "python-depends")
_HUB = ("repo-id", "branch")
_TORCH = ("src", "include", "minver", "maxver", "pyext", "cxx-flags", "stable-abi")
_KERNEL = ("backend", "depends", "src", "include", "cxx-flags")
_KERNEL_CUDA = ("cuda-capabilities", "cuda-flags", "cuda-minver")
_FRAMEWORKS = ("torch", "torch-noarch", "tvm-ffi")
_KERNEL_NAME = re.compile(r"[a-z][-a-z0-9]*[a-z0-9]\Z")
_VERSION = re.compile(r"\d+(?:\.\d+){0,3}\Z")
CAPABILITIES = (
    "7.0", "7.2", "7.5", "8.0", "8.6", "8.7", "8.9", "9.0", "9.0a", "10.0", "10.0a", "10.0f", "10.1", "10.1a", "10.3",
    "10.3a", "10.3f", "11.0", "11.0a", "12.0", "12.0a", "12.0f", "12.1", "12.1a",
)  # fmt: skip
"""Compute capabilities, as kernel-builder spells them; each may end in ``+PTX``."""
_CXX_FLAG = re.compile(
    r"-(?:O[0-3sg]|Ofast|g|std=(?:c|gnu)\+\+\d\w|[DU]\w+(?:=[\w.+-]*)?|W(?:no-)?[\w=+-]+|f(?:no-)?[\w-]+|m[\w.=+-]+)\Z"
)
_REFUSED_FLAG = re.compile(r"-(?:fplugin|fdump|fprofile|fsanitize|fpreprocessed|fuse-ld|flto|fcompare|ftest|fmacro)")

_REFUSED_MACRO = re.compile(r"-[DU].*(?:sanitiz|section|weakref|symver|ifunc|fentry|asm|upskill)", re.IGNORECASE)
"""Macros for words that sources must not have: those of the command line are defined before the words are poisoned."""

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KernelPart:
    """A table ``[kernel.NAME]``. Paths are relative to the project."""

    name: str
    backend: str
    src: tuple[str, ...]
    include: tuple[str, ...] = ()
    cxx_flags: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildToml:
    """What is built. ``src``, ``include`` and ``cxx_flags`` are those of the bindings, the table ``[torch]``."""

    name: str
    version: int
    license: str
    backends: tuple[str, ...]
    src: tuple[str, ...]
    include: tuple[str, ...]
    cxx_flags: tuple[str, ...]
    kernels: tuple[KernelPart, ...]

    @property
    def package(self) -> str:
        """The name of the Python package."""
        return self.name.replace("-", "_")

    def parts_for(self, backend: str) -> tuple[KernelPart, ...]:
        return tuple(part for part in self.kernels if part.backend == backend)


def read(files: Mapping[str, str], torch_version: tuple[int, int] | None = None) -> BuildToml:
    """The ``build.toml`` of a project, checked against its files. Raises ProjectError."""
    if NAME not in files:
        raise ProjectError(f"the project has no '{NAME}'; add it at the top, in a block ```toml {NAME}")
    try:
        data = tomllib.loads(files[NAME])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProjectError(f"{NAME}: this is no TOML: {error}") from None
    return _Reader(files, data).read(torch_version)


class _Reader:
    def __init__(self, files: Mapping[str, str], data: Table) -> None:
        self._files, self._data, self._lines = files, data, files[NAME].split("\n")

    def read(self, torch_version: tuple[int, int] | None) -> BuildToml:
        general = self._general()
        torch = self._torch(torch_version)
        tables = self._table("", self._data, "kernel", required=True)
        kernels = tuple(self._kernel(name, tables) for name in tables)
        backends = tuple(self._texts("general", general, "backends"))
        self._agree(backends, kernels)
        return BuildToml(
            general["name"],
            general["version"],
            general["license"],
            backends,
            self._paths("torch", torch, "src", sources=True),
            self._paths("torch", torch, "include"),
            self._flags("torch", torch),
            kernels,
        )

    def fail(self, table: str, key: str, message: str) -> ProjectError:
        """The error for a key of a table, with its line."""
        place = f"[{table}] " if table else ""
        return ProjectError(f"{NAME}:{self._line(table, key)}: {place}{message}")

    def _line(self, table: str, key: str) -> int:
        """The line of a key, or of its table, or the first one."""
        current, header = "", 1
        for number, line in enumerate(self._lines, 1):
            if found := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
                current = re.sub(r"[\"'\s]", "", found[1])
                if current == table or current == f"{table}.{key}".lstrip("."):
                    header = number
                    if current != table:
                        return number
            elif current == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]", line):
                return number
        return header

    def _general(self) -> Table:
        self._keys("", self._data, ("general", "kernel", *_FRAMEWORKS))
        general = self._table("", self._data, "general", required=True)
        edition = general.get("edition")
        if edition != EDITION or isinstance(edition, bool):
            said = "is missing" if edition is None else f"is {edition!r}"
            raise self.fail(
                "general", "edition", f"'edition' {said}; this is read as edition {EDITION}: write edition = 5"
            )
        self._keys("general", general, _GENERAL)
        for key in ("name", "license"):
            self._text("general", general, key)
        if not _KERNEL_NAME.match(general["name"]):
            rule = "lower-case letters, digits and '-', at least two, beginning with a letter and not ending in '-'"
            raise self.fail("general", "name", f"'name' is {general['name']!r}; a name has {rule}")
        version = general.get("version")
        if type(version) is not int or version < 0:
            said = "is missing" if version is None else f"is {version!r}"
            raise self.fail("general", "version", f"'version' {said}; it is a whole number: write version = 1")
        for key, known in (("cuda", _CUDA), ("hub", _HUB)):
            self._keys(f"general.{key}", self._table("general", general, key), known)
        for key in ("kernel-depends", "python-depends"):
            if general.get(key) or self._table("general", general, "cuda").get(key):
                raise self.fail("general", key, f"'{key}' names other packages, and only torch is there: leave it out")
        return general

    def _torch(self, version: tuple[int, int] | None) -> Table:
        for other in ("torch-noarch", "tvm-ffi"):
            if other in self._data:
                raise self.fail(other, "", "other frameworks are not judged; write a table [torch] with the bindings")
        torch = self._table("", self._data, "torch", required=True)
        self._keys("torch", torch, _TORCH)
        if torch.get("stable-abi"):
            raise self.fail("torch", "stable-abi", "'stable-abi' is not judged; leave it out")
        for key in ("minver", "maxver"):
            if key in torch:
                text = self._text("torch", torch, key)
                if not _VERSION.match(text):
                    raise self.fail("torch", key, f"'{key}' is {text!r}; a version is written as in '2.9'")
                bound = tuple(map(int, text.split(".")))[:2]
                if version and (version < bound if key == "minver" else version > bound):
                    rule = f"it is built for torch {version[0]}.{version[1]}"
                    raise self.fail("torch", key, f"'{key}' is {text!r}, and {rule}: leave it out")
        self._texts("torch", torch, "pyext")
        if not torch.get("src"):
            raise self.fail(
                "torch", "src", "'src' is missing; it lists the bindings: src = [\"torch-ext/torch_binding.cpp\"]"
            )
        return torch

    def _kernel(self, name: str, tables: Table) -> KernelPart:
        place, kernel = f"kernel.{name}", self._table("kernel", tables, name)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise self.fail(
                "kernel", name, f"the name of the kernel {name!r} has other characters than letters, digits, '_', '-'"
            )
        backend = self._text(place, kernel, "backend")
        if backend not in BACKENDS:
            raise self.fail(place, "backend", f"'backend' is {backend!r}, which is unknown{suggest(backend, BACKENDS)}")
        self._keys(place, kernel, (*_KERNEL, *(_KERNEL_CUDA if backend == "cuda" else ())))
        depends = self._texts(place, kernel, "depends", required=True)
        for one in depends:
            if one != "torch":
                raise self.fail(
                    place, "depends", f"'depends' names {one!r}, and only torch is there: depends = [\"torch\"]"
                )
        if not kernel.get("src"):
            raise self.fail(place, "src", "'src' is missing; it lists the sources of the kernel")
        capabilities = tuple(self._texts(place, kernel, "cuda-capabilities"))
        for one in capabilities:
            if one.removesuffix("+PTX") not in CAPABILITIES:
                known = suggest(one.removeprefix("sm_").removesuffix("+PTX"), CAPABILITIES)
                raise self.fail(
                    place, "cuda-capabilities", f"'cuda-capabilities' holds {one!r}, which is unknown{known}"
                )
        self._flags(place, kernel, "cuda-flags")
        return KernelPart(
            name,
            backend,
            self._paths(place, kernel, "src", sources=True),
            self._paths(place, kernel, "include"),
            self._flags(place, kernel),
            capabilities,
        )

    def _agree(self, backends: Sequence[str], kernels: Iterable[KernelPart]) -> None:
        """Raises unless the backends and the kernels belong together."""
        for backend in backends:
            if backend not in BACKENDS:
                raise self.fail("general", "backends", f"backend {backend!r} is unknown{suggest(backend, BACKENDS)}")
        if not backends or len(set(backends)) < len(backends):
            raise self.fail("general", "backends", "'backends' lists each backend once, and at least one: [\"cuda\"]")
        of_kernels = {part.backend: part.name for part in kernels}
        for backend, name in of_kernels.items():
            if backend not in backends:
                what = f"'backend' is {backend!r}, which 'backends' of [general] does not list"
                raise self.fail(f"kernel.{name}", "backend", f"{what}: add it there")
        for backend in backends:
            if backend not in of_kernels:
                what = f"'backends' lists {backend!r}, and no [kernel.NAME] has this backend"
                raise self.fail("general", "backends", f"{what}: add one, or remove it")

    def _keys(self, table: str, data: Table, known: Sequence[str]) -> None:
        for key in data:
            if key not in known:
                what = "table" if not table else "key"
                raise self.fail(table, key, f"unknown {what} '{key}'{suggest(key, known)}")

    def _table(self, table: str, data: Table, key: str, *, required: bool = False) -> Table:
        found = data.get(key)
        if found is None and not required:
            return {}
        if not isinstance(found, dict) or (required and not found):
            raise self.fail(
                table, key, f"the table [{key}] is missing" if not found else f"'{key}' is not a table: [{key}]"
            )
        return found

    def _text(self, table: str, data: Table, key: str) -> str:
        found = data.get(key)
        if not isinstance(found, str) or not found.strip():
            said = "is missing" if found is None else f"is {found!r}"
            raise self.fail(table, key, f"'{key}' {said}; it is a text: {key} = \"...\"")
        return found

    def _texts(self, table: str, data: Table, key: str, *, required: bool = False) -> list[str]:
        found = data.get(key)
        if found is None and not required:
            return []
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            said = "is missing" if found is None else f"is {found!r}"
            raise self.fail(table, key, f"'{key}' {said}; it is a list of texts: {key} = [\"...\"]")
        return found

    def _paths(self, table: str, data: Table, key: str, *, sources: bool = False) -> tuple[str, ...]:
        paths = [tidy_path(path) for path in self._texts(table, data, key)]
        for path in paths:
            if path in (".", "") and not sources:
                continue
            problem = path_problem(path if sources else f"{path.rstrip('/')}/file.h")
            if path == "torch-ext/registration.h":
                continue
            if problem:
                raise self.fail(table, key, f"'{key}' holds {path!a}: {problem}")
            if sources and path not in self._files:
                other = suggest(path, [one for one in self._files if one != NAME])
                raise self.fail(table, key, f"'{key}' names {path!r}, which the project does not have{other}")
        if sources and not any(path.endswith(COMPILED) for path in paths):
            raise self.fail(table, key, f"'{key}' names no file that is compiled ({', '.join(COMPILED)})")
        return tuple(path.rstrip("/") or "." for path in paths)

    def _flags(self, table: str, data: Table, key: str = "cxx-flags") -> tuple[str, ...]:
        flags = self._texts(table, data, key)
        if key != "cxx-flags":
            return tuple(flags)
        for flag in flags:
            if not _CXX_FLAG.match(flag) or _REFUSED_FLAG.match(flag) or _REFUSED_MACRO.match(flag):
                rule = "options of optimisation, warnings, macros and code generation are allowed"
                raise self.fail(table, key, f"'{key}' holds {flag!r}; {rule}: leave it out")
        return tuple(flags)
