"""Finds the definitions of a function in CUDA C++, which may not compile. Knows no contract.

tree-sitter parses the source. If it finds no definition, a conservative text search follows, because the source may
have syntax errors, may have macros that write definitions, or may be too large to parse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import tree_sitter_cuda
from tree_sitter import Language, Node, Parser

from pytest_upskill.languages.cuda.source_text import blank_out, split_outside

MAX_PARSED = 300_000
"""The most characters that tree-sitter parses. Parsing takes a second for some millions of characters, and longer for
garbage.
"""

_MAX_HEAD = 4000
_MAX_PLACES = 500
"""Limits of the text search: the most characters of a signature, and the most places that are tried."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A function definition, as text. ``head`` is everything before the name, including template parameters.

    ``parameters`` is None if a macro writes the definition. ``inside`` names the enclosing namespace or class; it is
    None at global scope. ``specialised`` is True for ``template <> void f<float>(...)``. ``body`` is False for a
    declaration.
    """

    head: str
    parameters: tuple[str, ...] | None
    inside: str | None = None
    body: bool = True
    specialised: bool = False

    @property
    def usable(self) -> bool:
        """Whether the definition has a body and is at global scope."""
        return self.body and self.inside is None


def find_definitions(source: str, name: str, *, parse: bool = True) -> list[Definition]:
    """The definitions (and declarations) of the function ``name``, in order. If ``parse`` is False, only the text
    search is used.
    """
    if not re.search(rf"\b{re.escape(name)}\b", source):
        return []
    found = list(_parsed(source, name)) if parse and len(source) <= MAX_PARSED else []
    if any(definition.usable for definition in found):
        return found
    masked = _without_dead_code(blank_out(source))
    return [*_searched(masked, name), *_from_macros(masked, name)] or found


_CONTAINERS = frozenset(
    ("translation_unit", "declaration_list", "preproc_if", "preproc_ifdef", "preproc_else", "preproc_elif", "ERROR",
     "field_declaration_list")
)  # fmt: skip
_CLASSES = frozenset(("class_specifier", "struct_specifier", "union_specifier"))
_DECLARATIONS = ("function_definition", "declaration", "template_declaration")


@lru_cache(maxsize=1)
def _language() -> Language:
    return Language(tree_sitter_cuda.language())


def parser() -> Parser:
    """A parser of CUDA C++, for one thread and sources of at most ``MAX_PARSED`` characters."""
    return Parser(_language())


def text_of(node: Node) -> str:
    """The source text of a node."""
    return (node.text or b"").decode(errors="replace")


def ancestors(node: Node) -> Iterator[Node]:
    """The nodes around a node, from the inside out."""
    above = node.parent
    while above is not None:
        yield above
        above = above.parent


def _parsed(source: str, name: str) -> Iterator[Definition]:
    """The definitions that tree-sitter finds. The search visits declarations, never function bodies. It is not
    recursive, because a source may nest to any depth.
    """
    data = source.replace("\0", " ").encode("utf-8", errors="replace")
    stack: list[tuple[Node, str | None]] = [(parser().parse(data).root_node, None)]
    while stack:
        node, inside = stack.pop()
        definition = _definition(node, name, inside) if node.type in _DECLARATIONS else None
        if definition is not None:
            yield definition
        else:
            stack += _children(node, inside)[::-1]


def _children(node: Node, inside: str | None) -> list[tuple[Node, str | None]]:
    children, label = node.children, node.child_by_field_name("name")
    if node.type in _CONTAINERS:
        condition = node.child_by_field_name("condition") if node.type == "preproc_if" else None
        if condition is not None and text_of(condition) == "0":
            children = [child for child in children if child.type == "preproc_else"]
    elif node.type == "namespace_definition":
        inside = f"namespace '{text_of(label)}'" if label else inside
    elif node.type in _CLASSES:
        inside = f"class '{text_of(label) if label else ''}'"
    elif node.type in ("declaration", "function_definition", "field_declaration"):
        children = [child for child in children if child.type in _CLASSES]
    elif node.type not in ("linkage_specification", "template_declaration"):
        children = []
    return [(child, inside) for child in children]


def _definition(node: Node, name: str, inside: str | None) -> Definition | None:
    """The function that a node declares, if its name is ``name``; otherwise None."""
    inner: Node | None = node
    while inner is not None and inner.type == "template_declaration":
        inner = next((child for child in inner.children if child.type in _DECLARATIONS), None)
    declarator = inner and inner.child_by_field_name("declarator")
    while declarator and declarator.type != "function_declarator":
        declarator = declarator.child_by_field_name("declarator")
    label = declarator and declarator.child_by_field_name("declarator")
    parameters = declarator and declarator.child_by_field_name("parameters")
    if not inner or not label or not parameters:
        return None
    specialised = label.type == "template_function"
    called = label.child_by_field_name("name") if specialised else label
    if called is None or text_of(called) != name:
        return None
    body = inner.type == "function_definition" and inner.child_by_field_name("body") is not None
    head = blank_out((node.text or b"")[: label.start_byte - node.start_byte].decode(errors="replace"))
    return Definition(head, split_list(blank_out(text_of(parameters))[1:-1]), inside, body, specialised)


def _without_dead_code(masked: str) -> str:
    """The text in which the code between ``#if 0`` and its ``#else`` or ``#endif`` is replaced by spaces."""
    lines, depth = masked.split("\n"), 0
    for index, line in enumerate(lines):
        directive = re.match(r"[ \t]*#[ \t]*(if|ifdef|ifndef|else|elif|endif)\b[ \t]*(0\b)?", line)
        kind, zero = (directive[1], directive[2]) if directive else ("", None)
        if depth == 0:
            depth = int(kind == "if" and zero is not None)
        elif kind.startswith("if"):
            depth += 1
        elif kind == "endif" or (kind.startswith("el") and depth == 1):
            depth -= 1
        else:
            lines[index] = " " * len(line)
    return "\n".join(lines)


