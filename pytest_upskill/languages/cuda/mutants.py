"""Makes mutants of a CUDA kernel. Each has one small change, a mistake that people and models make. Compiles and runs
nothing.

tree-sitter parses the source. Comments, ``#if 0``, template arguments, array sizes and assertions stay unchanged, and
no change makes a kernel run forever.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_upskill.languages.base import SourceMutant
from pytest_upskill.languages.cuda.parser import MAX_PARSED, ancestors, parser, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_SHOWN = 28
"""The most characters that are shown on each side of a change."""


@dataclass(frozen=True, slots=True)
class _Edit:
    """A change: ``place`` is replaced with ``text``. The description of the change shows the text of the node ``shown``
    before and after it.
    """

    kind: str
    place: Node
    text: str
    shown: Node


def source_mutants(source: str, count: int, seed: int) -> tuple[SourceMutant, ...]:
    """At most ``count`` mutants, taken from each kind in turn. Their tokens differ. The same seed gives the same
    mutants.
    """
    if len(source) > MAX_PARSED:
        return ()
    data = source.encode()
    root = parser().parse(data).root_node
    known = {_tokens(source)}
    chosen: list[SourceMutant] = []
    for edit in _spread(_edits(root), random.Random(seed)):
        if len(chosen) == count:
            break
        mutant = _applied(data, edit)
        tokens = _tokens(mutant.source)
        if tokens not in known:
            known.add(tokens)
            chosen.append(mutant)
    return tuple(chosen)


def _spread(edits: Iterable[_Edit], chance: random.Random) -> Iterator[_Edit]:
    """The edits, taken from each kind in turn. The order within a kind is random."""
    kinds: dict[str, list[_Edit]] = {}
    for edit in edits:
        kinds.setdefault(edit.kind, []).append(edit)
    for group in kinds.values():
        chance.shuffle(group)
    while kinds:
        for kind in list(kinds):
            yield kinds[kind].pop()
            if not kinds[kind]:
                del kinds[kind]


def _applied(data: bytes, edit: _Edit) -> SourceMutant:
    text, place, shown = edit.text.encode(), edit.place, edit.shown
    # The number of lines stays the same, so that line numbers of a mutant are valid for the original.
    text += b"\n" * (data[place.start_byte : place.end_byte].count(b"\n") - text.count(b"\n"))
    mutated = data[: place.start_byte] + text + data[place.end_byte :]
    before = data[shown.start_byte : shown.end_byte]
    after = mutated[shown.start_byte : shown.end_byte + len(mutated) - len(data)]
    in_body = any(above.type == "compound_statement" for above in ancestors(shown))
    change = _change(before.decode(), after.decode())
    return SourceMutant(edit.kind, shown.start_point[0] + 1, change, mutated.decode(), in_body)


def _change(before: str, after: str) -> str:
    """Describe a change in a few words, with some text around it."""
    before, after = " ".join(before.split()), " ".join(after.split())
    if not after.strip(" ;"):
        return f"dropped {_cut(before, 0, _SHOWN)}"
    if before.startswith(after):
        return f"dropped {_cut(before[len(after) :].strip(), 0, _SHOWN)} in {_cut(before, 0, _SHOWN)}"
    same = _common(before, after)
    tail = _common(before[same:][::-1], after[same:][::-1])
    return f"{_cut(before, same, len(before) - tail)} -> {_cut(after, same, len(after) - tail)}"


def _common(one: str, other: str) -> int:
    """The length of the common beginning of two texts."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


def _cut(text: str, begin: int, end: int) -> str:
    """The text from ``begin`` to ``end``, with as much text around it as ``_SHOWN`` allows."""
    if len(text) <= _SHOWN:
        return text
    around = max(_SHOWN - (end - begin), 6) // 2
    first, last = max(begin - around, 0), min(end + around, len(text), begin + around + _SHOWN)
    return f"{'...' if first else ''}{text[first:last]}{'...' if last < len(text) else ''}"


def _tokens(source: str) -> tuple[str, ...]:
    """The tokens of a source, without comments and spaces. This is nearly what a compiler reads."""
    found: list[str] = []
    stack = [parser().parse(source.encode()).root_node]
    while stack:
        node = stack.pop()
        if node.children and node.type not in ("string_literal", "char_literal"):
            stack += node.children[::-1]
        elif node.type != "comment":
            found.append(text_of(node))
    return tuple(found)


_LEFT_ALONE = frozenset(
    ("comment", "template_argument_list", "template_parameter_list", "preproc_include", "preproc_def",
     "preproc_function_def", "static_assert_declaration", "gnu_asm_expression", "parameter_list", "type_descriptor",
     "attribute_declaration", "preproc_if")
)  # fmt: skip


