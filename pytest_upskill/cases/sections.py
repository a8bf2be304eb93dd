"""Reads the body of a case: the task, and the sections under ``## `` headings."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.cases.case import Snippet
from pytest_upskill.cases.operator_schema import Operator
from pytest_upskill.documents.markdown import Section, sections
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.documents.syntax import parse_module
from pytest_upskill.errors import CaseError

HEADINGS = ("Reference", "Solution", "Inputs", "Notes")
_PYTHON = ("python", "py", "python3")
_FENCES = {"cuda": ("cuda", "cu", "cpp", "c++"), "python": _PYTHON}
"""The info strings that blocks of a language may have. A block of any other language has the language's name."""


@dataclass(frozen=True, slots=True)
class Sections:
    """The task, and the sections by their titles."""

    path: Path
    task: str
    titled: dict[str, Section]
    last_line: int

    def refuse(self, title: str, why: str) -> None:
        """Raise CaseError if there is a section with this title. ``why`` is part of the message."""
        if title in self.titled:
            raise self._error(f"'## {title}': {why}; remove it", self.titled[title].line)

    def whole(self, title: str) -> Snippet | None:
        """The whole text of a section, or None if there is no such section."""
        if (section := self.titled.get(title)) is None:
            return None
        if not (text := section.text.rstrip()):
            raise self._error(f"'## {title}' is empty; fill it, or remove the heading", section.line)
        lines = text.split("\n")
        skipped = next(index for index, line in enumerate(lines) if line.strip())
        return Snippet("\n".join(lines[skipped:]) + "\n", section.line + 1 + skipped, self.path, whole=True)

    def solution(self, language: str) -> Snippet | None:
        """The kernel that passes, which is a block in the case's language. None if there is no such section."""
        section = self.titled.get("Solution")
        return None if section is None else self._snippet(section, _FENCES.get(language, (language,)), language)

    def reference(self, operator: Operator, dims: Sequence[str]) -> Snippet:
        """The reference. It is Python that defines a function with the operator's name and the arguments' names."""
        name = operator.name
        if "Reference" not in self.titled:
            what = f"add one with a python block that defines '{name}', the result in PyTorch"
            raise self._error(f"the case has no '## Reference': {what}", self.last_line)
        snippet = self._snippet(self.titled["Reference"], _PYTHON, "python")
        names = [argument.name for argument in operator.arguments]
        function = self._function(snippet, name, f"def {name}({', '.join(names)}):")
        line = snippet.line + function.lineno - 1
        arguments = function.args
        if arguments.posonlyargs or arguments.vararg or arguments.kwarg:
            rule = "is called with arguments by name: it cannot have '/', '*args' or '**kwargs'"
            raise self._error(f"'{name}' {rule}", line)
        parameters = [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)]
        for parameter in parameters:
            if parameter not in names and parameter not in dims:
                rule = f"which is neither an argument of 'op' nor a dim{suggest(parameter, (*names, *dims))}"
                raise self._error(f"'{name}' has a parameter '{parameter}', {rule}", line)
        for argument in names:
            if argument not in parameters:
                raise self._error(f"'{name}' has no parameter '{argument}', an argument of 'op': add it", line)
        return snippet

    def inputs(self, dims: Sequence[str]) -> Snippet | None:
        """The code that draws the inputs: ``def inputs(generator, dtype, **dims)``. None without such a section."""
        if "Inputs" not in self.titled:
            return None
        snippet = self._snippet(self.titled["Inputs"], _PYTHON, "python")
        form = "def inputs(generator, dtype, **dims):"
        function = self._function(snippet, "inputs", form)
        arguments = function.args
        names = [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)]
        line = snippet.line + function.lineno - 1
        known = ("generator", "dtype", *dims)
        for name in names:
            if name not in known:
                raise self._error(f"'inputs' has a parameter '{name}'{suggest(name, known)}", line)
        missing = [name for name in known if name not in names and not (arguments.kwarg and name in dims)]
        if missing or arguments.posonlyargs or arguments.vararg:
            what = f"has no parameter '{missing[0]}'" if missing else "has parameters that cannot be given by name"
            raise self._error(f"'inputs' {what}; write '{form}'", line)
        return snippet

    def _error(self, message: str, line: int) -> CaseError:
        return CaseError(message, self.path, line)

    def _snippet(self, section: Section, languages: Iterable[str], language: str) -> Snippet:
        """The only block of a section. Its info string must be one of ``languages``."""
        title = f"'## {section.title}'"
        if not section.fences:
            raise self._error(f"{title} has no fenced block: put the code in one, ```{language}", section.line)
        fence = section.fences[0]
        if len(section.fences) > 1:
            raise self._error(f"{title} has {len(section.fences)} fenced blocks; keep one", section.fences[1].opening)
        if fence.language not in languages:
            shown = f"'{fence.language}'" if fence.language else "no language"
            raise self._error(f"the block under {title} names {shown}; write ```{language}", fence.opening)
        if not fence.source.strip():
            raise self._error(f"the block under {title} is empty; write the code there", fence.opening)
        return Snippet(fence.source, fence.line, self.path)

    def _function(self, snippet: Snippet, name: str, form: str) -> ast.FunctionDef:
        """The function ``name`` at the top level of a snippet."""
        try:
            tree = parse_module(snippet.source)
        except SyntaxError as error:
            line = snippet.line + (error.lineno or 1) - 1
            raise self._error(f"the Python here cannot be parsed: {error.msg}", line) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._error(f"the Python here cannot be parsed: {error}", snippet.line) from None
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        if name not in functions:
            first = next(iter(functions.values()), None)
            place = snippet.line + (first.lineno - 1 if first else 0)
            hint = suggest(name, functions)
            raise self._error(f"no function '{name}' is defined here: write '{form}'{hint}", place)
        return functions[name]


def read_sections(path: Path, lines: Sequence[str], first: int) -> Sections:
    """Cut a body into the task and sections.

    Raises CaseError for unknown and repeated headings, for open fences and for an empty task.
    """
    head, *rest = sections(lines, first)
    titled: dict[str, Section] = {}
    for section in rest:
        title = section.title or ""
        if title not in HEADINGS:
            raise CaseError(f"unknown heading '## {title}'{suggest(title, HEADINGS)}", path, section.line)
        if title in titled:
            message = f"heading '## {title}' is repeated, first in line {titled[title].line}: keep one"
            raise CaseError(message, path, section.line)
        titled[title] = section
    for fence in (fence for section in (head, *rest) for fence in section.fences if not fence.closed):
        raise CaseError("this fenced block is never closed: end it with a line of its fence", path, fence.opening)
    if not (task := head.text.strip()):
        raise CaseError("the task is empty: say above the first '## ' heading what the student has to do", path, first)
    return Sections(path, task, titled, first + len(lines) - 1)
