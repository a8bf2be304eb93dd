"""Turns the Python blocks of a case into functions whose tracebacks point into the case's own file."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import torch

from pytest_upskill.cases.case import Snippet
from pytest_upskill.documents.spelling import did_you_mean
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.signal_handlers import Passing, raised_by_handler

_INDEX_DTYPE = re.compile(
    r"used as indices must be|only integer tensors|xpected dtype int|scalar types: Long|integer dtype|"
    r"LongTensor|long tensor|be Long"
)
"""Parts of PyTorch's messages about tensors that cannot be indices because of their dtype."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a case defines, with its named parameters. It is ``open`` if it takes ``**kwargs``."""

    title: str
    call: Callable[..., Any]
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    open: bool
    path: Path
    line: int

    def __call__(self, arguments: Mapping[str, Any], circumstances: str) -> Any:
        """Call the function with those of ``arguments`` that it takes.

        Any exception becomes a CaseError with the line that raised it.
        """
        try:
            return self.call(**arguments)
        except BaseException as error:  # a case that calls sys.exit or pytest.skip must not end the run
            if _is_not_its_own(error):
                raise
            problem = f"{self.title} raised {type(error).__name__}: {_first_line(error)} ({circumstances})"
            if isinstance(error, NotImplementedError) and " not implemented for " not in str(error):
                message = f"{self.title} is not written yet: {_first_line(error)}"
            elif _INDEX_DTYPE.search(str(error)):
                remedy = "index tensors need 'dtype: int64' in 'args', or '.long()' in the reference"
                message = f"{problem}; it was given {_dtypes(arguments)}; {remedy}"
            elif isinstance(error, TypeError):
                message = f"{problem}; it was given {_dtypes(arguments)}; correct the call at this line"
            else:
                given = f"; it was given {shapes}" if (shapes := _shapes(arguments)) else ""
                remedy = "make it work for every size and dtype that the case allows, or correct 'args' and 'dims'"
                message = f"{problem}{given}; {remedy}"
            raise CaseError(message, self.path, _line_of(error, self.path) or self.line) from error


def _dtypes(arguments: Mapping[str, Any]) -> str:
    kinds = {name: getattr(value, "dtype", type(value).__name__) for name, value in arguments.items()}
    return ", ".join(f"{name}: {str(kind).removeprefix('torch.')}" for name, kind in kinds.items())


def _shapes(arguments: Mapping[str, Any]) -> str:
    """The shapes of the arguments that are tensors, as a text; empty if no argument is a tensor."""
    tensors = {name: value for name, value in arguments.items() if isinstance(value, torch.Tensor)}
    return ", ".join(f"{name}: {list(value.shape)}" for name, value in tensors.items())


def load_function(snippet: Snippet, name: str, title: str) -> Function:
    """Compile a block and return the function called ``name`` or, if there is none, the only function of the block.

    Raises CaseError if the block does not compile, does not run, or defines no such function.
    """
    scope: dict[str, Any] = {"__name__": f"upskill_case.{name}", "torch": torch}
    _execute(snippet, scope, title)
    path = str(snippet.path)
    functions = {k: v for k, v in scope.items() if isinstance(v, FunctionType) and v.__code__.co_filename == path}
    if name not in functions and len(functions) != 1:
        found = ", ".join(sorted(functions)) or "none"
        message = f"{title} must define a function '{name}', or exactly one function; it defines {found}"
        raise CaseError(message, snippet.path, snippet.line)
    function = functions.get(name) or next(iter(functions.values()))
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters.values()
    named = [parameter for parameter in parameters if parameter.kind in kinds]
    return Function(
        title=title,
        call=function,
        parameters=tuple(parameter.name for parameter in named),
        required=tuple(parameter.name for parameter in named if parameter.default is inspect.Parameter.empty),
        open=any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters),
        path=snippet.path,
        line=function.__code__.co_firstlineno,
    )


def check_parameters(function: Function, offered: Mapping[str, str], needed: tuple[str, ...]) -> None:
    """Raise CaseError if the function has a parameter that is not offered, or lacks a parameter that is needed.

    ``offered`` maps the name of each offered parameter to what it is ("argument of op", "dim").
    """
    for name in function.required:
        if name not in offered:
            hint = did_you_mean(name, offered) or f"; it may ask for {', '.join(offered)}"
            message = f"{function.title} has a parameter '{name}', which is neither an argument of 'op' nor a dim{hint}"
            raise CaseError(message, function.path, function.line)
    if (missing := [name for name in needed if name not in function.parameters]) and not function.open:
        message = f"{function.title} takes no '{missing[0]}'; it is called with every argument of 'op', by name"
        raise CaseError(message, function.path, function.line)


def _execute(snippet: Snippet, scope: dict[str, Any], title: str) -> None:
    # Blank lines in front make the block's line numbers those of the file, where linecache then finds the source.
    text = "\n" * (snippet.line - 1) + snippet.source
    try:
        exec(compile(text, str(snippet.path), "exec"), scope)
    except SyntaxError as error:
        message = f"{title} is not Python: {error.msg}; correct this line"
        raise CaseError(message, snippet.path, error.lineno or snippet.line) from error
    except BaseException as error:
        if _is_not_its_own(error):
            raise
        message = f"{title} raised {type(error).__name__} while it was loaded: {_first_line(error)}"
        raise CaseError(message, snippet.path, _line_of(error, snippet.path) or snippet.line) from error


def _is_not_its_own(error: BaseException) -> bool:
    """Whether an exception has another cause than the case's code: an interrupt, or a time limit of the item."""
    return isinstance(error, KeyboardInterrupt | Passing) or raised_by_handler(error)


def _line_of(error: BaseException, path: Path) -> int | None:
    frames = traceback.walk_tb(error.__traceback__)
    return next(reversed([line for frame, line in frames if frame.f_code.co_filename == str(path)]), None)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else "(no message)"
