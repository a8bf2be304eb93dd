"""Stores files by the hash of their contents, below the cache folder. A request to the judge names files by their
hashes, because it is plain text and cannot contain, for example, the libraries of a published kernel.

If a file is missing (the request comes from another machine, or the folder was emptied), whoever has the file must
store it again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pytest_upskill.errors import InfrastructureError, ToolchainError
from pytest_upskill.paths import cache_folder, write_atomically


def store(data: bytes) -> str:
    """Store a file. Returns its SHA-256 (hex). Raises InfrastructureError."""
    digest = hashlib.sha256(data).hexdigest()
    path = _place(digest)
    try:
        if not path.is_file() or path.stat().st_size != len(data):
            write_atomically(path, data)
    except OSError as error:
        rule = "free some space, or name another folder in UPSKILL_CACHE_DIR"
        raise InfrastructureError(f"cannot write {path}: {error.strerror or error}; {rule}") from error
    return digest


def load(digest: str) -> bytes:
    """The file with this hash. Raises ToolchainError if it is not stored here, or damaged."""
    try:
        data = _place(digest).read_bytes()
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != digest:
        rule = "run the student again on this machine, which stores its files"
        raise ToolchainError(f"the file with SHA-256 {digest} is not in {_place(digest).parent}, or damaged: {rule}")
    return data


def _place(digest: str) -> Path:
    return cache_folder() / "files" / digest[:2] / digest
