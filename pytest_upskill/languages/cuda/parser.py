"""Finds the definitions of a function in CUDA C++ that may not compile. Knows C++ a little, and no contract.

tree-sitter reads the source. Where it finds nothing, a conservative search in the text without comments and literals
does: for sources with syntax errors, with macros that write definitions, or too large to parse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser

MAX_PARSED = 300_000
"""Characters that tree-sitter is given; it takes a second for some millions, and longer for garbage."""

MAX_HEAD = 4000
MAX_PLACES = 500
"""Characters that a signature may take in the text search, and how many places are looked at."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A function definition, as text: ``head`` is all before the name, template parameters included.

    ``parameters`` is None where a macro writes the definition. ``inside`` says where it stands, None at global scope.
    ``body`` is False for a mere declaration, ``specialised`` true for ``template <> void f<float>(...)``.
    """

    head: str
    parameters: tuple[str, ...] | None
    inside: str | None = None
    body: bool = True
    specialised: bool = False


def find_definitions(source: str, name: str, *, parse: bool = True) -> list[Definition]:
    """The definitions (and declarations) of function ``name``, in order; empty where the source has none.

    Without ``parse``, or above ``MAX_PARSED`` characters, by the search in the text alone.
    """
    if not re.search(rf"\b{re.escape(name)}\b", source):
        return []
    found = list(_parsed(source, name)) if parse and len(source) <= MAX_PARSED else []
    if any(definition.body and definition.inside is None for definition in found):
        return found
    masked = _without_dead_code(mask(source))
    return [*_searched(source, masked, name), *_from_macros(masked, name)] or found


# -------------------------------------------------------------------------------------------------------- tree-sitter

_CONTAINERS = frozenset(
    ("translation_unit", "declaration_list", "preproc_if", "preproc_ifdef", "preproc_else", "preproc_elif", "ERROR",
     "field_declaration_list")
)  # fmt: skip
_CLASSES = frozenset(("class_specifier", "struct_specifier", "union_specifier"))


@lru_cache(maxsize=1)
def _language() -> Language:
    import tree_sitter_cuda
    from tree_sitter import Language

    return Language(tree_sitter_cuda.language())


def parser() -> Parser:
    """A parser of CUDA C++, for one thread; it may be given ``MAX_PARSED`` characters."""
    from tree_sitter import Parser

    return Parser(_language())


def _parsed(source: str, name: str) -> Iterator[Definition]:
    """Walks declarations only: never into a function's body, and never by recursion."""
    data = source.replace("\0", " ").encode("utf-8", errors="replace")
    stack: list[tuple[Node, str | None]] = [(parser().parse(data).root_node, None)]
    while stack:
        node, inside = stack.pop()
        if node.type in ("function_definition", "declaration", "template_declaration"):
            definition = _definition(data, node, name, inside)
            if definition is not None:
                yield definition
                continue
        stack += [(child, place) for child, place in _children(data, node, inside)][::-1]


def _children(data: bytes, node: Node, inside: str | None) -> Iterator[tuple[Node, str | None]]:
    if node.type in _CONTAINERS:
        skipped = _dead(data, node)
        yield from ((child, inside) for child in node.children if not skipped or child.type == "preproc_else")
    elif node.type == "namespace_definition":
        label = node.child_by_field_name("name")
        place = inside if label is None else f"namespace '{_text(data, label)}'"
        yield from ((child, place) for child in node.children)
    elif node.type in _CLASSES:
        label = node.child_by_field_name("name")
        yield from ((child, f"class '{_text(data, label) if label else ''}'") for child in node.children)
    elif node.type in ("linkage_specification", "template_declaration"):
        yield from ((child, inside) for child in node.children)
    elif node.type in ("declaration", "function_definition", "field_declaration"):
        yield from ((child, inside) for child in node.children if child.type in _CLASSES)


def _dead(data: bytes, node: Node) -> bool:
    condition = node.child_by_field_name("condition") if node.type == "preproc_if" else None
    return condition is not None and _text(data, condition) == "0"


def _definition(data: bytes, node: Node, name: str, inside: str | None) -> Definition | None:
    """The function that a node declares, where it is called ``name``."""
    inner = node
    while inner.type == "template_declaration":
        found = next((child for child in inner.children if child.type in _DECLARATIONS), None)
        if found is None:
            return None
        inner = found
    declarator = inner.child_by_field_name("declarator")
    while declarator is not None and declarator.type != "function_declarator":
        declarator = declarator.child_by_field_name("declarator")
    label = declarator.child_by_field_name("declarator") if declarator is not None else None
    parameters = declarator.child_by_field_name("parameters") if declarator is not None else None
    if label is None or parameters is None:
        return None
    specialised = label.type == "template_function"
    called = label.child_by_field_name("name") if specialised else label
    if called is None or _text(data, called) != name:
        return None
    body = inner.type == "function_definition" and inner.child_by_field_name("body") is not None
    head = mask(data[node.start_byte : label.start_byte].decode(errors="replace"))
    return Definition(head, split_list(mask(_text(data, parameters))[1:-1]), inside, body, specialised)


