"""Changes the Python source of a problem, so that the sizes that are constants in its module become parameters.

A *site* is a whole number in the source from which a size may come: in an assignment at the top of the module, or in
one of the functions that make the inputs. Nothing is run here.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from pytest_upskill.documents.syntax import parse_module

MODEL, INPUTS, SETTINGS = "Model", "get_inputs", "get_init_inputs"
"""The names that every problem of KernelBench defines."""
RESIZE = "_resize"
_LARGEST_POWER = 64


@dataclass(frozen=True, slots=True)
class Site:
    """A whole number in the source. ``name`` is its name there."""

    name: str
    value: int


@dataclass(slots=True)
class ProblemSource:
    """The source of a problem with its sites. ``code`` leaves out statements that run only if the file is run as a
    program.
    """

    code: str
    sites: list[Site] = field(default_factory=list)
    _statements: list[ast.stmt] = field(default_factory=list)
    """The statements that depend on sites, with ``_Site`` nodes in them."""

    @property
    def classes(self) -> Collection[str]:
        return [node.name for node in parse_module(self.code).body if isinstance(node, ast.ClassDef)]

    def resize(self, parameters: Mapping[int, str], values: Sequence[int]) -> str:
        """The source of a function ``_resize`` that sets the sizes anew. The sites in ``parameters`` become its
        parameters; all other sites become constants from ``values``.
        """
        names = dict.fromkeys(name for one in self._statements for name in _assigned(one))
        lines = [f"def {RESIZE}({', '.join(parameters.values())}):"]
        lines += [f"    global {', '.join(names)}"] if names else ["    pass"]
        filler = _Filler(parameters, values)
        for one in self._statements:
            text = ast.unparse(ast.fix_missing_locations(filler.visit(deepcopy(one))))
            lines += [f"    {line}" if line else "" for line in text.split("\n")]
        return "\n".join(lines) + "\n"


def read_problem(source: str, *, tied: bool = False) -> ProblemSource:
    """Find the sites of a problem. If ``tied``, equal numbers are one site. Raises SyntaxError, ValueError,
    RecursionError.
    """
    tree = parse_module(source)
    found = ProblemSource(_without(source, [node for node in tree.body if _is_program(node)]))
    tree.body = [node for node in tree.body if not _is_program(node)]
    marker = _Marker(found.sites, tied)
    dependent: set[str] = set()
    for node in tree.body:
        before = len(found.sites)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            marked: ast.stmt = marker.assignment(node)
        elif isinstance(node, ast.FunctionDef) and node.name in (INPUTS, SETTINGS):
            marked = marker.function(node)
        else:
            continue
        inline = any(isinstance(one, _Site) for one in ast.walk(marked))
        reads = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
        if inline or (not isinstance(node, ast.FunctionDef) and (reads & dependent or len(found.sites) > before)):
            found._statements.append(marked)
            dependent |= set(_assigned(marked))
    return found


class _Site(ast.Constant):
    """A node in place of a site's number. Its ``kind`` is the number of the site."""


class _Marker(ast.NodeTransformer):
    """Replaces whole numbers by sites. Within functions, equal numbers are one site, because they may have to agree."""

    def __init__(self, sites: list[Site], tied: bool) -> None:
        self._sites, self._tied = sites, tied
        self._inline: dict[int, int] = {}

    def assignment(self, node: ast.Assign | ast.AnnAssign) -> ast.stmt:
        made = deepcopy(node)
        if isinstance(made, ast.AnnAssign):  # a global name cannot be annotated
            made = ast.copy_location(ast.Assign([made.target], made.value or ast.Constant(None)), made)
        target = made.targets[0]
        if isinstance(target, ast.Tuple) and isinstance(made.value, ast.Tuple):
            names = [one.id if isinstance(one, ast.Name) else "size" for one in target.elts]
            if len(names) == len(made.value.elts):
                pairs = zip(names, made.value.elts, strict=True)
                made.value.elts = [self._marked(value, name) for name, value in pairs]
        elif isinstance(target, ast.Name):
            if isinstance(made.value, ast.Tuple | ast.List):
                several = len(made.value.elts) > 1
                made.value.elts = [
                    self._marked(value, f"{target.id}{place}" if several else target.id)
                    for place, value in enumerate(made.value.elts)
                ]
            else:
                made.value = self._marked(made.value, target.id)
        return made

    def function(self, node: ast.FunctionDef) -> ast.stmt:
        made = self.visit(deepcopy(node))
        assert isinstance(made, ast.stmt)
        return made

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if (value := _whole(node)) is None or value < 2:
            return node
        if value not in self._inline:
            self._inline[value] = self._new(f"size{len(self._inline)}", value)
        return _site(self._inline[value], node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        return node if node.arg in ("dim", "axis") else self.generic_visit(node)  # type: ignore[return-value]

    def _marked(self, node: ast.expr, name: str) -> ast.expr:
        value = _whole(node)
        if value is None or value < 1:
            return node
        if self._tied and value > 1:
            if value not in self._inline:
                self._inline[value] = self._new(name, value)
            return _site(self._inline[value], node)
        return _site(self._new(name, value), node)

    def _new(self, name: str, value: int) -> int:
        self._sites.append(Site(name, value))
        return len(self._sites) - 1


class _Filler(ast.NodeTransformer):
    def __init__(self, parameters: Mapping[int, str], values: Sequence[int]) -> None:
        self._parameters, self._values = parameters, values

    def visit__Site(self, node: _Site) -> ast.expr:
        number = int(node.kind or 0)
        if number in self._parameters:
            return ast.Name(self._parameters[number], ast.Load())
        return ast.Constant(self._values[number])


def _site(number: int, node: ast.expr) -> ast.expr:
    return ast.copy_location(_Site(value=0, kind=str(number)), node)


def _whole(node: ast.expr) -> int | None:
    """The value of a whole number, which may be written as a product or a power of whole numbers; None if it is not
    one.
    """
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _whole(node.left), _whole(node.right)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.Pow | ast.LShift) and 0 <= right <= _LARGEST_POWER and abs(left) <= _LARGEST_POWER:
        return left**right if isinstance(node.op, ast.Pow) else left << right
    return None


def _without(source: str, nodes: Sequence[ast.stmt]) -> str:
    lines = source.split("\n")
    for node in reversed(nodes):
        del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines).strip("\n") + "\n"


def _assigned(node: ast.stmt) -> Iterator[str]:
    """The names that a statement sets at the top of the module."""
    if isinstance(node, ast.FunctionDef):
        yield node.name
        return
    targets = node.targets if isinstance(node, ast.Assign) else []
    yield from (one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name))


def _is_program(node: ast.stmt) -> bool:
    """Whether the statement is ``if __name__ == "__main__":``."""
    return isinstance(node, ast.If) and any(
        isinstance(one, ast.Name) and one.id == "__name__" for one in ast.walk(node.test)
    )
