"""Mechanical mutants of a kernel: one small change each, of the kind that people and models slip into.

Knows the source as tree-sitter reads it; compiles and runs nothing. Comments, ``#if 0``, templates' arguments, sizes of
arrays and assertions are left alone, and so is what would only make a kernel run forever.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_upskill.languages.base import SourceMutant
from pytest_upskill.languages.cuda.parser import MAX_PARSED, parser

if TYPE_CHECKING:
    from tree_sitter import Node

_SHOWN = 28
"""Characters of what is shown on each side of a change."""


@dataclass(frozen=True, slots=True)
class _Edit:
    kind: str
    begin: int
    end: int
    text: str
    node: Node
    """What is shown of the change: this node, before and after."""


def source_mutants(source: str, count: int, seed: int) -> tuple[SourceMutant, ...]:
    """At most ``count`` mutants in an order that spreads their kinds: the first few of them are as mixed as any.

    The same source and seed give the same mutants. Those whose tokens are those of the source, or of another mutant,
    are left out.
    """
    if len(source) > MAX_PARSED:
        return ()
    data = source.encode()
    root = parser().parse(data).root_node
    known = {_tokens(source)}
    chosen: list[SourceMutant] = []
    for edit in _spread(list(_edits(data, root)), random.Random(seed)):
        if len(chosen) == count:
            break
        mutant = _applied(data, edit)
        tokens = _tokens(mutant.source)
        if tokens not in known:
            known.add(tokens)
            chosen.append(mutant)
    return tuple(chosen)


def _spread(edits: Sequence[_Edit], chance: random.Random) -> Iterator[_Edit]:
    """Each kind in turn, at random within it."""
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
    text = edit.text.encode()
    # As many lines as before, so that what is reported of a mutant is found in the original.
    text += b"\n" * (data[edit.begin : edit.end].count(b"\n") - text.count(b"\n"))
    mutated = data[: edit.begin] + text + data[edit.end :]
    before = data[edit.node.start_byte : edit.node.end_byte]
    after = mutated[edit.node.start_byte : edit.node.end_byte + len(mutated) - len(data)]
    line = edit.node.start_point[0] + 1
    change = _change(before.decode(), after.decode())
    return SourceMutant(edit.kind, line, change, mutated.decode(), _within(edit.node, "compound_statement"))


def _change(before: str, after: str) -> str:
    """A change in a few words, with what stands around it."""
    before, after = " ".join(before.split()), " ".join(after.split())
    if not after.strip(" ;"):
        return f"dropped {_cut(before, 0, _SHOWN)}"
    if before.startswith(after):
        return f"dropped {_cut(before[len(after) :].strip(), 0, _SHOWN)} in {_cut(before, 0, _SHOWN)}"
    same = _common(before, after)
    tail = _common(before[same:][::-1], after[same:][::-1])
    return f"{_cut(before, same, len(before) - tail)} -> {_cut(after, same, len(after) - tail)}"


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginnings."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


def _cut(text: str, begin: int, end: int) -> str:
    """The piece from ``begin`` to ``end``, with as much around it as there is room for."""
    if len(text) <= _SHOWN:
        return text
    around = max(_SHOWN - (end - begin), 6) // 2
    first, last = max(begin - around, 0), min(end + around, len(text), begin + around + _SHOWN)
    return f"{'...' if first else ''}{text[first:last]}{'...' if last < len(text) else ''}"


# ------------------------------------------------------------------------------------------- parsing


def _tokens(source: str) -> tuple[str, ...]:
    """What the compiler sees of a source, near enough: its words, without comments and spaces."""
    data = source.encode()
    found: list[str] = []
    stack = [parser().parse(data).root_node]
    while stack:
        node = stack.pop()
        if node.type == "comment":
            continue
        if node.children and node.type not in ("string_literal", "char_literal"):
            stack += node.children[::-1]
        else:
            found.append(_text(data, node))
    return tuple(found)


def _text(data: bytes, node: Node) -> str:
    return data[node.start_byte : node.end_byte].decode(errors="replace")


_LEFT_ALONE = frozenset(
    ("comment", "template_argument_list", "template_parameter_list", "preproc_include", "preproc_def",
     "preproc_function_def", "static_assert_declaration", "gnu_asm_expression", "parameter_list", "type_descriptor",
     "attribute_declaration", "preproc_if")
)  # fmt: skip


def _edits(data: bytes, root: Node) -> Iterator[_Edit]:
    """All changes, in the order of the source. Never by recursion: a source may nest as deeply as it likes."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type in _LEFT_ALONE:
            continue
        for make in _MAKERS.get(node.type, ()):
            yield from make(data, node)
        children = node.named_children
        if node.type == "array_declarator":
            children = children[:1]
        stack += children[::-1]


# ------------------------------------------------------------------------------------------- kinds of changes

_COMPARISON: Mapping[str, str] = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_SIGN: Mapping[str, str] = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/"}
_BARRIERS = frozenset(("__syncthreads", "__syncwarp"))
_PAIRS: Mapping[str, str] = {"fmaxf": "fminf", "fminf": "fmaxf", "max": "min", "min": "max"}


def _operator(node: Node) -> Node | None:
    return node.child_by_field_name("operator")


def _comparison(data: bytes, node: Node) -> Iterator[_Edit]:
    sign, right = _operator(node), node.child_by_field_name("right")
    if sign is None or right is None or sign.type not in _COMPARISON:
        return
    if sign.type == ">" and _text(data, right) == "0" and _in_loop_head(node):
        return  # a halving loop that never ends
    yield _Edit("comparison", sign.start_byte, sign.end_byte, _COMPARISON[sign.type], node)


