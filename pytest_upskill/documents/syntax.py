"""Python's parser, for one thread at a time.

Python 3.11 counts the depth of the tree that it builds in a counter of the whole interpreter, and raises SystemError
if two threads build trees at once (CPython issue 106905).
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
