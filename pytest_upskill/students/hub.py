"""The student ``hub``, which replies with a kernel that was published on the Hub or that is in a local folder.

The reply names the files of the build that fits this machine by their hashes (``build.file_store``). The files are
downloaded here, and loaded only in a sandbox.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_upskill.build import file_store
from pytest_upskill.cases.case import Case
from pytest_upskill.errors import InfrastructureError, StudentError
from pytest_upskill.languages.torch_extension.published import MOST_BYTES, MOST_FILES, Manifest
from pytest_upskill.records import Question, Reply
from pytest_upskill.students.base import Student, StudentConfig

LOCAL_KERNELS = "LOCAL_KERNELS"
"""The environment variable of the package ``kernels`` that replaces repositories by folders, in the form
``org/name=PATH:org/other=PATH``.
"""
_METADATA = "metadata.json"
"""A file that every build contains."""
_TYPE = "kernel"
"""The type of the repositories on the Hub."""


def overrides() -> dict[str, Path]:
    """Return the folders that LOCAL_KERNELS gives for repositories. Raises ValueError for a value of another form."""
    found = {}
    for entry in filter(None, os.environ.get(LOCAL_KERNELS, "").split(":")):
        name, equals, path = entry.partition("=")
        if not (name and equals and path):
            raise ValueError(f"{LOCAL_KERNELS} holds {entry!r}; it is written as org/name=PATH:org/other=PATH")
        found[name] = Path(path)
    return found


class HubStudent(Student):
    """A student that replies with a published kernel.

    ``config.model`` is ``org/name@REVISION``, or the absolute path of a folder.
    """

    def __init__(self, config: StudentConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._found: Manifest | None = None

    def arms_for(self, skill: str, arms: Sequence[str], cases: Sequence[str]) -> tuple[str, ...]:
        """Return the skill arm only, because guidance cannot change a published kernel."""
        return tuple(arm for arm in arms if arm == "skill")

    def can_answer(self, case: Case) -> bool:
        return case.hub is not None

    def goes_on(self, question: Question) -> bool:
        return False

    def ask(self, question: Question, case: Case) -> Reply:
        with self._lock:
            if self._found is None:
                self._found = self._manifest()
        found = self._found
        revision = f"@{found.revision}" if found.revision else ""
        return Reply(text=found.text, cost_usd=0.0, model=f"{found.repository}{revision}")

    def _manifest(self) -> Manifest:
        model = self.config.model
        if Path(model).is_absolute():
            return self._local(Path(model), Path(model).name)
        repository, _, revision = model.partition("@")
        with self._said(f"the Hub has no usable kernel {model!r}"):
            if (folder := overrides().get(repository)) is not None:
                return self._local(folder.expanduser().absolute(), repository)
            return self._remote(repository, revision)

    def _local(self, folder: Path, name: str) -> Manifest:
        """Return the manifest of the kernel in a folder.

        A build that fits this machine is searched for in the folder and in its ``build``. The folder may also be a
        build itself.
        """
        if not folder.is_dir():
            raise StudentError(f"student '{self.name}': {folder} is not a folder; name one with a build of a kernel")
        variants = _variants()
        for base in (folder, folder / "build"):
            names = sorted(one.parent.name for one in base.glob(f"*/{_METADATA}"))
            fitting, all_ = _fitting(variants, names)
            if fitting:
                return self._with_files(base / fitting, Manifest(name, "", fitting))
            if all_:
                return Manifest(name, needs=_needs(name, all_, self.name))
        if (folder / _METADATA).is_file():
            return self._with_files(folder, Manifest(name, "", folder.name))
        rule = "it has no build/ with a folder such as torch213-cxx11-cpu-x86_64-linux"
        raise StudentError(f"student '{self.name}': {folder} holds no built kernel: {rule}; build the project first")

    def _remote(self, repository: str, revision: str) -> Manifest:
        """Download the build of a repository that fits this machine, and return its manifest.

        Raises what huggingface_hub raises.
        """
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile, RepoFolder
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()  # progress bars would disturb the lines of the run
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="pytest-upskill")
        tree = api.list_repo_tree(repository, "build", repo_type=_TYPE, revision=revision)
        names = sorted(one.path.rpartition("/")[2] for one in tree if isinstance(one, RepoFolder))
        fitting, all_ = _fitting(_variants(), names)
        if not fitting:
            return Manifest(repository, revision, needs=_needs(repository, all_, self.name))
        inside = api.list_repo_tree(repository, f"build/{fitting}", recursive=True, repo_type=_TYPE, revision=revision)
        self._check_size(f"{repository}: build/{fitting}", [one.size for one in inside if isinstance(one, RepoFile)])
        snapshot = api.snapshot_download(
            repository,
            repo_type=_TYPE,
            revision=revision,
            allow_patterns=[f"build/{fitting}/*"],
            ignore_patterns=["*.pyc", "**/__pycache__/**"],
            cache_dir=os.environ.get("KERNELS_CACHE"),
        )
        commit = Path(snapshot).name
        return self._with_files(Path(snapshot) / "build" / fitting, Manifest(repository, commit, fitting))

    def _with_files(self, folder: Path, manifest: Manifest) -> Manifest:
        """Store the files of a build by their hashes, and return the manifest with these files."""
        paths = sorted(
            path
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
        )
        try:
            self._check_size(str(folder), [path.stat().st_size for path in paths])
            files = {path.relative_to(folder).as_posix(): file_store.store(path.read_bytes()) for path in paths}
            return Manifest.read(replace(manifest, files=files).text)
        except OSError as error:
            what = f"{error.filename} cannot be read: {error.strerror}"
            raise StudentError(f"student '{self.name}': {what}; make it readable, or remove it") from error
        except ValueError as error:
            raise StudentError(f"student '{self.name}': {folder} cannot be loaded: {error}; rename it") from error

    def _check_size(self, what: str, sizes: Sequence[int]) -> None:
        """Raise StudentError if a build (with files of ``sizes`` bytes) is too large to be loaded."""
        if len(sizes) > MOST_FILES or sum(sizes) > MOST_BYTES:
            limit = f"at most {MOST_FILES} files and {MOST_BYTES >> 20} MiB are loaded: name a smaller build"
            found = f"{len(sizes)} files of {sum(sizes) >> 20} MiB"
            raise StudentError(f"student '{self.name}': {what} has {found}; {limit}")

    @contextlib.contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """Raise StudentError in place of any exception of huggingface_hub."""
        try:
            yield
        except InfrastructureError:
            raise
        except Exception as error:
            said = " ".join(str(error).split())[:300]
            step = "check the name, the revision and HF_ENDPOINT; private ones need a token (hf auth login)"
            raise StudentError(f"student '{self.name}': {what}: {type(error).__name__}: {said}; {step}") from error


def _variants() -> Any:
    """Return the module of ``kernels`` that knows which builds a machine can load. Raises StudentError if it is
    missing.
    """
    try:
        from kernels import variants
    except ImportError as error:
        how = "pip install 'pytest-upskill[hub]'"
        raise StudentError(
            f"published kernels are loaded with the package 'kernels', which is missing: {how}"
        ) from error
    if not all(hasattr(variants, name) for name in ("parse_variant", "resolve_variant")):
        raise StudentError("the package 'kernels' has another version than is known here: install kernels 0.17")
    return variants


def _fitting(variants: Any, names: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the build that fits the CPU of this machine (empty if none fits), and the names of all
    builds.
    """
    parsed = {}
    for name in names:
        with contextlib.suppress(ValueError):
            parsed[name] = variants.parse_variant(name)
    chosen, _ = variants.resolve_variant(list(parsed.values()), "cpu")
    fitting = next((name for name, variant in parsed.items() if variant is chosen), "") if chosen is not None else ""
    return fitting, list(parsed)


def _needs(name: str, builds: Sequence[str], student: str) -> str:
    """Return why no build can be loaded here, if there are builds only for other devices than the CPU.

    Raises StudentError if there is no build at all, or if there are builds for CPUs but none fits this machine.
    """
    shown = ", ".join(builds[:8]) + (f" and {len(builds) - 8} more" if len(builds) > 8 else "")
    if not builds:
        raise StudentError(f"student '{student}': {name} has no builds; name a repository or a revision with a build/")
    if any("-cpu" in one for one in builds):
        rule = "none fits this machine's processor and version of torch"
        raise StudentError(f"student '{student}': {name} has the builds {shown}; {rule}: install another torch")
    return f"needs a GPU: {name} has no build for the CPU, only {shown}"
