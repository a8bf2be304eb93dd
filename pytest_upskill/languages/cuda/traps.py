"""Replaces code that the host's compiler cannot compile because only a GPU has the feature. When a replacement (a trap)
runs, it reports the feature.

The compiler decides which code counts: it reports no error for a name that it does not compile (in a comment, or in a
branch that the preprocessor drops). A statement with a name of CUDA that the cpu device lacks becomes a trap. A
declaration with such a name is removed, and statements that use the declared names become traps in turn.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_upskill.build.messages import unknown_names
from pytest_upskill.languages.cuda.gpu_features import feature
from pytest_upskill.languages.cuda.parser import MAX_PARSED, ancestors, parser, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

MOST_ROUNDS = 12
"""The most compilations in search of names. Each finds names that became unknown by an earlier replacement."""

_ERROR = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<text>.*)$")
_EXPANSION = re.compile(
    r"^[^:\n]+:(?P<line>\d+):(?:\d+:)? note: (?:in expansion of macro '(?P<a>\w+)'|expanded from macro '(?P<b>\w+)')"
)
_QUOTED = re.compile(r"'([^'\n]{1,300})'")
_WORD = re.compile(r"\w+")
_USING = re.compile(r"\busing\s+namespace\s+([\w:]{1,200})")
_MOST_NOTES = 12
_MOST_WIDTH = 2000
"""The most notes of an error, and the most characters of a line, that are read."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in an error of the compiler: its place, and whether the name is unknown to the compiler."""

    name: str
    file: str
    line: int
    unknown: bool
    macro: tuple[str, int] | None = None
    """The macro that contains the name, and the line that uses the macro; None if there is no macro."""


def mentions(said: str) -> Iterator[Mention]:
    """The names that a compiler's errors quote, and the headers that it does not find."""
    lines = [line[:_MOST_WIDTH] for line in said.splitlines()]
    for number, line in enumerate(lines):
        if (error := _ERROR.match(line)) is None:
            continue
        place = (error["file"], int(error["line"]))
        missing = unknown_names(error["text"])
        macro = _macro(lines[number + 1 : number + 1 + _MOST_NOTES])
        for name in missing:
            yield Mention(name if "/" in name or "." in name else name.rpartition("::")[2], *place, True, macro)
        for quoted in _QUOTED.findall(error["text"]):
            yield from (Mention(name, *place, False, macro) for name in dict.fromkeys(_WORD.findall(quoted)))


def _macro(notes: Sequence[str]) -> tuple[str, int] | None:
    """The outermost macro in an error's notes, and the line that uses it."""
    found = None
    for line in notes:
        if _ERROR.match(line):
            break
        if expansion := _EXPANSION.match(line):
            found = (expansion["a"] or expansion["b"], int(expansion["line"]))
    return found


@dataclass
class Traps:
    """A source in which unknown names are replaced, step by step."""

    source: str
    exists: Callable[[str], bool]
    """Whether CUDA has a name (with its namespaces) or a header."""
    name_of_file: str
    _tainted: dict[str, str] = field(default_factory=dict)
    """The names that removed declarations declared, each with the feature that it stands for."""
    _opened: list[str] = field(init=False)
    """The namespaces in ``using namespace`` directives."""

    def __post_init__(self) -> None:
        self._opened = [re.sub(r"\s", "", found) for found in _USING.findall(self.source)]

    def replace(self, messages: str) -> bool:
        """Replace the code that one compilation complained about. Returns whether anything was replaced."""
        data = self.source.encode("utf-8", errors="surrogateescape")
        if len(data) > MAX_PARSED:
            return False
        root = parser().parse(data.replace(b"\0", b" ")).root_node
        places = _Places(root)
        edits: dict[tuple[int, int], str] = {}
        for one in mentions(messages):
            for node in places.at(one) if one.file.rpartition("/")[2] == self.name_of_file else ():
                if need := self._need(node, one):
                    self._edit(node, need, edits)
        for (start, end), text in sorted(_outermost(edits).items(), reverse=True):
            data = data[:start] + text.encode() + b"\n" * data.count(b"\n", start, end) + data[end:]
        self.source = data.decode("utf-8", errors="surrogateescape")
        return bool(edits)

    def _need(self, node: Node, one: Mention) -> str | None:
        """The feature that the name at a node stands for; None if it does not need a GPU."""
        if one.name in self._tainted:
            return self._tainted[one.name]
        if not one.unknown:
            return None
        name = one.name if node.type in _INCLUDES else _qualified(node)
        names = (name, *(f"{opened}::{name}" for opened in self._opened))
        known = next((name for name in names if self.exists(name)), None)
        return feature(known) if known else None

    def _edit(self, node: Node, need: str, edits: dict[tuple[int, int], str]) -> None:
        if (statement := _statement(node)) is None:
            return
        place = (statement.start_byte, statement.end_byte)
        if "include" in statement.type:
            edits[place] = ""
            return
        for name in _declared(statement):
            self._tainted.setdefault(name, need)
        runs = _within_function(statement) and not _only_declares(statement)
        edits[place] = f"::upskill::cpu::needs_gpu({json.dumps(need)});" if runs else ""


