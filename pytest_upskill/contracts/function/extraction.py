"""Finds the function in a reply: the last closed block of the answer that defines it. Compiles Python, runs none."""

from __future__ import annotations

from pytest_upskill.contracts.base import Extraction
from pytest_upskill.contracts.function.definitions import Definition, definitions
from pytest_upskill.contracts.function.signature import Signature, declaration
from pytest_upskill.contracts.reply_blocks import extract
from pytest_upskill.documents.markdown import Fence
from pytest_upskill.documents.reasoning import Blocks
from pytest_upskill.languages.python import SOURCE_NAME

MAX_SOURCE = 200_000
"""Characters of a source; the longest that people write are a tenth as long."""
MAX_BLOCKS = 100
"""Blocks that are examined at most."""


def extract_function(text: str, signature: Signature) -> Extraction:
    """The source of a reply, with the line in the reply where it starts."""

    def judge(fence: Fence, blocks: Blocks) -> tuple[str, bool]:
        complaint = problem(fence.source, signature)
        if complaint is None or _syntax_problem(fence.source) is not None:
            return complaint or "", True
        return complaint, any(one.top_level for one in definitions(fence.source, signature.name))

    return extract(text, signature.name, "python", declaration(signature), judge, MAX_BLOCKS)


def problem(source: str, signature: Signature) -> str | None:
    """Why a source does not define the function asked for; None if it does."""
    if len(source) > MAX_SOURCE:
        return f"the source has {len(source)} characters; at most {MAX_SOURCE}: shorten it"
    if wrong := _syntax_problem(source):
        return wrong
    found = [one for one in definitions(source, signature.name) if one.top_level]
    if not found:
        nested = ", not inside of something else" if definitions(source, signature.name) else ""
        return f"the source defines no '{signature.name}' at the top level{nested}; {_asked(signature)}"
    last = found[-1]
    complaint = _KINDS.get(last.kind) or _parameters_complaint(last, [one.name for one in signature.parameters])
    return f"{SOURCE_NAME}:{last.line}: '{signature.name}' {complaint}; {_asked(signature)}" if complaint else None


_KINDS = {"async def": "is an async function", "class": "is a class", "=": "is not defined by 'def'"}
_WARNINGS = ("invalid escape sequence", "invalid octal escape", '"is" with', '"is not" with')
"""Warnings of Python, which are errors if the user's pytest turns warnings into errors."""


def _syntax_problem(source: str) -> str | None:
    """The syntax error of a source, or None. Several threads read replies, and no thread can ignore warnings alone."""
    try:
        compile(source, SOURCE_NAME, "exec", dont_inherit=True)
    except SyntaxError as error:
        if str(error.msg).startswith(_WARNINGS):
            return None
        return f"{SOURCE_NAME}:{error.lineno or 1}: this is no Python: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"the source cannot be parsed: {type(error).__name__}: {error}"
    return None


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
