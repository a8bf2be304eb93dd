"""Marks the functions that run on the host only, for the cpu device. Reads the source as text, and moves no line.

A marked function begins with ``UPSKILL_CPU_HOST_FUNCTION``, which reports calls from kernels, because nvcc does not
compile such calls. A function gets no mark if its declaration cannot be read with certainty. Constructors, destructors
and conversions get no mark, either: on the cpu device, each thread runs them for the kernel's arguments, whereas on a
GPU the host runs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_upskill.languages.cuda.source_text import blank_out, bracket_pairs, edited

_MARK = " UPSKILL_CPU_HOST_FUNCTION;"
_BORDER = re.compile(r"[;{}]|^[ \t]*#(?:[^\n\\]|\\[\s\S])*", re.MULTILINE)
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
_SCOPE = re.compile(r"\b(?:namespace|class|struct|union)\b[^()=]*$|\bextern\s*$")
_END = re.compile(r"(?:\)|\b(?:const|noexcept|override|final)|&|->[^(){}]*)$")
_OF_HOST = re.compile(r"\b__(?:host|(?:force|no)?inline|restrict)__\b")
_UNCLEAR = re.compile(r"\b__\w+__|\b_[A-Z]|\b(?:constexpr|consteval|requires|concept|enum)\b|~|=\s*\[")
_CONVERSION = re.compile(r"\boperator\s+[\w:]")
_CONSTRUCTOR = re.compile(r"(?:^|[>:]|\b(?:public|private|protected)\s*:|\b(?:explicit|inline))\s*(\w+)\s*\(")
_TEMPLATE = re.compile(r"^template\s*<[^()]*>")
_LAMBDA = re.compile(r"\[[^\[\]{};]*\]\s*(__device__)?\s*(?:\([^(){};]*\))?\s*(?:mutable\b\s*)?(?:->[^(){};]*)?\{")
_BEFORE_LAMBDA = re.compile(r"(?:[^\w)\]\s]|\breturn)\s*$")  # not an array or a structured binding
_LARGEST_HEAD = 4000
"""The most characters before a brace in which the declaration of a function is searched."""


def mark_host_functions(text: str) -> str:
    """The source with marked functions. A source without kernels gets no marks."""
    if "__global__" not in text:
        return text
    return edited(text, ((place + 1, place + 1, _MARK) for place in _bodies(blank_out(text))))


def _bodies(blank: str) -> Iterator[int]:
    """The opening braces of functions in namespaces and classes, and of lambdas in these functions."""
    closings = bracket_pairs(blank)
    macros = set(_MACRO.findall(blank))
    start = inside = 0
    for mark in _BORDER.finditer(blank):
        begin, start = start, mark.end()
        if mark[0] != "{" or mark.start() < inside:
            continue
        head = blank[max(begin, mark.start() - _LARGEST_HEAD) : mark.start()].strip()
        if _SCOPE.search(head):
            continue
        if mark.start() not in closings:  # branches of #if that open a brace twice
            return
        inside = closings[mark.start()]
        if _is_of_host(head, macros):
            yield mark.start()
            yield from _lambdas(blank, mark.end(), inside, closings)


def _is_of_host(head: str, macros: set[str]) -> bool:
    head = _OF_HOST.sub("", head).strip()
    if head.startswith(",") or not _END.search(head) or _UNCLEAR.search(head) or _CONVERSION.search(head):
        return False
    named = re.search(r"\boperator\b", head) or not _CONSTRUCTOR.search(_TEMPLATE.sub("", head).strip())
    return bool(named) and "(" in head and macros.isdisjoint(re.findall(r"\w+", head))


def _lambdas(blank: str, begin: int, end: int, closings: dict[int, int]) -> Iterator[int]:
    of_device = begin
    for found in _LAMBDA.finditer(blank, begin, end):
        if found.start() < of_device or not _BEFORE_LAMBDA.search(blank, max(0, found.start() - 80), found.start()):
            continue
        if found[1]:
            of_device = closings.get(found.end() - 1, end)
        else:
            yield found.end() - 1