def _loop_tail(data: bytes, node: Node) -> Iterator[_Edit]:
    """The last round of a loop is left out."""
    sign, right = _operator(node), node.child_by_field_name("right")
    if sign is None or right is None or sign.type not in ("<", "<=") or not _in_loop_head(node):
        return
    yield _Edit("loop tail", right.start_byte, right.end_byte, f"({_text(data, right)} - 1)", node)


def _sign(data: bytes, node: Node) -> Iterator[_Edit]:
    sign = _operator(node)
    if sign is not None and sign.type in _SIGN and (sign.type in "+-" or _on_device(data, node)):
        yield _Edit("operator", sign.start_byte, sign.end_byte, _SIGN[sign.type], node)


def _dropped_term(data: bytes, node: Node) -> Iterator[_Edit]:
    sign, left = _operator(node), node.child_by_field_name("left")
    if sign is not None and left is not None and sign.type in ("+", "-", "*"):
        yield _Edit("term", node.start_byte, node.end_byte, _text(data, left), node)


def _barrier(data: bytes, node: Node) -> Iterator[_Edit]:
    call = node.named_children[0] if node.named_children else None
    called = call.child_by_field_name("function") if call is not None and call.type == "call_expression" else None
    if called is not None and _text(data, called) in _BARRIERS:
        yield _Edit("barrier", node.start_byte, node.end_byte, ";", node)


def _index(data: bytes, node: Node) -> Iterator[_Edit]:
    """``x[a * b + c]`` becomes ``x[c * b + a]``, any other index moves by one."""
    inside = node.named_children[0] if len(node.named_children) == 1 else None
    if inside is None:
        return
    text = _text(data, inside)
    product = inside.child_by_field_name("left") if inside.type == "binary_expression" else None
    added = inside.child_by_field_name("right") if inside.type == "binary_expression" else None
    if product is not None and added is not None and product.type == added.type == "identifier":
        return
    parts = re.fullmatch(r"(\w+) \* (\w+) \+ (\w+)", text)
    changed = f"{parts[3]} * {parts[2]} + {parts[1]}" if parts else f"({text}) + 1"
    shown = node.parent if node.parent is not None else node
    yield _Edit("index", inside.start_byte, inside.end_byte, changed, shown)


def _guard(data: bytes, node: Node) -> Iterator[_Edit]:
    """``if (i < n) out[i] = ...`` without its condition, ``if (i >= n) return;`` left out."""
    condition = node.child_by_field_name("condition")
    if condition is None or node.child_by_field_name("alternative") is not None or node.children[1].type == "constexpr":
        return
    body = node.child_by_field_name("consequence")
    if "<" not in _text(data, condition) and ">" not in _text(data, condition):
        return  # such as "if (n == 0) return", which few cases can tell from none
    if body is not None and body.type in ("return_statement", "continue_statement", "break_statement"):
        yield _Edit("guard", node.start_byte, node.end_byte, ";", node)
    else:
        yield _Edit("guard", condition.start_byte, condition.end_byte, "(true)", condition)


def _constant(data: bytes, node: Node) -> Iterator[_Edit]:
    """One more, on the device: masks stay, and so do sizes of tiles and of grids, which may well differ."""
    text = _text(data, node)
    if not _on_device(data, node) or not re.fullmatch(r"\d+|\d+\.\d*f?", text):
        return
    shown = node.parent if node.parent is not None and "\n" not in _text(data, node.parent) else node
    yield _Edit("constant", node.start_byte, node.end_byte, f"({text} + 1)", shown)


def _accumulation(data: bytes, node: Node) -> Iterator[_Edit]:
    """``sum += x`` forgets what it had; steps of loops stay."""
    sign = _operator(node)
    if sign is not None and sign.type in ("+=", "*=", "-=") and not _in_loop_head(node):
        yield _Edit("accumulation", sign.start_byte, sign.end_byte, "=", node)


def _branches(data: bytes, node: Node) -> Iterator[_Edit]:
    one, other = node.child_by_field_name("consequence"), node.child_by_field_name("alternative")
    if one is not None and other is not None:
        between = data[one.end_byte : other.start_byte].decode()
        yield _Edit(
            "branches", one.start_byte, other.end_byte, f"{_text(data, other)}{between}{_text(data, one)}", node
        )


def _pair(data: bytes, node: Node) -> Iterator[_Edit]:
    called = node.child_by_field_name("function")
    if called is not None and _text(data, called) in _PAIRS:
        yield _Edit("function", called.start_byte, called.end_byte, _PAIRS[_text(data, called)], node)


def _in_loop_head(node: Node) -> bool:
    parent = node.parent
    return parent is not None and parent.type in ("for_statement", "comma_expression")


def _on_device(data: bytes, node: Node) -> bool:
    """Whether it stands in a function for the device; on the host, a larger grid is hardly a mistake."""
    above: Node | None = node
    while above is not None and above.type != "function_definition":
        above = above.parent
    declarator = above.child_by_field_name("declarator") if above is not None else None
    if above is None or declarator is None:
        return False
    head = data[above.start_byte : declarator.start_byte]
    return b"__global__" in head or b"__device__" in head


def _within(node: Node, kind: str) -> bool:
    above = node.parent
    while above is not None and above.type != kind:
        above = above.parent
    return above is not None


_MAKERS: Mapping[str, tuple[Callable[[bytes, Node], Iterator[_Edit]], ...]] = {
    "binary_expression": (_comparison, _loop_tail, _sign, _dropped_term),
    "expression_statement": (_barrier,),
    "subscript_argument_list": (_index,),
    "if_statement": (_guard,),
    "number_literal": (_constant,),
    "assignment_expression": (_accumulation,),
    "conditional_expression": (_branches,),
    "call_expression": (_pair,),
}
