"""The home, cache and state folders, names of files in them, and atomic writes."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

HOME = ".upskill"
"""The folder in pytest's rootdir for what runs keep."""
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
    """``UPSKILL_CACHE_DIR``, else pytest-upskill's folder in the user's caches. It may not exist yet."""
    chosen = os.environ.get("UPSKILL_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("pytest-upskill"))


def state_folder() -> Path:
    """``UPSKILL_STATE_DIR``, else pytest-upskill's folder in the user's state. It may not exist yet."""
    chosen = os.environ.get("UPSKILL_STATE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_state_dir("pytest-upskill"))


def component(name: str) -> str:
    """``name`` as the name of one file or folder: no separators, no leading dot, never empty.

    Valid file names are unchanged, so that people find their files.
    """
    safe = _UNSAFE.sub("-", name)
    return re.sub(r"^\.+", lambda dots: "_" * len(dots.group()), safe) or "_"


def write_atomically(path: Path, text: str | bytes) -> None:
    """Replace a file at once: readers see all of the old text or all of the new. Line ends stay as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Half of a surrogate pair, which a server may send, cannot be encoded.
    data = text if isinstance(text, bytes) else text.encode("utf-8", errors="replace")
    temporary = path.with_name(f".writing-{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