def _edits(root: Node) -> Iterator[_Edit]:
    """All changes, in the order of the source. The search is not recursive, because a source may nest to any depth."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type in _LEFT_ALONE:
            continue
        if make := _MAKERS.get(node.type):
            yield from make(node)
        children = node.named_children
        stack += (children[:1] if node.type == "array_declarator" else children)[::-1]


_COMPARISON: Mapping[str, str] = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_SIGN: Mapping[str, str] = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/"}
_BARRIERS = frozenset(("__syncthreads", "__syncwarp"))
_PAIRS: Mapping[str, str] = {"fmaxf": "fminf", "fminf": "fmaxf", "max": "min", "min": "max"}


def _binary(node: Node) -> Iterator[_Edit]:
    sign, left, right = (node.child_by_field_name(name) for name in ("operator", "left", "right"))
    if sign is None or left is None or right is None:
        return
    in_loop_head = _in_loop_head(node)
    endless = sign.type == ">" and in_loop_head and text_of(right) == "0"  # a halving loop would never end
    if sign.type in _COMPARISON and not endless:
        yield _Edit("comparison", sign, _COMPARISON[sign.type], node)
    if sign.type in ("<", "<=") and in_loop_head:
        yield _Edit("loop tail", right, f"({text_of(right)} - 1)", node)
    if sign.type in _SIGN and (sign.type in "+-" or _on_device(node)):
        yield _Edit("operator", sign, _SIGN[sign.type], node)
    if sign.type in ("+", "-", "*"):
        yield _Edit("term", node, text_of(left), node)


def _barrier(node: Node) -> Iterator[_Edit]:
    call = node.named_children[0] if node.named_children else None
    called = call.child_by_field_name("function") if call is not None and call.type == "call_expression" else None
    if called is not None and text_of(called) in _BARRIERS:
        yield _Edit("barrier", node, ";", node)


def _index(node: Node) -> Iterator[_Edit]:
    """Change an index: ``x[a * b + c]`` becomes ``x[c * b + a]``, and any other index is increased by 1. ``x[a + b]``
    with two names stays.
    """
    if len(node.named_children) != 1:
        return
    inside, text = node.named_children[0], text_of(node.named_children[0])
    if inside.type == "binary_expression":
        sides = [inside.child_by_field_name(name) for name in ("left", "right")]
        if all(side is not None and side.type == "identifier" for side in sides):
            return
    parts = re.fullmatch(r"(\w+) \* (\w+) \+ (\w+)", text)
    changed = f"{parts[3]} * {parts[2]} + {parts[1]}" if parts else f"({text}) + 1"
    yield _Edit("index", inside, changed, node.parent or node)


def _guard(node: Node) -> Iterator[_Edit]:
    """Drop a guard: ``if (i < n) out[i] = ...`` loses its condition, and ``if (i >= n) return;`` is removed."""
    condition, body = node.child_by_field_name("condition"), node.child_by_field_name("consequence")
    if condition is None or node.child_by_field_name("alternative") is not None or node.children[1].type == "constexpr":
        return
    if not re.search("[<>]", text_of(condition)):
        return  # a condition such as "n == 0", because few cases fail without it
    if body is not None and body.type in ("return_statement", "continue_statement", "break_statement"):
        yield _Edit("guard", node, ";", node)
    else:
        yield _Edit("guard", condition, "(true)", condition)


def _constant(node: Node) -> Iterator[_Edit]:
    """Increase a constant in device code by 1. Masks stay unchanged, and so do the sizes of tiles and grids, because
    several values of these are right.
    """
    text = text_of(node)
    if _on_device(node) and re.fullmatch(r"\d+|\d+\.\d*f?", text):
        shown = node.parent if node.parent is not None and "\n" not in text_of(node.parent) else node
        yield _Edit("constant", node, f"({text} + 1)", shown)


def _accumulation(node: Node) -> Iterator[_Edit]:
    """Change ``sum += x`` to ``sum = x``. The steps of loops stay unchanged."""
    sign = node.child_by_field_name("operator")
    if sign is not None and sign.type in ("+=", "*=", "-=") and not _in_loop_head(node):
        yield _Edit("accumulation", sign, "=", node)


def _branches(node: Node) -> Iterator[_Edit]:
    """Change ``a ? b : c`` to ``a ? c : b``."""
    one, other = node.child_by_field_name("consequence"), node.child_by_field_name("alternative")
    if one is not None and other is not None:
        parts = [text_of(child) for child in (one, other)]
        between = (node.text or b"")[one.end_byte - node.start_byte : other.start_byte - node.start_byte].decode()
        head = (node.text or b"")[: one.start_byte - node.start_byte].decode()
        yield _Edit("branches", node, f"{head}{parts[1]}{between}{parts[0]}", node)


def _pair(node: Node) -> Iterator[_Edit]:
    called = node.child_by_field_name("function")
    if called is not None and text_of(called) in _PAIRS:
        yield _Edit("function", called, _PAIRS[text_of(called)], node)


def _in_loop_head(node: Node) -> bool:
    return node.parent is not None and node.parent.type in ("for_statement", "comma_expression")


def _on_device(node: Node) -> bool:
    """Whether a node is in a device function. Constants of host functions are not changed, because a larger grid is
    hardly a mistake.
    """
    function = next((above for above in (node, *ancestors(node)) if above.type == "function_definition"), None)
    declarator = function and function.child_by_field_name("declarator")
    if not function or not declarator:
        return False
    head = (function.text or b"")[: declarator.start_byte - function.start_byte]
    return b"__global__" in head or b"__device__" in head


_MAKERS: Mapping[str, Callable[[Node], Iterator[_Edit]]] = {
    "binary_expression": _binary,
    "expression_statement": _barrier,
    "subscript_argument_list": _index,
    "if_statement": _guard,
    "number_literal": _constant,
    "assignment_expression": _accumulation,
    "conditional_expression": _branches,
    "call_expression": _pair,
}