_DECLARATIONS = ("function_definition", "declaration", "template_declaration")


def _text(data: bytes, node: Node) -> str:
    return data[node.start_byte : node.end_byte].decode(errors="replace")


# ------------------------------------------------------------------------------------------------------------- text

_MASKED = re.compile(
    r"""//(?:[^\n\\]|\\.)*|/\*.*?(?:\*/|\Z)|R"([^()\\\s]{0,16})\(.*?(?:\)\1"|\Z)|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.){0,8}'""",
    re.DOTALL,
)
_VISIBLE = re.compile(r"[^\s]")


def mask(source: str) -> str:
    """Blanks for all that is comment or literal, so that positions and lines stay."""
    return _MASKED.sub(_blank, source)


def _blank(match: re.Match[str]) -> str:
    return _VISIBLE.sub(" ", match[0]) if "\n" in match[0] else " " * len(match[0])


def _without_dead_code(masked: str) -> str:
    """Blanks for what stands between ``#if 0`` and its ``#else`` or ``#endif``."""
    if not re.search(r"#[ \t]*if[ \t]+0\b", masked):
        return masked
    lines, depth = masked.split("\n"), 0
    for index, line in enumerate(lines):
        directive = re.match(r"[ \t]*#[ \t]*(if|ifdef|ifndef|else|elif|endif)\b[ \t]*(0\b)?", line)
        kind = directive[1] if directive else ""
        if depth == 0:
            depth = int(kind == "if" and directive is not None and directive[2] is not None)
        elif kind.startswith("if"):
            depth += 1
        elif kind == "endif" or (kind.startswith("el") and depth == 1):
            depth -= 1
        else:
            lines[index] = " " * len(line)
    return "\n".join(lines)


def split_list(text: str) -> tuple[str, ...]:
    """The parts between commas that stand outside any brackets."""
    parts, depth, begin = [], 0, 0
    for match in re.finditer(r"[(){}\[\]<>,]", text):
        if match[0] == ",":
            if depth == 0:
                parts.append(text[begin : match.start()])
                begin = match.end()
        else:
            depth += 1 if match[0] in "({[<" else -1
    parts.append(text[begin:])
    return tuple(part.strip() for part in parts if part.strip() and part.strip() != "void")


def _searched(source: str, masked: str, name: str) -> Iterator[Definition]:
    """``head name(parameters) {`` anywhere but in a call."""
    scopes = _Scopes(source, masked)
    places = re.finditer(rf"(?<=[\w*&>)\]\s]){re.escape(name)}\s*(<[^<>;{{}}()]*>\s*)?\(", masked)
    for match in islice(places, MAX_PLACES):
        end = _closing(masked, match.end())
        if end is None:
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
    """Where the parenthesis that was opened before ``begin`` is closed."""
    depth = 1
    for match in re.finditer(r"[();{}]", masked[begin : begin + MAX_HEAD]):
        if match[0] in ";{}":
            return None
        depth += 1 if match[0] == "(" else -1
        if depth == 0:
            return begin + match.end()
    return None


def _head(masked: str, end: int) -> str:
    """What stands before a name, back to the end of the statement, block or directive before it."""
    text = masked[max(0, end - MAX_HEAD) : end]
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
    """Which named scopes are open at a place; asked for places in rising order."""

    def __init__(self, source: str, masked: str) -> None:
        self._source = source
        self._masked = masked
        self._braces = re.finditer(r"[{}]", masked)
        self._next = next(self._braces, None)
        self._open: list[str | None] = []

    def at(self, place: int) -> str | None:
        """The innermost namespace or class. Other open braces are a mistake: no function is defined in another."""
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


def _from_macros(masked: str, name: str) -> Iterator[Definition]:
    """``LAUNCHER(rms_norm)``, where the source defines a macro of that name that writes a function."""
    for macro in set(re.findall(r"(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)\(", masked)):
        definition = re.search(rf"(?m)^[ \t]*#[ \t]*define[ \t]+{macro}\((?:[^\n\\]|\\.|\\\n)*", masked)
        if definition is None or "{" not in definition[0] or "void" not in definition[0]:
            continue
        if re.search(rf"(?m)^[ \t]*{macro}\s*\([^;{{}}()]{{0,{MAX_HEAD}}}\b{re.escape(name)}\b", masked):
            yield Definition(f"{macro}(...)", None)
