"""From a reply to the function: the last closed block of the answer that defines it. Reads Python, and runs none.

Blocks are never joined. A block that was not closed counts only where no closed one names the function.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_upskill.contracts.base import Extraction
from pytest_upskill.contracts.function.definitions import Definition, definitions
from pytest_upskill.contracts.function.signature import Signature, declaration
from pytest_upskill.documents.markdown import Fence
from pytest_upskill.documents.reasoning import Blocks, answer_blocks
from pytest_upskill.languages.python import SOURCE_NAME
from pytest_upskill.records import Kernel

MAX_SOURCE = 200_000
"""Characters of a source; the longest that people write are a tenth of it."""
MAX_BLOCKS = 100
"""Blocks that are looked into."""


def extract_function(text: str, signature: Signature) -> Extraction:
    """The source of a reply, exactly as written but for line ends, with the line in the reply where it starts."""
    blocks = answer_blocks(text)
    if not blocks.answer:
        return Extraction(None, False, _no_block(blocks, signature))
    first: tuple[str, Kernel] | None = None
    for fence in _in_order(blocks.answer)[:MAX_BLOCKS]:
        if signature.name not in fence.source:
            continue
        kernel = Kernel(fence.source, fence.line)
        complaint = problem(fence.source, signature)
        if complaint is None:
            return Extraction(kernel, True, "", kernel)
        first = first or (complaint, kernel)
        if _defines(fence.source, signature.name):
            return Extraction(None, True, complaint, kernel)
    if first is not None:
        return Extraction(None, True, first[0], first[1])
    return Extraction(None, True, _not_named(blocks, signature))


def problem(source: str, signature: Signature) -> str | None:
    """Why a source does not define the function asked for; None where it does."""
    if len(source) > MAX_SOURCE:
        return f"the source has {len(source)} characters; at most {MAX_SOURCE}: shorten it"
    wrong = _syntax_problem(source)
    if wrong:
        return wrong
    found = [one for one in definitions(source, signature.name) if one.top_level]
    if not found:
        nested = ", not inside of something else" if definitions(source, signature.name) else ""
        return f"the source defines no '{signature.name}' at the top level{nested}; {_asked(signature)}"
    last = found[-1]
    complaint = _KINDS.get(last.kind) or _parameters_complaint(last, [one.name for one in signature.parameters])
    return f"{SOURCE_NAME}:{last.line}: '{signature.name}' {complaint}; {_asked(signature)}" if complaint else None


_KINDS = {
    "async def": "is an async function",
    "class": "is a class",
    "=": "is not defined by 'def'",
}
_WARNINGS = ("invalid escape sequence", "invalid octal escape", '"is" with', '"is not" with')
"""What is a warning to Python, and an error where the user's pytest turns warnings into errors."""


def _syntax_problem(source: str) -> str | None:
    """What is wrong with the grammar.

    Replies are read in several threads. Python's ``ast`` cannot build trees in two at once (SystemError: AST
    constructor recursion depth mismatch), nor can warnings be silenced in one, so that the source is compiled instead.
    """
    try:
        compile(source, SOURCE_NAME, "exec", dont_inherit=True)
    except SyntaxError as error:
        if str(error.msg).startswith(_WARNINGS):
            return None
        return f"{SOURCE_NAME}:{error.lineno or 1}: this is no Python: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"the source cannot be parsed: {type(error).__name__}: {error}"
    return None


def _defines(source: str, name: str) -> bool:
    return _syntax_problem(source) is not None or any(one.top_level for one in definitions(source, name))


def _parameters_complaint(found: Definition, wanted: list[str]) -> str | None:
    positional = [one.name for one in found.parameters if one.kind == ""]
    shown = f"({', '.join(positional)})"
    needed = [one for one in found.parameters if one.kind == "" and not one.default]
    if len(positional) < len(wanted) or len(needed) > len(wanted):
        return f"has {len(positional)} parameters {shown}, not {len(wanted)}"
    for number, (name, asked) in enumerate(zip(positional, wanted, strict=False), 1):
        if name != asked:
            return f"has '{name}' as parameter {number}, where '{asked}' was asked for"
    missing = [one.name for one in found.parameters if one.kind == "keyword" and not one.default]
    return f"needs a further argument '{missing[0]}'" if missing else None


def _asked(signature: Signature) -> str:
    return f"asked for:\n{declaration(signature)}"


def _in_order(fences: Iterable[Fence]) -> list[Fence]:
    """The order of preference: closed ones from the last to the first, then the one that is not closed."""
    backwards = list(fences)[::-1]
    return [fence for fence in backwards if fence.closed] + [fence for fence in backwards if not fence.closed]


def _no_block(blocks: Blocks, signature: Signature) -> str:
    where = "only its reasoning holds fenced blocks" if blocks.in_reasoning else "the reply holds no fenced block"
    return f"{where}; one ```python block that defines '{signature.name}' was asked for"


def _not_named(blocks: Blocks, signature: Signature) -> str:
    count = len(blocks.answer)
    which = "the only fenced block does not define" if count == 1 else f"none of the {count} fenced blocks defines"
    aside = "; blocks in the reasoning do not count" if blocks.in_reasoning else ""
    return f"{which} '{signature.name}'{aside}; {_asked(signature)}"