def split_list(text: str) -> tuple[str, ...]:
    """The parts between the commas that are outside all brackets. ``void`` alone gives no part."""
    parts = (part.strip() for part in split_outside(text, ",", "()[]{}<>"))
    return tuple(part for part in parts if part and part != "void")


def _searched(masked: str, name: str) -> Iterator[Definition]:
    """Matches of ``head name(parameters) {`` that are not calls."""
    scopes = _Scopes(masked)
    places = re.finditer(rf"(?<=[\w*&>)\]\s]){re.escape(name)}\s*(<[^<>;{{}}()]*>\s*)?\(", masked)
    for match in islice(places, _MAX_PLACES):
        if (end := _closing(masked, match.end())) is None:
            continue
        tail = re.compile(r"\s*(?:noexcept\s*|->\s*\w+\s*|__attribute__\s*\(\(.{0,80}?\)\)\s*)*(\{)?", re.DOTALL)
        body = tail.match(masked, end)
        head = _head(masked, match.start())
        if body is None or body[1] is None or not re.search(r"\w", head):
            continue
        if re.match(r"\s*#\s*define\b", head):
            yield Definition(head, None)
            continue
        parameters = split_list(masked[match.end() : end - 1])
        yield Definition(head, parameters, scopes.at(match.start()), True, match[1] is not None)


def _closing(masked: str, begin: int) -> int | None:
    """The position just after the parenthesis that closes the one before ``begin``; None if there is none."""
    depth = 1
    for match in re.finditer(r"[();{}]", masked[begin : begin + _MAX_HEAD]):
        if match[0] in ";{}":
            return None
        depth += 1 if match[0] == "(" else -1
        if depth == 0:
            return begin + match.end()
    return None


def _head(masked: str, end: int) -> str:
    """The text before a name, back to the end of the statement, block or directive before it."""
    text = masked[max(0, end - _MAX_HEAD) : end]
    text = text[max(text.rfind(character) for character in ";{}") + 1 :]
    lines = text.split("\n")
    directive = max((index for index, line in enumerate(lines) if line.lstrip().startswith("#")), default=None)
    if directive is None:
        return text
    last = directive
    while last < len(lines) - 1 and lines[last].rstrip().endswith("\\"):
        last += 1
    return "\n".join(lines[directive:] if last == len(lines) - 1 else lines[last + 1 :])


class _Scopes:
    """Finds the named scope that encloses a place. Places must be given in ascending order."""

    def __init__(self, masked: str) -> None:
        self._masked = masked
        self._braces = re.finditer(r"[{}]", masked)
        self._next = next(self._braces, None)
        self._open: list[str | None] = []

    def at(self, place: int) -> str | None:
        """The innermost namespace or class around a place. Other braces that are still open are syntax errors, because
        functions do not nest; they are ignored.
        """
        while self._next is not None and self._next.start() < place:
            if self._next[0] == "{":
                self._open.append(self._label(self._next.start()))
            elif self._open:
                self._open.pop()
            self._next = next(self._braces, None)
        return next((label for label in reversed(self._open) if label), None)

    def _label(self, place: int) -> str | None:
        before = self._masked[max(0, place - 200) : place]
        before = before[max(before.rfind(character) for character in ";{})") + 1 :]
        match = re.search(r"\b(namespace|class|struct|union)\s+([\w:]+)", before)
        return f"{match[1]} '{match[2]}'" if match else None


_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(?P<name>\w+)\((?P<text>(?:[^\n\\]|\\[\s\S])*)", re.MULTILINE)
_USE = re.compile(r"^[ \t]*(?P<name>\w+)[ \t]*\((?=(?P<arguments>[^;{}()]*))", re.MULTILINE)


def _from_macros(masked: str, name: str) -> Iterator[Definition]:
    """Definitions such as ``LAUNCHER(rms_norm)``, if the source defines a macro of this name that writes a function."""
    macros = {one["name"] for one in _MACRO.finditer(masked) if "{" in one["text"] and "void" in one["text"]}
    word = re.compile(rf"\b{re.escape(name)}\b")
    for use in _USE.finditer(masked) if macros else ():
        if use["name"] in macros and word.search(use["arguments"][:_MAX_HEAD]):
            macros.discard(use["name"])
            yield Definition(f"{use['name']}(...)", None)
