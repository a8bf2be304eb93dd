"""Finds a kernel in the fenced blocks of a reply, in the same way for all contracts. Knows no language.

Blocks are never joined. Closed blocks are examined first, from the last to the first, then a block that is not closed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from pytest_upskill.contracts.base import Extraction
from pytest_upskill.documents.markdown import Fence
from pytest_upskill.documents.reasoning import Blocks, answer_blocks
from pytest_upskill.records import Kernel

Judge = Callable[[Fence, Blocks], tuple[str, bool]]
"""A function that is given a block, and returns what is wrong with it (empty if nothing is), and whether the search
ends with this block.
"""


def extract(text: str, name: str, tag: str, declaration: str, judge: Judge, most: int) -> Extraction:
    """The first block that ``judge`` accepts, among the first ``most`` blocks that mention ``name``. Only its line ends
    may be changed. ``tag`` is the block's language in the prompt.
    """
    blocks = answer_blocks(text)
    if not blocks.answer:
        where = "only its reasoning holds fenced blocks" if blocks.in_reasoning else "the reply holds no fenced block"
        return Extraction(None, False, f"{where}; one ```{tag} block that defines '{name}' was asked for")
    closest: tuple[str, Kernel | None] = (not_defined(blocks, name, declaration), None)
    backwards = blocks.answer[::-1]
    ordered = sorted(backwards, key=lambda fence: not fence.closed)
    for fence in islice((fence for fence in ordered if name in fence.source), most):
        kernel = Kernel(fence.source, fence.line)
        problem, final = judge(fence, blocks)
        if final:
            return Extraction(None if problem else kernel, True, problem, kernel)
        if problem and closest[1] is None:
            closest = problem, kernel
    return Extraction(None, True, *closest)


def not_defined(blocks: Blocks, name: str, declaration: str, detail: str = "") -> str:
    """The message for a reply that does not define the function. ``detail`` describes the block that came closest."""
    count = len(blocks.answer)
    which = "the only fenced block does not define" if count == 1 else f"none of the {count} fenced blocks defines"
    detail = detail or ("blocks in the reasoning do not count" if blocks.in_reasoning else "")
    return f"{which} '{name}'{detail and '; '}{detail}; asked for:\n{declaration}"
