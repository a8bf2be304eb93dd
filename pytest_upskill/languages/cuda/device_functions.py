"""Changes the device functions of CUDA C++, for the cpu device. Reads the source as text, and moves no line.

A kernel begins with a macro that has its launch bounds (``UPSKILL_CPU_KERNEL``, see launch.h). nvcc places a static
variable of a device function on the device, so here such a variable gets ``__device__``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_upskill.languages.cuda.source_text import blank_out, closing_bracket, edited, split_outside

_KERNEL, _DEVICE, _BOUNDS = "__global__", "__device__", "__launch_bounds__"
_WORD = re.compile(r"[A-Za-z_]\w*")
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\[\s\S])*", re.MULTILINE)
_DEFINE = re.compile(r"[ \t]*#[ \t]*define[ \t]+(\w+)(\(([^()]*)\))?((?:[^\n\\]|\\[\s\S])*)")
_STATIC = re.compile(r"\bstatic\b(?!\s*__shared__)")
_LARGEST_HEAD = 4000
"""The most characters before a brace in which the declaration of a function is searched."""
_DEPTH = 4
"""The most expansions of macros in the head of a function."""


def rewrite_functions(text: str) -> str:
    """The source with its kernels and the static variables of its device functions changed."""
    if _KERNEL not in text and _DEVICE not in text:
        return text
    blank = blank_out(text)
    macros = _macros(text, blank)
    inserted: dict[int, str] = {}
    read = 0  # bodies without a closing brace overlap
    for function in _functions(text, blank, macros):
        if function.kernel:
            inserted[function.begin + 1] = f" UPSKILL_CPU_KERNEL({function.bounds});"
        for match in _STATIC.finditer(blank, max(function.begin, read), function.end):
            inserted[match.end()] = f" {_DEVICE}"
        read = max(read, function.end)
    return edited(text, ((place, place, new) for place, new in inserted.items()))


@dataclass(frozen=True, slots=True)
class _Macro:
    parameters: tuple[str, ...] | None
    body: str


@dataclass(frozen=True, slots=True)
class _Function:
    """A function that runs on the device. ``begin`` and ``end`` are the positions of its body's braces."""

    begin: int
    end: int
    kernel: bool
    bounds: str


def _macros(text: str, blank: str) -> Mapping[str, _Macro]:
    """The macros that may expand to CUDA's keywords. If a name is defined twice, the last definition counts."""
    found: dict[str, _Macro] = {}
    known = re.compile(rf"\b(?:{_KERNEL}|{_DEVICE}|{_BOUNDS})")
    for directive in _DIRECTIVE.finditer(blank):
        define = _DEFINE.match(text, directive.start(), directive.end())
        if define is None or "{" in define[4]:
            continue
        if known.search(define[4]) or any(word in found for word in _WORD.findall(define[4])):
            names = None if define[2] is None else tuple(name.strip() for name in define[3].split(","))
            found[define[1]] = _Macro(names, define[4].replace("\\\n", " "))
    return found


def _functions(text: str, blank: str, macros: Mapping[str, _Macro]) -> Iterator[_Function]:
    closings = _closings(blank)
    names = re.compile(rf"\b(?:{'|'.join([_KERNEL, _DEVICE, *map(re.escape, macros)])})\b")
    directives = [match.span() for match in _DIRECTIVE.finditer(blank)]
    borders = sorted({place for span in directives for place in span})
    start, border = 0, 0
    for mark in re.finditer(r"[;{}]", blank):
        while border < len(borders) and borders[border] <= mark.start():
            start = max(start, borders[border])
            border += 1
        begin, start = max(start, mark.start() - _LARGEST_HEAD), mark.end()
        if mark[0] != "{" or not names.search(blank, begin, mark.start()):
            continue
        head = _expanded(text[begin : mark.start()], macros)
        plain = blank_out(head)
        word = re.search(rf"{_KERNEL}|{_DEVICE}", plain)
        if word is None or ")" not in plain[word.end() :] or plain.rstrip().endswith("="):
            continue
        end = closings.get(mark.start(), len(blank))
        yield _Function(mark.start(), end, _KERNEL in plain, _bounds(head, plain))


def _closings(blank: str) -> dict[int, int]:
    """The position of the closing brace for each opening brace. The branches of an ``#if`` may open a brace twice, so a
    closing brace at the beginning of a line closes all braces that are open.
    """
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for match in re.finditer(r"[{}]", blank):
        if match[0] == "{":
            opened.append(match.start())
            continue
        outermost = match.start() == 0 or blank[match.start() - 1] == "\n"
        while opened:
            pairs[opened.pop()] = match.start()
            if not outermost:
                break
    return pairs


def _expanded(head: str, macros: Mapping[str, _Macro]) -> str:
    """The head with macros expanded, because a keyword may come from a macro."""
    for _ in range(_DEPTH):
        uses = [match for match in _WORD.finditer(blank_out(head)) if match[0] in macros]
        if not uses or len(head) > _LARGEST_HEAD:
            break
        match = uses[-1]
        macro, end = macros[match[0]], match.end()
        body = macro.body
        if macro.parameters is not None:
            opening = re.compile(r"\s*\(").match(head, end)
            closing = closing_bracket(blank_out(head), opening.end() - 1) if opening else -1
            if opening is None or closing < 0:
                break
            values = [value.strip() for value in split_outside(head[opening.end() : closing], ",")]
            given = dict(zip(macro.parameters, values, strict=False))
            body = _WORD.sub(lambda word, given=given: given.get(word[0], word[0]), body)  # type: ignore[misc]
            end = closing + 1
        head = head[: match.start()] + body + head[end:]
    return head


def _bounds(head: str, plain: str) -> str:
    """The arguments of ``__launch_bounds__``, as they are written."""
    match = re.search(rf"\b{_BOUNDS}\s*\(", plain)
    closing = closing_bracket(plain, match.end() - 1) if match else -1
    return " ".join(head[match.end() : closing].split()) if match and closing > 0 else ""
