"""The language ``hub``: a kernel that was built and published by others, as its files and the name of its operator.

Its one source is a manifest: the repository, the build that fits this machine, and the hash of each file of that build
(``build.file_store``). Nothing is compiled. See ``languages.base``.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_upskill.build import file_store
from pytest_upskill.build.cache import Cache, Facts, Made, key_of
from pytest_upskill.cases.case import PUBLISHED
from pytest_upskill.devices.base import Machine
from pytest_upskill.languages.torch_extension.compiler import headers
from pytest_upskill.languages.torch_extension.executor import ExtensionExecutor, load_facts
from pytest_upskill.languages.torch_extension.language import LOAD_SECONDS, PLAN, TorchExtensionLanguage, code_digest
from pytest_upskill.records import Assertion, Build, CallLayout
from pytest_upskill.sandbox.message_process import Limits

NAME = PUBLISHED
SOURCE = "kernel.json"
MOST_FILES, MOST_BYTES = 2_000, 256 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_PATH = re.compile(r"[\w.+-]+(?:/[\w.+-]+)*\Z")
_VARIANT = re.compile(r"[\w.-]+\Z")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A published kernel. ``files`` maps paths inside the build to hashes. With ``needs``, no build fits, and why."""

    repository: str
    revision: str = ""
    variant: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""

    @property
    def text(self) -> str:
        """The manifest as JSON; the same for the same kernel."""
        plain = {
            "repository": self.repository,
            "revision": self.revision,
            "variant": self.variant,
            "files": dict(sorted(self.files.items())),
            "needs": self.needs,
        }
        return json.dumps(plain, indent=1)

    @classmethod
    def read(cls, text: str) -> Manifest:
        """The inverse of ``text``. Raises ValueError for any other text."""
        try:
            plain = json.loads(text)
            found = cls(
                str(plain["repository"]),
                str(plain["revision"]),
                str(plain["variant"]),
                {str(path): str(digest) for path, digest in plain["files"].items()},
                str(plain["needs"]),
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is not the manifest of a published kernel: {error!r}") from None
        for path, digest in found.files.items():
            if not _PATH.match(path) or ".." in path.split("/") or not _DIGEST.match(digest):
                rule = "a path has letters, digits, '_.+-' and '/', and a hash is SHA-256"
                raise ValueError(f"it names the file {path!a} with the hash {digest!a}; {rule}")
        if found.variant and not _VARIANT.match(found.variant):
            raise ValueError(f"it names the build {found.variant!a}")
        return found


class PublishedLanguage(TorchExtensionLanguage):
    """Published kernels, loaded with the package ``kernels`` in a worker."""

    name = NAME
    source_name = SOURCE
    devices = ("cpu",)
    compiles = False
    checks = ("runs", "correct", "deterministic", "inputs")

    def __init__(self, cache: Cache | None = None) -> None:
        super().__init__(cache)
        self._cache = cache or Cache()

    def identity(self) -> str:
        return f"{NAME} {headers().version}"

    def build(self, sources: Mapping[str, str], entry: str, machine: Machine, *, checked: bool = True) -> Build:
        """``entry`` is JSON: ``name``, ``arguments``, ``results`` (names) and ``atomics``."""
        began, plain = time.monotonic(), json.loads(entry)
        manifest = Manifest.read(sources[SOURCE])
        if manifest.needs:
            return Build(None, needs=manifest.needs)
        confinement, server = machine.confinement, self.server(machine.confinement, NAME)
        key = key_of(NAME, manifest.text, entry, confinement.level, headers().version, code_digest())

        def make(folder: Path) -> Made:
            files = {path: file_store.load(digest) for path, digest in manifest.files.items()}
            plan = {
                "entry": plain,
                "extension": _identifier(files.get("metadata.json", b"")),
                "variant": manifest.variant,
                "allowed": [],
                "files": {path: base64.b64encode(data).decode() for path, data in files.items()},
            }
            (folder / PLAN).write_text(json.dumps(plan), encoding="utf-8")
            loaded = load_facts(folder / PLAN, server, Limits(seconds=LOAD_SECONDS), filtered=confinement.filtered)
            return Made(Facts(data=json.dumps(loaded)), keep="facts" in loaded)

        kept = self._cache.get(key, make)
        loaded = json.loads(kept.facts.data)
        problem = str(loaded.get("problem", ""))
        if not problem and not loaded["facts"]["offered"]:
            problem = f"{manifest.repository} does not offer '{plain['name']}'; correct 'hub: {{op: ...}}' of the case"
        return Build(
            kept.folder / PLAN,
            seconds=time.monotonic() - began,
            cached=not kept.fresh,
            assertions=(Assertion("loads", not problem, problem),),
        )

    def execute(self, build: Build, layout: CallLayout, machine: Machine, timeout: float) -> ExtensionExecutor:
        assert build.library is not None
        confinement = machine.confinement
        server = self.server(confinement, NAME)
        return PublishedExecutor(build.library, server, Limits(seconds=timeout), filtered=confinement.filtered)


def _identifier(metadata: bytes) -> str:
    """The name under which ``kernels`` imports a build, by its metadata.json."""
    try:
        return str(json.loads(metadata)["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return NAME


class PublishedExecutor(ExtensionExecutor):
    """Calls the function that a published kernel offers."""

    def assertions(self) -> Sequence[Assertion]:
        """No assertions: the further requirements on a project's operator do not apply to published kernels."""
        return ()
