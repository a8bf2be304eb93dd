"""From a reply to the function: the last closed block of the answer that defines it. Reads Python, and runs none.

Blocks are never joined. A block that was not closed counts only where no closed one names the function.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable

from pytest_upskill.contracts.base import Extraction
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
    tree = _parsed(source)
    if isinstance(tree, str):
        return tree
    found = [node for node in tree.body if signature.name in _names_of(node)]
    if not found:
        nested = any(signature.name in _names_of(node) for node in ast.walk(tree))
        where = ", not inside of something else" if nested else ""
        return f"the source defines no '{signature.name}' at the top level{where}; {_asked(signature)}"
    node = found[-1]
    place = f"{SOURCE_NAME}:{node.lineno}: '{signature.name}'"
    if isinstance(node, ast.AsyncFunctionDef):
        return f"{place} is an async function; {_asked(signature)}"
    if not isinstance(node, ast.FunctionDef):
        kind = "a class" if isinstance(node, ast.ClassDef) else "not defined by 'def'"
        return f"{place} is {kind}; {_asked(signature)}"
    complaint = _parameters_complaint(node.args, [one.name for one in signature.parameters])
    return f"{place} {complaint}; {_asked(signature)}" if complaint else None


def _parsed(source: str) -> ast.Module | str:
    """The tree of a source, or what is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        return f"{SOURCE_NAME}:{error.lineno or 1}: this is no Python: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"the source cannot be parsed: {type(error).__name__}: {error}"


def _names_of(node: ast.AST) -> list[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _defines(source: str, name: str) -> bool:
    tree = _parsed(source) if len(source) <= MAX_SOURCE else ""
    return isinstance(tree, str) or any(name in _names_of(node) for node in tree.body)


def _parameters_complaint(arguments: ast.arguments, wanted: list[str]) -> str | None:
    positional = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    shown = f"({', '.join(positional)})"
    needed = positional[: len(positional) - len(arguments.defaults)]
    if len(positional) < len(wanted) or len(needed) > len(wanted):
        return f"has {len(positional)} parameters {shown}, not {len(wanted)}"
    for number, (found, name) in enumerate(zip(positional, wanted, strict=False), 1):
        if found != name:
            return f"has '{found}' as parameter {number}, where '{name}' was asked for"
    missing = [one.arg for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value is None]
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
