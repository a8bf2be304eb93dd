"""Tells which names exist in CUDA, from the table in cuda_names.txt, which tools/cuda_names.py makes from a toolkit."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

_TABLE = Path(__file__).with_name("cuda_names.txt")
_NAMESPACES = frozenset(("thrust", "cub", "cuda", "nvcuda", "cooperative_groups", "cg", "cde", "nv", "wmma"))
"""Namespaces of CUDA's C++ libraries; ``cg`` and ``cde`` are their usual aliases."""
_OTHER_LIBRARIES = re.compile(r"(?:cudnn|nccl|nvjpeg|npp[is]?|nvshmem|cutensor)[A-Z]\w*|(?:cutlass|cute)")
_OTHER_HEADERS = re.compile(
    r"(?:cutlass|cute|cuda/std|cudnn_frontend)/.*|(?:cudnn|nccl|nvjpeg|npp|cutensor|nvshmem)\w*\.h"
)
_SHAPE = re.compile(r"m(?:8|16|32|64|128|256)n\d{1,3}(?:k\d{1,3})?")
_LONGEST_INSTRUCTION = 5
"""The most parts of an instruction's name (``cp.reduce.async.bulk.tensor``). Any further parts are modifiers."""


_WITHOUT_TYPE = frozenset(("bra", "brkpt", "call", "exit", "pmevent", "ret", "stackrestore", "trap"))
"""Instructions that need no modifier. Other names without a modifier are host assembly, such as ``mov``."""


@functools.cache
def _table() -> Mapping[str, frozenset[str]]:
    found: dict[str, list[str]] = {}
    before, words = "", []
    for line in _TABLE.read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            words, before = found.setdefault(line.strip("[]"), []), ""
        elif not line.startswith("#"):
            for coded in line.split():
                before = before[: int(coded[0], 36)] + coded[1:]
                words.append(before)
    return {title: frozenset(words) for title, words in found.items()}


def is_instruction(opcode: str) -> bool:
    """Whether PTX has an instruction with these modifiers, such as ``wgmma.fence.sync.aligned``."""
    parts = opcode.split(".")
    if len(parts) == 1:
        return opcode in _WITHOUT_TYPE
    table = _table()
    for count in range(min(len(parts), _LONGEST_INSTRUCTION), 0, -1):
        if ".".join(parts[:count]).partition("::")[0] in table["instructions"]:
            return all(part in table["modifiers"] or _SHAPE.fullmatch(part) for part in parts[count:])
    return False


def is_listed(name: str, title: str) -> bool:
    """Whether PTX has a directive ``.name`` (``directives``), or a special register ``%name`` (``registers``)."""
    return name in _table()[title]


def is_header(name: str) -> bool:
    """Whether CUDA, or a library that is built on it, has a header of this name."""
    return name in _table()["headers"] or _OTHER_HEADERS.fullmatch(name) is not None


def is_name(qualified: str) -> bool:
    """Whether a qualified name, as it is written, is a name or a header of CUDA."""
    if "/" in qualified or "." in qualified:
        return is_header(qualified)
    first, *rest = qualified.removeprefix("::").split("::")
    table = _table()
    if _OTHER_LIBRARIES.fullmatch(first):
        return True
    if first in _NAMESPACES:
        return all(part in table["members"] or part in table["names"] or part in _NAMESPACES for part in rest)
    return not rest and first in table["names"]
