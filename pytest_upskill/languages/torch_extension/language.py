"""The adapter of PyTorch extensions: see ``languages.base``. Builds projects for the backend cpu.

Outputs are bytes, judged elsewhere. What a worker reports about its library is evidence, not proof.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_upskill.build import elf, toolchain
from pytest_upskill.build.cache import Cache, Facts, Made, key_of
from pytest_upskill.devices.base import Machine
from pytest_upskill.errors import ToolchainError
from pytest_upskill.languages.base import SourceMutant
from pytest_upskill.languages.cuda import symbol_policy
from pytest_upskill.languages.python.server import WORKER, Program, WorkerServer, torch_folders
from pytest_upskill.languages.torch_extension import SOURCE_NAME, abi, build_toml, generated, mutants, package, policy
from pytest_upskill.languages.torch_extension.compiler import LIBRARY, ExtensionCompiler, headers, processor
from pytest_upskill.languages.torch_extension.cuda_compiler import NEEDS, CudaExtensionCompiler
from pytest_upskill.languages.torch_extension.cuda_executor import CudaExtensionExecutor
from pytest_upskill.languages.torch_extension.executor import ExtensionExecutor, load_facts
from pytest_upskill.languages.torch_extension.project import File, Project, ProjectError, project_of
from pytest_upskill.languages.torch_extension.schema import SchemaError, difference, parse_schema
from pytest_upskill.records import Assertion, Build, CallLayout
from pytest_upskill.sandbox.confinement import Confinement
from pytest_upskill.sandbox.message_process import Limits

PLAN = "kernel.json"
"""The file of a build: what is asked of it, and the files of its variant."""
LOAD_SECONDS = 60.0
_WORKER = Path(__file__).resolve().with_name("extension_worker.py")


class TorchExtensionLanguage:
    """Projects for the backends cpu and cuda, both on the cpu device; those for other backends are not built."""

    name = "torch-extension"
    source_name = SOURCE_NAME
    devices = ("cpu",)
    compiles = True
    checks: Sequence[str] = ("runs", "correct", "memory", "deterministic", "inputs")

    def __init__(self, cache: Cache | None = None) -> None:
        self._compiler, self._cuda = ExtensionCompiler(cache), CudaExtensionCompiler(cache)
        self._lock = threading.Lock()
        self._servers: dict[tuple[Confinement, str], WorkerServer] = {}

    def identity(self) -> str:
        return " ".join(("torch-extension", *self._compiler.identity(), *self._cuda.identity()))

    def build(self, sources: Mapping[str, str], entry: str, machine: Machine, *, checked: bool = True) -> Build:
        """``entry`` is JSON: ``name``, ``schema``, ``backend``, ``results`` (names) and ``atomics``."""
        began, plain = time.monotonic(), json.loads(entry)
        try:
            project = project_of(sources)
            build = build_toml.read(project.texts)
        except ProjectError as error:
            return Build(None, str(error))
        backend, confinement = plain["backend"], machine.confinement
        if backend not in ("cpu", "cuda"):
            return Build(None, needs=_needs(build, backend))
        names = generated.names(build, backend, project.texts, headers().version, processor())
        key = key_of("torch-extension", project.text, entry, confinement.level, self.identity(), code_digest())
        cache = self._compiler.cache
        ready = None if cache.find(key) else self._prepare(project, build, backend)  # not while a lock is held

        def make(folder: Path) -> Made:
            made = (ready or self._prepare(project, build, backend))(folder, names.extension, confinement)
            if not made.facts.ok:
                return made
            _write_plan(folder, project, build, names, plain)
            server, limits = self.server(confinement, backend), Limits(seconds=LOAD_SECONDS)
            loaded = load_facts(folder / PLAN, server, limits, filtered=confinement.filtered)
            data = {"loaded": loaded, **_examined(folder / LIBRARY)}
            return Made(Facts(data=json.dumps(data)), keep="facts" in loaded)

        kept = cache.get(key, make)
        compilers, seconds = (toolchain.describe(),), time.monotonic() - began
        if not kept.facts.ok:
            needs = kept.facts.message if kept.facts.message.startswith(NEEDS) else ""
            message = "" if needs else kept.facts.message
            return Build(None, message, compilers, seconds, not kept.fresh, needs=needs)
        data = json.loads(kept.facts.data)
        violations, assertions = _verdicts(data, plain, names.extension)
        return Build(
            kept.folder / PLAN, "", compilers, seconds, not kept.fresh, violations=violations, assertions=assertions
        )

    def _prepare(
        self, project: Project, build: build_toml.BuildToml, backend: str
    ) -> Callable[[Path, str, Confinement], Made]:
        """What fills a folder with the library of a project, whose extension it is given."""
        if backend == "cuda":
            toolkit = self._cuda.prepare()
            return functools.partial(self._cuda.library, project.texts, build, toolkit)
        return functools.partial(
            self._compiler.library, project.texts, build, self._compiler.prepare(project.texts, build)
        )

    def execute(self, build: Build, layout: CallLayout, machine: Machine, timeout: float) -> ExtensionExecutor:
        assert build.library is not None
        confinement, limits = machine.confinement, Limits(seconds=timeout)
        plan = json.loads(build.library.read_text(encoding="utf-8"))
        server = self.server(confinement, plan["entry"]["backend"])
        if plan["entry"]["backend"] == "cuda":
            return CudaExtensionExecutor(build.library, server, limits, confinement, plan["sources"])
        return ExtensionExecutor(build.library, server, limits, filtered=confinement.filtered)

    def server(self, confinement: Confinement, backend: str) -> WorkerServer:
        """What starts workers in a confinement, for builds of a backend."""
        folders = self._cuda_folders if backend == "cuda" else _folders
        with self._lock:
            known = self._servers.get((confinement, backend))
            if known is None:
                program = Program(_WORKER, folders, (WORKER.parent,), scratch=True)
                known = self._servers[confinement, backend] = WorkerServer(confinement, program)
            return known

    def _cuda_folders(self) -> tuple[Path, ...]:
        toolkit = self._cuda.prepare()
        return (*_folders(), toolkit.device.runtime.parent, toolkit.library.parent)

    def mutants(self, source: str, count: int, seed: int) -> Sequence[SourceMutant]:
        return mutants.project_mutants(source, count, seed)

    def line_to_show(self, source: str, output: str | None) -> tuple[int, str] | None:
        """None, because messages name the file and the line."""

    def same_code(self, original: Build, mutant: Build, *, in_body: bool) -> bool:
        return False


def _needs(build: build_toml.BuildToml, backend: str) -> str:
    parts = build.parts_for(backend)
    first = parts[0].src[0] if parts else build_toml.NAME
    return f"needs a GPU: {first} is built for the backend {backend}, and projects are run for cpu and cuda only"


def _folders() -> tuple[Path, ...]:
    """The folders of torch, of ``kernels``, and of what they import. Raises SandboxError, ToolchainError."""
    found = importlib.util.find_spec("kernels")
    if found is None or not found.origin:
        raise ToolchainError("the package 'kernels' loads projects and is missing: pip install 'pytest-upskill[hub]'")
    return tuple(dict.fromkeys((*torch_folders(), Path(found.origin).resolve().parents[1])))


@functools.cache
def code_digest() -> str:
    """A text that changes with the code that decides what a library may do."""
    files = [*Path(__file__).parent.glob("*.py"), *WORKER.parent.glob("worker*.py")]
    files += [Path(str(module.__file__)) for module in (elf, symbol_policy)]
    return key_of(*(file.read_bytes() for file in sorted(files)))


def _examined(library: Path) -> dict[str, Any]:
    """What is wrong with a library, as plain data."""
    try:
        image = elf.read(library)
    except elf.Unreadable as error:
        return {"violations": [f"its library cannot be read: {error}"], "abi": "", "notes": []}
    return {
        "violations": [
            *policy.violations(image.imports),
            *symbol_policy.forbidden_calls(image.imports),
        ],
        "abi": abi.problem(library, image),
        "notes": abi.notes(library),
    }


def _write_plan(
    folder: Path, project: Project, build: build_toml.BuildToml, names: generated.Names, entry: Mapping[str, Any]
) -> None:
    library = folder / LIBRARY
    files = {path: text.encode() for path, text in package.modules(project.texts, build.package).items()}
    files["_ops.py"] = generated.ops_module(names.extension).encode()
    files["metadata.json"] = generated.metadata(build, entry["backend"], names.extension).encode()
    files[names.library] = library.read_bytes()
    plan = {
        "entry": entry,
        "extension": names.extension,
        "variant": names.variant,
        "allowed": sorted(policy.ALLOWED),
        "sources": [path for path in project.texts if not path.endswith((".py", ".md", ".toml"))],
        "files": {path: base64.b64encode(data).decode() for path, data in files.items()},
    }
    (folder / PLAN).write_text(json.dumps(plan), encoding="utf-8")


def _verdicts(
    data: Mapping[str, Any], entry: Mapping[str, Any], extension: str
) -> tuple[tuple[str, ...], tuple[Assertion, ...]]:
    """What fails ``contract``, and the assertions ``abi`` and ``loads``."""
    loaded, violations = data["loaded"], list(data["violations"])
    problem = str(loaded.get("problem", ""))
    facts = loaded.get("facts", {})
    if facts:
        violations += [
            f"it registers '{one.partition('@')[0]}', an operator of another library" for one in facts["others"]
        ]
        try:
            wrong = difference(parse_schema(facts["schema"]), parse_schema(entry["schema"]))
        except SchemaError as error:
            wrong = str(error)
        if wrong:
            violations.append(f"the schema that is registered {wrong}; asked for:\n{entry['schema']}")
        if not facts["implemented"]:
            where = "CUDA" if entry.get("backend") == "cuda" else "the cpu"
            what = f"'{extension}::{entry['name']}' has no implementation for {where}"
            problem = f"{what}; register one with ops.impl"
        elif not facts["offered"]:
            problem = f"the package does not offer '{entry['name']}'; define a function of this name in __init__.py"
    violations += [f"it {one}" for one in loaded.get("seen", ())]
    notes = "; ".join(data["notes"])
    return tuple(violations), (
        Assertion("abi", not data["abi"], data["abi"] or notes),
        Assertion("loads", not problem, problem),
    )


def write_variant(build: Build, folder: Path) -> Path:
    """Write a build as kernel-builder lays it out, below ``folder``; returns ``build/VARIANT`` there."""
    assert build.library is not None
    plan = json.loads(build.library.read_text(encoding="utf-8"))
    variant = folder / "build" / str(plan["variant"])
    for path, data in plan["files"].items():
        file = variant / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(data))
    return variant


def build_project(
    texts: Mapping[str, str],
    folder: Path,
    machine: Machine,
    *,
    name: str,
    schema: str,
    backend: str,
    results: Sequence[str] = ("out",),
) -> Path:
    """Build a project for its operator ``name`` and load it, in the machine's sandbox; returns ``build/VARIANT``,
    which is written below ``folder``.

    ``texts`` are all files by path; ``schema`` as bindings write it; ``results`` are names, as many as it returns. A
    build for the backend cuda can be loaded on the cpu device only. Raises ProjectError for what is wrong with it.
    """
    project = Project(tuple(File(path, text) for path, text in texts.items()))
    entry = {"name": name, "schema": schema, "backend": backend, "results": list(results), "atomics": False}
    build = TorchExtensionLanguage().build({SOURCE_NAME: project.text}, json.dumps(entry), machine)
    failed = [build.needs, build.message, *build.violations]
    failed += [one.message for one in build.assertions if not one.passed]
    if build.library is None or any(failed):
        raise ProjectError(next(filter(None, failed), "the project cannot be built"))
    return write_variant(build, folder)
