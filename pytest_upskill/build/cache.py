"""A content-addressed cache of builds, shared by all processes of a user. It knows keys and files, but no compiler.

An entry is a folder that appears in one rename, with a manifest of its files. If an entry does not match its manifest,
it is made again. A lock ensures that only one thread or process makes an entry. If the cache exceeds its limit, the
least recently used entries are evicted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pytest_upskill.errors import ToolchainError
from pytest_upskill.paths import cache_folder

VERSION = "1"
LIMIT_BYTES = 2 << 30
_MANIFEST = "manifest.json"
_LOCK_SECONDS = 600.0
_LOCKS = 256
_HASHED_BYTES = 8 << 20
_SPARED_SECONDS = 600.0
_ABANDONED_SECONDS = 3600.0
_STORES_BETWEEN_EVICTIONS = 50


@dataclass(frozen=True, slots=True)
class Facts:
    """The metadata of an entry; ``data`` is text in a format that the entry's maker chooses."""

    ok: bool = True
    message: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: a folder with files, and its metadata. ``fresh`` is True if this call made the entry, and False if the
    entry was found in the cache.
    """

    folder: Path
    facts: Facts
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """The result of making an entry. If ``keep`` is False, the result is returned to the caller, but not stored."""

    facts: Facts
    keep: bool = True


def key_of(*parts: str | bytes) -> str:
    """The key (a digest) of a sequence of parts."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


class Cache:
    """Entries below one folder. Thread-safe and process-safe. Raises ToolchainError if the cache cannot write."""

    def __init__(self, folder: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder = folder or cache_folder()
        self._entries = self.folder / f"v{VERSION}"
        self._limit = limit_bytes
        self._stores = 0

    def find(self, key: str) -> Entry | None:
        """The entry of a key; None if it is missing or damaged. This makes nothing and waits for no lock."""
        folder = self._place(key)
        if (facts := _read_manifest(folder)) is None:
            return None
        with contextlib.suppress(OSError):
            os.utime(folder / _MANIFEST)
        return Entry(folder, facts)

    def get(self, key: str, make: Callable[[Path], Made]) -> Entry:
        """The entry of a key. If it is missing or damaged, exactly one thread or process calls ``make``, which fills a
        folder.
        """
        if entry := self.find(key):
            return entry
        with self._writing(), self._locked(key):
            return self.find(key) or self._make(key, make)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder on the cache's file system, removed afterwards."""
        with self._writing():
            path = self._entries / "scratch" / f"{os.getpid()}-{secrets.token_hex(8)}"
            path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def evict(self, spared_seconds: float = _SPARED_SECONDS) -> int:
        """Remove the least recently used entries until the limit holds. Returns how many were removed.

        Entries that were used within the last ``spared_seconds`` stay, because another process may be about to open
        them. Entries share files by hard links; a shared file counts once.
        """
        for folder in self._entries.glob("scratch/*"):  # scratch folders of processes that were killed
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
        total, removed, counted = 0, 0, set[int]()
        for used, folder in sorted(self._uses(), reverse=True):
            with contextlib.suppress(OSError):
                sizes = {status.st_ino: status.st_size for status in map(Path.stat, folder.iterdir())}
                total += sum(size for inode, size in sizes.items() if inode not in counted)
                counted.update(sizes)
            if total > self._limit and time.time() - used >= spared_seconds:
                self._discard(folder)
                removed += 1
        return removed

    def _make(self, key: str, make: Callable[[Path], Made]) -> Entry:
        with self.scratch() as made_in:
            made = make(made_in)
            if not made.keep:
                return Entry(made_in, made.facts, fresh=True)
            files = {file.name: _fingerprint(file) for file in sorted(made_in.iterdir())}
            manifest = {"facts": asdict(made.facts), "files": files}
            (made_in / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
            final = self._place(key)
            final.parent.mkdir(parents=True, exist_ok=True)
            self._discard(final)
            made_in.rename(final)
        self._stores += 1
        if self._stores % _STORES_BETWEEN_EVICTIONS == 1:
            self.evict()
        return Entry(final, made.facts, fresh=True)

    def _place(self, key: str) -> Path:
        return self._entries / "entries" / key[:2] / key

    def _discard(self, folder: Path) -> None:
        """Rename the folder, then remove it, so that no process ever sees a partly removed entry."""
        discarded = self._entries / "scratch" / f"gone-{secrets.token_hex(8)}"
        with contextlib.suppress(FileNotFoundError):
            folder.rename(discarded)
            shutil.rmtree(discarded, ignore_errors=True)

    def _uses(self) -> Iterator[tuple[float, Path]]:
        """The folder of each entry, and when it was last used."""
        for manifest in self._entries.glob(f"entries/*/*/{_MANIFEST}"):
            with contextlib.suppress(OSError):
                yield manifest.stat().st_mtime, manifest.parent

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        import filelock

        # There is a fixed number of lock files, because none can be removed safely while a process may wait for it.
        path = self._entries / "locks" / f"{int(key[:8], 16) % _LOCKS:02x}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(path, timeout=_LOCK_SECONDS).acquire(poll_interval=0.02):
                yield
        except filelock.Timeout as error:
            raise ToolchainError(
                f"another process has held the build lock {path} for {_LOCK_SECONDS:g} s; end it, or remove the file"
            ) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ToolchainError(
                f"cannot write to the build cache {self.folder}: {error.strerror or error}; "
                "free some space, or name another folder in UPSKILL_CACHE_DIR"
            ) from error


def _read_manifest(folder: Path) -> Facts | None:
    """The metadata of an entry; None if the entry is missing, or differs from its manifest."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        facts = Facts(**manifest["facts"])
        whole = all(_fingerprint(folder / name) == fingerprint for name, fingerprint in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    typed = type(facts.ok) is bool and isinstance(facts.message, str) and isinstance(facts.data, str)
    return facts if whole and typed else None


def _fingerprint(file: Path) -> str:
    """A file's size and, unless it is large, a digest of its contents. The size detects files that a full disk has
    truncated.
    """
    size = file.stat().st_size
    if size > _HASHED_BYTES:
        return f"{size}"
    return f"{size}:{hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()}"
