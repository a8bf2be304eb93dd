"""From a reply to the kernel: the last closed block of the answer that defines the function asked for.

Blocks are never joined. A block that was not closed counts only where no closed one defines the function. Knows text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from pytest_upskill.contracts.base import Extraction
from pytest_upskill.contracts.launcher.signature import Signature, declaration
from pytest_upskill.contracts.launcher.signature_check import mismatch
from pytest_upskill.documents.markdown import Fence
from pytest_upskill.documents.reasoning import Blocks, answer_blocks
from pytest_upskill.languages.cuda.parser import MAX_PARSED, Definition, find_definitions
from pytest_upskill.records import Kernel

MAX_BLOCKS = 1000
"""Blocks that name the function and are looked into; the limits keep megabytes of nonsense from taking minutes."""

MAX_KERNEL = 200_000
"""Characters of a kernel; the longest that people write are a tenth of it, and what follows reads every one of them."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    fence: Fence
    definitions: list[Definition]


def extract_kernel(text: str, signature: Signature) -> Extraction:
    """The kernel of a reply, exactly as written but for line ends, with the line in the reply where it starts."""
    blocks = answer_blocks(text)
    if not blocks.answer:
        return Extraction(None, False, _no_block(blocks, signature))
    near: _Candidate | None = None
    parsed = 0
    for fence in islice((fence for fence in _in_order(blocks.answer) if signature.name in fence.source), MAX_BLOCKS):
        parsed += len(fence.source)
        definitions = find_definitions(fence.source, signature.name, parse=parsed <= MAX_PARSED)
        kernel = Kernel(fence.source, fence.line)
        if any(definition.body and definition.inside is None for definition in definitions):
            complaint = _too_long(fence.source) or mismatch(definitions, signature, fence.source)
            if complaint is None:
                return Extraction(kernel, True, "", kernel)
            return Extraction(None, True, complaint, kernel)
        if definitions and near is None:
            near = _Candidate(fence, definitions)
    found = None if near is None else Kernel(near.fence.source, near.fence.line)
    return Extraction(None, True, _not_defined(blocks, near, signature), found)


def problem(source: str, signature: Signature) -> str | None:
    """Why a source does not define the function asked for; None where it does."""
    definitions = find_definitions(source, signature.name)
    if not any(definition.body and definition.inside is None for definition in definitions):
        return f"the source does not define '{signature.name}'; asked for:\n{declaration(signature)}"
    return _too_long(source) or mismatch(definitions, signature, source)


def _too_long(source: str) -> str | None:
    length = len(source)
    return f"the kernel has {length} characters; at most {MAX_KERNEL}: shorten it" if length > MAX_KERNEL else None


def _in_order(fences: Iterable[Fence]) -> list[Fence]:
    """The order of preference: closed ones from the last to the first, then the one that is not closed."""
    backwards = list(fences)[::-1]
    return [fence for fence in backwards if fence.closed] + [fence for fence in backwards if not fence.closed]


def _no_block(blocks: Blocks, signature: Signature) -> str:
    where = "only its reasoning holds fenced blocks" if blocks.in_reasoning else "the reply holds no fenced block"
    return f"{where}; one ```cuda block that defines '{signature.name}' was asked for"


def _not_defined(blocks: Blocks, near: _Candidate | None, signature: Signature) -> str:
    count = len(blocks.answer)
    message = f"the only fenced block does not define '{signature.name}'"
    if count > 1:
        message = f"none of the {count} fenced blocks defines '{signature.name}'"
    if near is not None:
        inside = next((definition.inside for definition in near.definitions if definition.inside), None)
        line = near.fence.line
        if inside:
            message += f"; the one in line {line} defines it in {inside}, and it must stand at global scope"
        else:
            message += f"; the one in line {line} only declares it"
    elif blocks.in_reasoning:
        message += "; blocks in the reasoning do not count"
    return f"{message}; asked for:\n{declaration(signature)}"
