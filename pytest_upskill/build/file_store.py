"""Files by the hash of their contents, below the cache folder: what a request to the judge names and cannot hold.

A request is plain text; the libraries of a published kernel are not. A file that is missing here, because a request
comes from another machine or the folder was emptied, has to be stored again by whoever has it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pytest_upskill.errors import InfrastructureError, ToolchainError
from pytest_upskill.paths import cache_folder, write_atomically


def store(data: bytes) -> str:
    """Keep a file; returns its SHA-256 (hex). Raises InfrastructureError."""
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
    """The file with this hash. Raises ToolchainError if it is not here, or damaged."""
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
