"""Parses and evaluates the small integer expressions in cases: sizes, bounds and conditions. Never calls ``eval``.

An expression consists of names, numbers, ``+ - * // %``, comparisons (which may be chained), ``and or not``,
``min(...)`` and ``max(...)``. Python's parser reads the expression. A syntax tree with any other node is an error.
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pytest_upskill.documents.syntax import parse_expression

Number = int | float | bool
Evaluate = Callable[[Mapping[str, Number]], Number]

MAX_LENGTH = 300
"""The largest number of characters of an expression, so that the parser does not recurse too deeply."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_NO_NAMES = frozenset((*keyword.kwlist, "min", "max"))
_FUNCTIONS: Mapping[str, Callable[..., Number]] = {"min": min, "max": max}
_OPERATORS: Mapping[type[ast.operator | ast.unaryop], Callable[..., Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Number, Number], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_KNOWN = "an expression consists of names, numbers, + - * // %, comparisons, 'and', 'or', 'not', min() and max()"


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: its text, and the names in it. ``parse`` makes expressions."""

    text: str
    names: frozenset[str]

    def evaluate(self, values: Mapping[str, Number]) -> Number:
        """The value of the expression with these ``values`` of its names.

        Raises ValueError if a name is missing, and for a division by zero.
        """
        try:
            return _checked(self.text).evaluate(values)
        except ZeroDivisionError:
            shown = " ".join(f"{name}={values[name]}" for name in sorted(self.names))
            raise ValueError(f"'{self.text}' divides by zero for {shown}") from None
        except KeyError as error:
            raise ValueError(f"'{self.text}' names '{error.args[0]}', which has no value here") from None

    @property
    def constant(self) -> Number | None:
        """The value of the expression if it has no names, otherwise None."""
        return _checked(self.text).constant

    @property
    def condition(self) -> bool:
        """Whether the expression has a truth value, because it is a comparison, ``and``, ``or`` or ``not``."""
        return _checked(self.text).condition

    @property
    def fractional(self) -> bool:
        """Whether a number in the expression is written with a point or an exponent."""
        return _checked(self.text).fractional

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class _Checked:
    expression: Expression
    evaluate: Evaluate
    constant: Number | None = None
    condition: bool = False
    fractional: bool = False


def parse(text: str | int | float) -> Expression:
    """Make an expression from a text or a number.

    Raises ValueError, whose message names the part that is not allowed and the rule.
    """
    return _checked(text.strip() if isinstance(text, str) else _number_text(text)).expression


def _number_text(number: float) -> str:
    if isinstance(number, bool):
        raise ValueError(f"'{str(number).lower()}' is not a number; write 0 or 1")
    if not math.isfinite(number):
        raise ValueError(f"'{number}' is not finite; {_KNOWN}")
    return repr(number)


@lru_cache(maxsize=4096)
def _checked(text: str) -> _Checked:
    if _NAME.match(text) and text not in _NO_NAMES:  # most sizes are single names, which need no syntax tree
        return _Checked(Expression(text, frozenset((text,))), lambda values: values[text])
    tree = _tree(text)
    names: set[str] = set()
    evaluate = _build(tree, text, names)
    try:
        constant = None if names else evaluate({})
    except ZeroDivisionError:
        raise ValueError(f"'{text}' divides by zero") from None
    negation = isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not)
    condition = negation or isinstance(tree, ast.Compare | ast.BoolOp)
    fractional = any(isinstance(node, ast.Constant) and isinstance(node.value, float) for node in ast.walk(tree))
    return _Checked(Expression(text, frozenset(names)), evaluate, constant, condition, fractional)


def _tree(text: str) -> ast.expr:
    if not text:
        raise ValueError(f"an empty text is not an expression; {_KNOWN}")
    if len(text) > MAX_LENGTH:
        raise ValueError(f"'{text[:40]}...' has {len(text)} characters; an expression has at most {MAX_LENGTH}")
    if "\n" in text or "#" in text:
        raise ValueError(f"'{text}' is not one line of expression; {_KNOWN}")
    try:
        return parse_expression(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"'{text}' cannot be read; {_KNOWN}") from None


def _build(node: ast.expr, text: str, names: set[str]) -> Evaluate:  # noqa: PLR0911 - one line for each kind of node
    """A function that evaluates ``node``. The names in ``node`` are added to ``names``."""
    match node:
        case ast.Constant(value=value) if type(value) is int or (type(value) is float and math.isfinite(value)):
            return lambda _values: value
        case ast.Name(id=name) if name not in _FUNCTIONS and _NAME.match(name):
            names.add(name)
            return lambda values: values[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _applied(_OPERATORS[type(op)], [_build(part, text, names) for part in (left, right)])
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _applied(_OPERATORS[type(op)], [_build(operand, text, names)])
        case ast.Compare() if all(type(op) in _COMPARISONS for op in node.ops):
            return _comparison(node, [_build(part, text, names) for part in (node.left, *node.comparators)])
        case ast.BoolOp(op=op, values=parts):
            return _boolean(op, [_build(part, text, names) for part in parts])
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name in _FUNCTIONS and len(parts) >= 2:
            return _applied(_FUNCTIONS[name], [_build(part, text, names) for part in parts])
    piece = ast.get_source_segment(text, node) or text
    raise ValueError(f"'{piece}'{'' if piece == text else f' in {text!r}'} is not allowed; {_advice(node)}")


def _advice(node: ast.expr) -> str:
    match node:
        case ast.BinOp(op=ast.Div()):
            return "sizes are integers: divide with //"
        case ast.BinOp(op=ast.Pow()):
            return "write a power as a product"
        case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
            return f"{name}() takes two or more numbers"
    return _KNOWN


def _applied(function: Callable[..., Number], parts: list[Evaluate]) -> Evaluate:
    return lambda values: function(*[part(values) for part in parts])


def _comparison(node: ast.Compare, parts: list[Evaluate]) -> Evaluate:
    steps = [(_COMPARISONS[type(op)], left, right) for op, left, right in zip(node.ops, parts, parts[1:], strict=False)]
    return lambda values: all(function(left(values), right(values)) for function, left, right in steps)


def _boolean(op: ast.boolop, parts: list[Evaluate]) -> Evaluate:
    decided_by = isinstance(op, ast.Or)

    def evaluate(values: Mapping[str, Number]) -> Number:
        """The operand that decides the result of ``and`` or ``or``, as in Python."""
        for part in parts:
            value = part(values)
            if bool(value) is decided_by:
                break
        return value

    return evaluate
