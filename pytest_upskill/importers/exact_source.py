"""Foreign PyTorch code as a reference, which is called in float64 too: casts to fixed floating dtypes are taken out."""

from __future__ import annotations

import ast
import re

from pytest_upskill.documents.syntax import parse_module

REAL = "_real"
_FLOATS = ("float16", "float32", "float64", "bfloat16", "half", "float", "double")
_CASTS = ("float", "half", "bfloat16", "double")
_DEFINITION = f"""
def {REAL}(value):
    return value if value.is_floating_point() else value.to(torch.get_default_dtype())
"""


def without_casts(source: str) -> str:
    """The source without casts between floating dtypes, as written if it has none. Raises SyntaxError, ValueError."""
    tree = parse_module(source)
    editor = _Editor()
    edited = editor.visit(tree)
    if not editor.changed:
        return source
    text = ast.unparse(ast.fix_missing_locations(edited))
    if not editor.needs_real:
        return text
    future = re.match(r"(?:\s*(?:\"\"\".*?\"\"\"|from __future__[^\n]*)\n)*", text, re.DOTALL)
    at = future.end() if future else 0
    return text[:at] + "import torch\n" + _DEFINITION + "\n" + text[at:]


class _Editor(ast.NodeTransformer):
    def __init__(self) -> None:
        self.changed = self.needs_real = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        kept = [
            one
            for one in node.decorator_list
            if "no_grad" not in ast.dump(one) and "inference_mode" not in ast.dump(one)
        ]
        self.changed |= len(kept) < len(node.decorator_list)
        node.decorator_list = kept
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and not _is_torch(node.func.value):
            plain = node.func.attr in _CASTS and not node.args and not node.keywords
            given = [*node.args, *(one.value for one in node.keywords if one.arg == "dtype")]
            cast = node.func.attr in ("to", "type") and len(given) == 1 == len(node.args) + len(node.keywords)
            if plain or (cast and (_is_dtype(given[0]) or _is_default(given[0]))):
                self.changed = self.needs_real = True
                return ast.Call(ast.Name(REAL, ast.Load()), [node.func.value], [])
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        self.generic_visit(node)
        if node.arg == "dtype" and _is_dtype(node.value):
            self.changed = True
            node.value = parse_default()
        return node


def parse_default() -> ast.expr:
    """The expression of torch's default dtype, which is that of the call."""
    function = ast.Attribute(ast.Name("torch", ast.Load()), "get_default_dtype", ast.Load())
    return ast.Call(function, [], [])


def _is_torch(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "torch"


def _is_dtype(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and _is_torch(node.value) and node.attr in _FLOATS


def _is_default(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get_default_dtype"
