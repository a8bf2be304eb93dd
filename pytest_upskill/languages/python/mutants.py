"""Makes mutants of a Python source. Each has one small change, a mistake that people make."""

from __future__ import annotations

import ast
import itertools
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pytest_upskill.documents.syntax import parse_module
from pytest_upskill.languages.base import SourceMutant

_COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(), ast.LtE: ast.Lt(), ast.Gt: ast.GtE(), ast.GtE: ast.Gt(), ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.Div(), ast.Div: ast.Mult(),
}  # fmt: skip
_TWINS = {
    "amax": "amin", "maximum": "minimum", "sum": "mean", "log1p": "log", "expm1": "exp", "max": "min",
}  # fmt: skip
_TWINS |= {twin: name for name, twin in _TWINS.items()}
_DROPPED = ("abs", "clamp", "clamp_min", "clamp_max", "exp", "log", "neg", "sqrt", "square", "flip", "double", "float")
"""Methods that can be dropped, because they keep the tensor's shape, so the source works without them."""


def source_mutants(source: str, count: int, seed: int) -> Sequence[SourceMutant]:
    """At most ``count`` mutants, taken from each kind in turn. There are none for a source with a syntax error."""
    try:
        tree = parse_module(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    kinds: dict[str, list[SourceMutant]] = defaultdict(list)
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            for node in itertools.chain.from_iterable(map(ast.walk, function.body)):
                for kind, other in _changes(node):
                    if (mutant := _mutant(source, kind, node, other)) is not None:
                        kinds[kind].append(mutant)
    for found in kinds.values():
        random.Random(seed).shuffle(found)
    turns = itertools.zip_longest(*(kinds[kind] for kind in sorted(kinds)))
    return [mutant for turn in turns for mutant in turn if mutant is not None][:count]


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The replacements of a node, each with its kind."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        yield "comparison", ast.Compare(node.left, [_COMPARISONS[type(node.ops[0])]], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield "operator", ast.BinOp(node.left, _OPERATORS[type(node.op)], node.right)
        yield "dropped term", node.left
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        if isinstance(node.operand, ast.Constant) and node.operand.value == 1:
            yield "axis", ast.Constant(0)
        else:
            yield "sign", node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "flag", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        other = node.value * 2 if isinstance(node.value, float) and node.value else node.value + 1
        yield "constant", ast.Constant(other)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in _TWINS:
            twin = ast.Attribute(node.func.value, _TWINS[node.func.attr], ast.Load())
            yield "function", ast.Call(twin, node.args, node.keywords)
        owner = node.func.value
        if node.func.attr in _DROPPED and not (isinstance(owner, ast.Name) and owner.id in ("torch", "math", "F")):
            yield "dropped call", owner


def _mutant(source: str, kind: str, node: ast.AST, other: ast.expr) -> SourceMutant | None:
    """The source with ``other`` in place of a node, otherwise unchanged."""
    assert isinstance(node, ast.expr) and node.end_lineno is not None and node.end_col_offset is not None
    lines = source.encode().splitlines(keepends=True)
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    was = ast.get_source_segment(source, node)
    new = ast.unparse(other)
    if was is None or was == new:
        return None
    text = new if isinstance(other, ast.Constant | ast.Name) else f"({new})"
    change = f"'{_short(was)}' becomes '{_short(new)}'"
    return SourceMutant(kind, node.lineno, change, before.decode() + text + after.decode())


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 40 else plain[:37] + "..."
