"""Finds the launcher in a reply: the last closed block of the answer that defines the function asked for."""

from __future__ import annotations

from pytest_upskill.contracts.base import Extraction
from pytest_upskill.contracts.launcher.signature import Signature, declaration
from pytest_upskill.contracts.launcher.signature_check import mismatch
from pytest_upskill.contracts.reply_blocks import extract, not_defined
from pytest_upskill.documents.markdown import Fence
from pytest_upskill.documents.reasoning import Blocks
from pytest_upskill.languages.cuda.parser import MAX_PARSED, Definition, find_definitions

MAX_BLOCKS = 1000
"""Blocks that are examined at most; the limits keep a reply of megabytes from taking minutes."""

MAX_KERNEL = 200_000
"""Characters of a kernel, all of which later steps read; the longest that people write are a tenth as long."""


def extract_kernel(text: str, signature: Signature) -> Extraction:
    """The kernel of a reply, with the line in the reply where it starts."""
    asked, parsed = declaration(signature), 0

    def judge(fence: Fence, blocks: Blocks) -> tuple[str, bool]:
        nonlocal parsed
        parsed += len(fence.source)
        definitions = find_definitions(fence.source, signature.name, parse=parsed <= MAX_PARSED)
        if any(definition.usable for definition in definitions):
            return _complaint(fence.source, definitions, signature) or "", True
        if not definitions:
            return "", False
        inside = next((definition.inside for definition in definitions if definition.inside), None)
        how = f"defines it in {inside}, and it must stand at global scope" if inside else "only declares it"
        return not_defined(blocks, signature.name, asked, f"the one in line {fence.line} {how}"), False

    return extract(text, signature.name, "cuda", asked, judge, MAX_BLOCKS)


def problem(source: str, signature: Signature) -> str | None:
    """Why a source does not define the function asked for; None if it does."""
    definitions = find_definitions(source, signature.name)
    if any(definition.usable for definition in definitions):
        return _complaint(source, definitions, signature)
    return f"the source does not define '{signature.name}'; asked for:\n{declaration(signature)}"


def _complaint(source: str, definitions: list[Definition], signature: Signature) -> str | None:
    if len(source) > MAX_KERNEL:
        return f"the kernel has {len(source)} characters; at most {MAX_KERNEL}: shorten it"
    return mismatch(definitions, signature, source)
