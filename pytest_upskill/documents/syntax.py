"""Calls Python's parser from only one thread at a time.

Python 3.11 counts the depth of a syntax tree in a counter that all threads share. It raises SystemError if two threads
build trees at the same time (CPython issue 106905).
"""

from __future__ import annotations

import ast
import threading

_LOCK = threading.Lock()


def parse_module(source: str) -> ast.Module:
    """The syntax tree of a module. Raises what ``ast.parse`` raises."""
    with _LOCK:
        return ast.parse(source)


def parse_expression(source: str) -> ast.expr:
    """The syntax tree of one expression. Raises what ``ast.parse`` raises."""
    with _LOCK:
        return ast.parse(source, mode="eval").body
