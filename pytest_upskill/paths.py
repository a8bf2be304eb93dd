"""The home, cache and state folders, names of files in them, and atomic writes."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

HOME = ".upskill"
"""The folder in pytest's rootdir in which runs store their files."""
GENERATED = ".upskill-gen.json"
"""The file in a skill's ``evals/`` in which ``upskill-gen`` records who wrote which case."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:]")


def home(root: Path) -> Path:
    """``.upskill`` in pytest's rootdir, created if it is missing, and ignored by git. Raises OSError."""
    folder = root / HOME
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomically(ignore, "*\n")
    return folder


def cache_folder() -> Path:
    """The cache folder: ``UPSKILL_CACHE_DIR``, or else pytest-upskill's folder in the user's caches.

    The folder may not exist yet.
    """
    chosen = os.environ.get("UPSKILL_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("pytest-upskill"))


def state_folder() -> Path:
    """The state folder: ``UPSKILL_STATE_DIR``, or else pytest-upskill's folder among the user's state folders.

    The folder may not exist yet.
    """
    chosen = os.environ.get("UPSKILL_STATE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_state_dir("pytest-upskill"))


def component(name: str) -> str:
    """A name for one file or folder, made from ``name``. It has no separators and no leading dot, and is never empty.

    A ``name`` that is a valid file name is returned unchanged, so that people find their files.
    """
    safe = _UNSAFE.sub("-", name)
    return re.sub(r"^\.+", lambda dots: "_" * len(dots.group()), safe) or "_"


def write_atomically(path: Path, text: str | bytes) -> None:
    """Replace a file in one step, so that readers see either the whole old text or the whole new text.

    Line ends stay as they are.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A text from a server can contain half of a surrogate pair, which cannot be encoded.
    data = text if isinstance(text, bytes) else text.encode("utf-8", errors="replace")
    temporary = path.with_name(f".writing-{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
