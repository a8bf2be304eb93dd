"""Converts the axes of a definition of SOL-ExecBench or FlashInfer-Bench to sizes that a case can have."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_upskill.documents.expression import parse
from pytest_upskill.documents.syntax import parse_expression
from pytest_upskill.importers.foreign import NotImported
from pytest_upskill.importers.size_fit import told_names

_LEAST = 8


@dataclass(slots=True)
class Axes:
    """The axes of a definition. ``dims`` are the names of the ``var`` axes, ``constants`` the sizes of constant axes.
    Every other axis is an expression of ``dims``.
    """

    dims: dict[str, str]
    constants: dict[str, int]
    expressions: dict[str, str]
    where: list[str] = field(default_factory=list)

    def all(self) -> dict[str, str]:
        """The size of each axis, by its name."""
        return {axis: self.text(axis) for axis in (*self.dims, *self.constants, *self.expressions)}

    def text(self, axis: str) -> str:
        """The size of an axis."""
        if axis.isdigit():
            return axis
        if axis in self.dims:
            return self.dims[axis]
        if axis in self.constants:
            return str(self.constants[axis])
        if axis not in self.expressions:
            raise NotImported(f"a shape names the axis {axis!r}, which 'axes' does not define")
        return self.replaced(self.expressions[axis])

    def replaced(self, expression: str, depth: int = 0) -> str:
        """An expression in which the names of axes are replaced by their sizes. Raises NotImported if no case can have
        the expression.
        """
        try:
            tree = parse_expression(expression)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise NotImported(f"the expression {expression!r} cannot be read") from None
        names = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}
        if unknown := sorted(names - {*self.dims, *self.constants, *self.expressions}):
            raise NotImported(f"{expression!r} depends on {unknown[0]!r}, which is not an axis: on values, not sizes")
        if depth > len(self.expressions):
            raise NotImported(f"the expression {expression!r} refers to itself")
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                node.op = ast.FloorDiv()
        inner = {name: self.replaced(self.expressions[name], depth + 1) if name in self.expressions else self.text(name)
                 for name in names}  # fmt: skip
        text = ast.unparse(_Replacing(inner).visit(tree))
        try:
            return parse(text).text
        except ValueError as error:
            raise NotImported(f"{expression!r}: {error}") from None


class _Replacing(ast.NodeTransformer):
    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return parse_expression(self._texts[node.id]) if node.id in self._texts else node


def axes_of(data: Mapping[str, Any], inputs: Mapping[str, Any], factor: int) -> Axes:
    """The axes of a definition. Constant axes are divided by ``factor`` where possible. Raises NotImported."""
    given = data.get("axes")
    if not isinstance(given, Mapping):
        raise NotImported("'axes' is missing")
    variable = [name for name, one in given.items() if _kind(name, one) == "var"]
    equal, rest = _constraints(data, variable)
    dims = told_names({place: name for place, name in enumerate(variable) if name not in equal}, inputs)
    axes = Axes({variable[place]: name for place, name in dims.items()}, {}, dict(equal))
    for name, one in given.items():
        kind = _kind(name, one)
        if kind == "const":
            value = one.get("value")
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise NotImported(f"the axis '{name}' has the value {value!r}, not a size")
            smaller = value // factor
            axes.constants[name] = smaller if value % factor == 0 and smaller >= _LEAST else value
        elif kind == "expr":
            axes.expressions[name] = str(one.get("expression"))
    if not axes.dims:
        raise NotImported("none of its sizes can vary: it has no 'var' axis")
    axes.where = [axes.replaced(one) for one in rest]
    axes.where = [one for one in axes.where if parse(one).names]
    return axes


def _kind(name: str, one: Any) -> str:
    kind = one.get("type") if isinstance(one, Mapping) else None
    if kind not in ("var", "const", "expr"):
        raise NotImported(f"the axis '{name}' is of the type {kind!r}; supported are var, const and expr")
    return str(kind)


def _constraints(data: Mapping[str, Any], variable: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The axes that a constraint sets equal to an expression of other axes, and all remaining constraints."""
    equal: dict[str, str] = {}
    rest: list[str] = []
    known = set(data["axes"])
    constraints = data.get("constraints") or []
    if not isinstance(constraints, list):
        raise NotImported(f"'constraints' is {constraints!r:.60}, not a list of conditions")
    for one in constraints:
        text = str(one)
        try:
            tree = parse_expression(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise NotImported(f"the constraint {text!r} cannot be read") from None
        if isinstance(tree, ast.Compare) and len(tree.ops) == 1 and isinstance(tree.ops[0], ast.Eq):
            for left, right in ((tree.left, tree.comparators[0]), (tree.comparators[0], tree.left)):
                own = {node.id for node in ast.walk(right) if isinstance(node, ast.Name)}
                if (
                    isinstance(left, ast.Name)
                    and left.id in variable
                    and left.id not in {*own, *equal}
                    and own <= known
                ):
                    equal[left.id] = ast.unparse(right)
                    break
            else:
                rest.append(text)
            continue
        rest.append(text)
    return equal, rest
