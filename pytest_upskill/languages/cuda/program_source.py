"""Rewrites the files of a whole program, and the user's headers that they include, for the host compiler.

Rewritten headers are written beside the rewritten sources, and every ``#include`` of one names its new place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_upskill.errors import UsageError
from pytest_upskill.languages.cuda.gpu_features import message, needs_gpu
from pytest_upskill.languages.cuda.rewrite import rewrite
from pytest_upskill.native.cpu.flags import INCLUDE

_INCLUDE = re.compile(r'^([ \t]*#[ \t]*include[ \t]*)([<"])([^>"\n]+)[>"]', re.MULTILINE)


class NeedsGpu(Exception):
    """The program needs a feature that the cpu device does not support; the message names it and its place."""


@dataclass
class Sources:
    """Rewrites files into ``folder``; ``include`` are the user's folders for headers."""

    folder: Path
    include: Sequence[Path]
    _headers: dict[Path, Path] = field(default_factory=dict)

    def unit(self, path: Path) -> Path:
        """Writes a source's translation unit. Raises UsageError, NeedsGpu, and ValueError (a launch without end)."""
        target = self.folder / f"{len(list(self.folder.iterdir()))}-{path.stem}.cpp"
        target.write_text(self._rewritten(path), encoding="utf-8", errors="surrogateescape")
        return target

    def _rewritten(self, path: Path) -> str:
        text = _read(path)
        if need := needs_gpu(text, program=True):
            raise NeedsGpu(message(need, str(path)))
        return rewrite(_INCLUDE.sub(lambda match: self._redirect(match, path.parent), text), str(path))

    def _redirect(self, match: re.Match[str], folder: Path) -> str:
        header = self._find(match[3].strip(), folder if match[2] == '"' else None)
        return match[0] if header is None else f'{match[1]}"{self._header(header)}"'

    def _find(self, name: str, folder: Path | None) -> Path | None:
        """The user's header of that name; our own headers precede those in the user's folders."""
        if folder is not None and (folder / name).is_file():
            return folder / name
        if (INCLUDE / name).is_file():
            return None
        return next((place / name for place in self.include if (place / name).is_file()), None)

    def _header(self, header: Path) -> Path:
        key = header.resolve()
        if key not in self._headers:
            target = self.folder / f"h{len(self._headers)}" / header.name
            self._headers[key] = target
            target.parent.mkdir()
            target.write_text(self._rewritten(header), encoding="utf-8", errors="surrogateescape")
        return self._headers[key]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}; name a CUDA source file") from error
