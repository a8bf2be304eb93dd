"""The line of a CUDA kernel to show for a failure whose line is unknown. Reads the source text only."""

from __future__ import annotations

import re

_KERNEL = re.compile(r"__global__\b")
_PARAMETERS = re.compile(r"__global__[^(;{]*?(?:__launch_bounds__\s*\([^)]*\)[^(;{]*?)?\b(\w+)\s*\(([^)]*)\)")


def line_to_show(source: str, output: str | None) -> tuple[int, str] | None:
    """The line where a kernel writes ``output``; else another result; else the first kernel's head."""
    start = _KERNEL.search(source)
    if start is None:
        return None
    for name in _written_names(source, output):
        pattern = re.compile(rf"(?<![\w.]){re.escape(name)}\s*\[.*?\]\s*(?:[-+*/|&^]|<<|>>)?=(?!=)")
        if found := pattern.search(source, start.start()):
            return _line_of(source, found.start()), f"where {name} is written"
    return _line_of(source, start.start()), "the kernel"


def _written_names(source: str, output: str | None) -> list[str]:
    """The output's own name, then the pointers to non-const that the kernels take, in order."""
    names = [output] if output else []
    for found in _PARAMETERS.finditer(source):
        for parameter in found[2].split(","):
            name = re.search(r"(\w+)\s*$", parameter)
            if name and "*" in parameter and "const" not in parameter.split("*")[0]:
                names.append(name[1])
    return list(dict.fromkeys(names))


def _line_of(source: str, offset: int) -> int:
    return source.count("\n", 0, offset) + 1
