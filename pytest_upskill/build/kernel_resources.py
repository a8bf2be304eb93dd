"""Reads the resources of kernels (registers, spills, shared memory) from the output of ptxas."""

from __future__ import annotations

import re

from pytest_upskill.records import KernelResources

MOST_KERNELS = 64
"""Kernels of one build that are kept; a template can have any number of instantiations."""

_NAME_LENGTH = 120
_ENTRY = re.compile(r"Compiling entry function '(?P<name>.+)' for '(?P<architecture>sm_\w+)'")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


def parse(output: str) -> tuple[KernelResources, ...]:
    """One record for each kernel and architecture, in the order of ``ptxas -v``, whose names may be demangled."""
    found: list[KernelResources] = []
    entry: re.Match[str] | None = None
    frame = (0, 0, 0)
    for line in output.splitlines():
        if started := _ENTRY.search(line):
            entry, frame = started, (0, 0, 0)
        elif entry and (counted := _FRAME.search(line)):
            frame = (int(counted[1]), int(counted[2]), int(counted[3]))
        elif entry and (used := _USED.search(line)):
            shared = _SHARED.search(line)
            name = short_name(entry["name"])
            shared_bytes = int(shared[1]) if shared else 0
            found.append(KernelResources(name, entry["architecture"], int(used[1]), *frame, shared_bytes))
            entry = None
    return tuple(found[:MOST_KERNELS])


def short_name(demangled: str) -> str:
    """``void softmax_kernel<float>(float*, long)`` -> ``softmax_kernel<float>``."""
    depth, end = 0, len(demangled)
    for index, character in enumerate(demangled):
        depth += (character == "<") - (character == ">")
        if character == "(" and depth == 0 and not demangled.startswith("(anonymous", index):
            end = index
            break
    return demangled[:end].removeprefix("void ").strip()[:_NAME_LENGTH]
