"""Translates the expressions of a case (sizes and conditions) to C++. ``//`` and ``%`` have Python's results."""

from __future__ import annotations

import ast
from fractions import Fraction

from pytest_upskill.documents.expression import Expression
from pytest_upskill.documents.syntax import parse_expression

_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_FUNCTIONS: dict[type[ast.operator], str] = {ast.FloorDiv: "floor_divide", ast.Mod: "modulo"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], str] = {ast.USub: "-", ast.UAdd: "+", ast.Not: "!"}


def cpp(expression: Expression) -> str:
    """The expression in C++, with variables of type int64_t. It may call ``floor_divide`` and ``modulo``, which
    bindings define.
    """
    return _cpp(parse_expression(expression.text))


def solved(expression: Expression) -> tuple[int, int] | None:
    """(a, b) if the expression has a single name and equals ``a * name + b`` with a > 0; otherwise None."""
    if len(expression.names) != 1:
        return None
    (name,) = expression.names
    low, middle, high, far = (Fraction(expression.evaluate({name: size})) for size in (0, 1, 2, 1001))
    a = middle - low
    linear = high - middle == a and far - low == 1001 * a and a.denominator == 1 and low.denominator == 1
    return (int(a), int(low)) if linear and a > 0 else None


def _cpp(node: ast.expr) -> str:  # noqa: PLR0911 - one line for each kind
    match node:
        case ast.Name():
            return node.id
        case ast.Constant(value=bool() as value):
            return str(value).lower()
        case ast.Constant(value=int() as value):
            return f"INT64_C({value})"
        case ast.Constant():
            return repr(node.value)
        case ast.BinOp() if type(node.op) in _BINARY:
            return f"({_cpp(node.left)} {_BINARY[type(node.op)]} {_cpp(node.right)})"
        case ast.BinOp():
            return f"{_FUNCTIONS[type(node.op)]}({_cpp(node.left)}, {_cpp(node.right)})"
        case ast.UnaryOp():
            return f"({_UNARY[type(node.op)]}{_cpp(node.operand)})"
        case ast.BoolOp():
            joint = " && " if isinstance(node.op, ast.And) else " || "
            return f"({joint.join(map(_cpp, node.values))})"
        case ast.Compare():
            terms = [_cpp(one) for one in (node.left, *node.comparators)]
            pairs = zip(terms, node.ops, terms[1:], strict=False)
            return f"({' && '.join(f'{left} {_COMPARISONS[type(op)]} {right}' for left, op, right in pairs)})"
        case ast.Call(func=ast.Name(id=name)):
            first, *others = map(_cpp, node.args)
            for one in others:
                first = f"std::{name}<int64_t>({first}, {one})"
            return first
    raise ValueError(f"no C++ for {ast.dump(node)}")
