"""Edits foreign PyTorch code so that it can be a reference. The exact result is computed by calling the code in
float64, so its casts must go to float64, too.
"""

from __future__ import annotations

import ast
import re

from pytest_upskill.documents.syntax import parse_module

_EXACT = "_exact"
_FLOATS = ("float16", "float32", "float64", "bfloat16", "half", "float", "double")
_CASTS = {"float": "float32", "half": "float16", "bfloat16": "bfloat16", "double": "float64"}
_DEFINITION = f"""
def {_EXACT}(dtype):
    return torch.float64 if torch.get_default_dtype() == torch.float64 else dtype
"""


def with_exact_casts(source: str) -> str:
    """The source in which casts go to float64 while PyTorch's default dtype is float64. A source without casts stays as
    it is. Raises SyntaxError, ValueError.
    """
    tree = parse_module(source)
    editor = _Editor()
    edited = editor.visit(tree)
    if not editor.changed:
        return source
    text = ast.unparse(ast.fix_missing_locations(edited))
    future = re.match(r"(?:\s*(?:\"\"\".*?\"\"\"|from __future__[^\n]*)\n)*", text, re.DOTALL)
    at = future.end() if future else 0
    return text[:at] + "import torch\n" + _DEFINITION + "\n" + text[at:]


def without_size_checks(source: str) -> str:
    """The source without assertions that compare sizes with whole numbers, because a case may have other sizes."""
    tree = parse_module(source)
    edited = _Unasserting().visit(tree)
    return ast.unparse(ast.fix_missing_locations(edited))


class _Unasserting(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        parts = node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]
        return ast.Pass() if all(map(_is_size_check, parts)) else node


def _is_size_check(node: ast.expr) -> bool:
    if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq):
        return False
    sides = (node.left, *node.comparators)
    return any(isinstance(one, ast.Constant) and type(one.value) is int for one in sides)


class _Editor(ast.NodeTransformer):
    def __init__(self) -> None:
        self.changed = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        unwanted = ("no_grad", "inference_mode", "'compile'", "'script'")
        kept = [one for one in node.decorator_list if not any(word in ast.dump(one) for word in unwanted)]
        self.changed |= len(kept) < len(node.decorator_list)
        node.decorator_list = kept
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Attribute) or _is_torch(node.func.value):
            return node
        if node.func.attr in _CASTS and not node.args and not node.keywords:
            node.args = [self._exact(_torch(_CASTS[node.func.attr]))]
            node.func.attr = "to"
        elif node.func.attr in ("to", "type"):
            node.args = [self._exact(one) if _is_dtype(one) else one for one in node.args]
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        self.generic_visit(node)
        if node.arg == "dtype" and _is_dtype(node.value):
            node.value = self._exact(node.value)
        return node

    def _exact(self, dtype: ast.expr) -> ast.expr:
        self.changed = True
        return ast.Call(ast.Name(_EXACT, ast.Load()), [dtype], [])


def _torch(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("torch", ast.Load()), name, ast.Load())


def _is_torch(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "torch"


def _is_dtype(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and _is_torch(node.value) and node.attr in _FLOATS
