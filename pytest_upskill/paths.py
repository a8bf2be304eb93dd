"""The folders where runs keep things, names of files in them, and atomic writes. Knows nothing of what is kept."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

HOME = ".upskill"
"""The folder in pytest's rootdir that holds what runs leave behind."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:]")


def home(root: Path) -> Path:
    """``.upskill`` below pytest's rootdir, made where it is missing, out of git's sight. Raises OSError."""
    folder = root / HOME
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomically(ignore, "*\n")
    return folder


def cache_folder() -> Path:
    """``UPSKILL_CACHE_DIR``, else pytest-upskill's folder in the user's caches. Made by whoever writes to it."""
    chosen = os.environ.get("UPSKILL_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("pytest-upskill"))


def component(name: str) -> str:
    """``name`` as the name of one file or folder: no separators, no leading dot, never empty.

    Names that are file names already come back unchanged, so that people find their files.
    """
    safe = _UNSAFE.sub("-", name)
    return re.sub(r"^\.+", lambda dots: "_" * len(dots.group()), safe) or "_"


def write_atomically(path: Path, text: str | bytes) -> None:
    """Whoever reads ``path`` meanwhile sees all of the old text or all of the new. Line ends stay as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Half of a surrogate pair has no UTF-8: a server may send one all the same.
    data = text if isinstance(text, bytes) else text.encode("utf-8", errors="replace")
    temporary = path.with_name(f".writing-{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_text(path: Path) -> str:
    """A file's text whatever its bytes: what is no UTF-8 becomes U+FFFD, NULs and line ends stay."""
    return path.read_bytes().decode("utf-8-sig", errors="replace")