class _Places:
    """Finds the identifiers of a tree by line and name."""

    def __init__(self, root: Node) -> None:
        self._found: dict[tuple[int, str], list[Node]] = {}
        stack = [root]
        while stack:
            node = stack.pop()
            if node.type in _INCLUDES:
                path = node.child_by_field_name("path")
                text = text_of(path).strip('<>" ') if path else ""
                self._found.setdefault((node.start_point[0] + 1, text), []).append(node)
            elif not node.children and node.type in _IDENTIFIERS:
                self._found.setdefault((node.start_point[0] + 1, text_of(node)), []).append(node)
            stack += node.children

    def at(self, one: Mention) -> Sequence[Node]:
        """The nodes where a name is. If the name is only inside a macro, the nodes where this macro is used."""
        found = self._found.get((one.line, one.name), ())
        if not found and one.macro:
            found = self._found.get((one.macro[1], one.macro[0]), ())
        return found


_INCLUDES = frozenset(("preproc_include",))
_IDENTIFIERS = frozenset(
    ("identifier", "type_identifier", "field_identifier", "namespace_identifier", "statement_identifier")
)
_BLOCKS = frozenset(
    ("compound_statement", "translation_unit", "declaration_list", "field_declaration_list", "preproc_if",
     "preproc_ifdef", "preproc_else", "preproc_elif", "preproc_elifdef", "case_statement",
     "labeled_statement", "else_clause", "linkage_specification", "ERROR")
)  # fmt: skip
_BODIES = frozenset(("if_statement", "for_statement", "for_range_loop", "while_statement", "do_statement"))
_COMPUTES = ("call_expression", "argument_list", "new_expression", "subscript_expression", "lambda_expression")
_SCOPES = frozenset(
    ("template_declaration", "function_definition", "declaration", "field_declaration", "struct_specifier",
     "class_specifier", "union_specifier", "enum_specifier", "alias_declaration", "using_declaration",
     "type_definition", "namespace_alias_definition", "friend_declaration")
)  # fmt: skip


def _statement(node: Node) -> Node | None:
    """The smallest statement or declaration around a node that can be taken out as a whole."""
    for current in (node, *ancestors(node)):
        if current.type in _INCLUDES:
            return current
        if (parent := current.parent) is None:
            break
        whole = current.type.endswith("_statement") or current.type in _SCOPES
        body = parent.type in _BODIES and parent.child_by_field_name("body") == current
        body = body or (parent.type == "if_statement" and parent.child_by_field_name("consequence") == current)
        if whole and current.type != "compound_statement" and (parent.type in _BLOCKS or body):
            return current
    return None


def _within_function(node: Node) -> bool:
    kinds = (one.type for one in ancestors(node))
    borders = ("compound_statement", "field_declaration_list", "translation_unit")
    return next((kind for kind in kinds if kind in borders), "") == "compound_statement"


def _only_declares(statement: Node) -> bool:
    """Whether a declaration computes nothing, because it has no initializer, or one that is empty or a literal."""
    if statement.type not in _SCOPES:
        return False
    stack = list(statement.children)
    while stack:
        node = stack.pop()
        if node.type in _COMPUTES:
            return False
        stack += node.children
    return True


def _declared(statement: Node) -> Iterator[str]:
    """The names that a declaration declares, including members of classes."""
    stack = [statement]
    while stack:
        node = stack.pop()
        if node.type in ("template_declaration", "declaration", "field_declaration", "type_definition"):
            stack += [child for child in node.children if child.type in _SCOPES]
        for child in (*node.children_by_field_name("declarator"), *node.children_by_field_name("name")):
            yield from _declarator_names(child)


def _declarator_names(node: Node) -> Iterator[str]:
    while node.type not in _IDENTIFIERS:
        if node.type == "structured_binding_declarator":
            yield from (text_of(child) for child in node.children if child.type in _IDENTIFIERS)
            return
        inner = node.child_by_field_name("declarator") or node.child_by_field_name("name")
        inner = inner or next((child for child in node.children if child.is_named), None)
        if inner is None:
            return
        node = inner
    yield text_of(node)


def _qualified(node: Node) -> str:
    """The whole qualified name that an identifier belongs to, such as ``thrust::device_vector``."""
    scoped = ("qualified_identifier", "nested_namespace_specifier")
    *_, whole = (node, *itertools.takewhile(lambda above: above.type in scoped, ancestors(node)))
    return re.sub(r"\s+|<.*", "", text_of(whole)[:300], flags=re.DOTALL).removeprefix("::")


def _outermost(edits: Mapping[tuple[int, int], str]) -> dict[tuple[int, int], str]:
    """The edits that are not inside another edit."""
    kept: dict[tuple[int, int], str] = {}
    last = -1
    for place in sorted(edits, key=lambda one: (one[0], -one[1])):
        if place[0] >= last:
            kept[place] = edits[place]
            last = place[1]
    return kept


def trapped(
    source: str, said: str, compile_it: Callable[[str], str], exists: Callable[[str], bool], file: str
) -> str | None:
    """The source with traps, such that the compiler accepts it; None if its errors have other causes.

    ``said`` are the compiler's messages about the source. ``compile_it`` returns the messages about a changed source;
    empty if it compiles.
    """
    traps = Traps(source.replace("\r\n", "\n"), exists, file)
    for _ in range(MOST_ROUNDS):
        if not said:
            return traps.source
        if not traps.replace(said):
            return None
        said = compile_it(traps.source)
    return None
