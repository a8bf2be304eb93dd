"""The body of a case: the task, and what stands under its ``## `` headings. Knows Markdown and Python's grammar."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.cases.case import Snippet
from pytest_upskill.cases.operator_schema import Operator
from pytest_upskill.documents.markdown import Fence, Section, sections
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.documents.syntax import parse_module
from pytest_upskill.errors import CaseError

HEADINGS = ("Reference", "Solution", "Inputs", "Notes")
_PYTHON = ("python", "py", "python3")
_FENCES = {"cuda": ("cuda", "cu", "cpp", "c++"), "python": _PYTHON}
"""What the blocks of a language may be called, where that is more than its name."""


@dataclass(frozen=True, slots=True)
class Sections:
    """The task, and the sections by their title."""

    path: Path
    task: str
    titled: dict[str, Section]
    last_line: int

    def refuse(self, title: str, why: str) -> None:
        """Fail where there is such a section."""
        if title in self.titled:
            raise CaseError(f"'## {title}': {why}; remove it", self.path, self.titled[title].line)

    def whole(self, title: str) -> Snippet | None:
        """A section's text as it stands, None where there is none."""
        section = self.titled.get(title)
        if section is None:
            return None
        lines = section.text.split("\n")
        skipped = next((index for index, line in enumerate(lines) if line.strip()), None)
        if skipped is None:
            raise CaseError(f"'## {title}' is empty; fill it, or remove the heading", self.path, section.line)
        return Snippet("\n".join(lines[skipped:]).rstrip() + "\n", section.line + 1 + skipped, self.path)

    def solution(self, language: str) -> Snippet | None:
        """The kernel that passes: one block in the case's language, if there is one."""
        section = self.titled.get("Solution")
        return None if section is None else self._snippet(section, _FENCES.get(language, (language,)), language)

    def reference(self, operator: Operator, dims: Sequence[str]) -> Snippet:
        """The oracle: Python that defines a function with the operator's name, which is called with names."""
        if "Reference" not in self.titled:
            message = "the case has no '## Reference': add one with a python block that defines"
            raise CaseError(f"{message} '{operator.name}', the result in PyTorch", self.path, self.last_line)
        snippet = self._snippet(self.titled["Reference"], _PYTHON, "python")
        names = [argument.name for argument in operator.arguments]
        function = self._function(snippet, operator.name, f"def {operator.name}({', '.join(names)}):")
        self._check_reference(snippet, function, names, dims)
        return snippet

    def inputs(self, dims: Sequence[str]) -> Snippet | None:
        """Code that draws the inputs, if there is some: ``def inputs(generator, dtype, **dims)``."""
        if "Inputs" not in self.titled:
            return None
        snippet = self._snippet(self.titled["Inputs"], _PYTHON, "python")
        form = "def inputs(generator, dtype, **dims):"
        function = self._function(snippet, "inputs", form)
        arguments = function.args
        names = [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)]
        line = snippet.line + function.lineno - 1
        taken = ("generator", "dtype", *dims)
        for name in names:
            if name not in taken:
                raise CaseError(f"'inputs' has a parameter '{name}'{suggest(name, taken)}", self.path, line)
        missing = [name for name in taken if name not in names and not (arguments.kwarg and name in dims)]
        if missing or arguments.posonlyargs or arguments.vararg:
            what = f"has no parameter '{missing[0]}'" if missing else "has parameters that cannot be given by name"
            raise CaseError(f"'inputs' {what}; write '{form}'", self.path, line)
        return snippet

    def _snippet(self, section: Section, languages: Iterable[str], called: str) -> Snippet:
        """The only block of a section, in one of these languages."""
        title = f"'## {section.title}'"
        if not section.fences:
            raise CaseError(f"{title} holds no fenced block: put the code in one, ```{called}", self.path, section.line)
        if len(section.fences) > 1:
            place = section.fences[1].opening
            raise CaseError(f"{title} holds {len(section.fences)} fenced blocks; keep one", self.path, place)
        fence = section.fences[0]
        if fence.language not in languages:
            shown = f"'{fence.language}'" if fence.language else "no language"
            raise CaseError(f"the block under {title} names {shown}; write ```{called}", self.path, fence.opening)
        if not fence.source.strip():
            raise CaseError(f"the block under {title} is empty; write the code there", self.path, fence.opening)
        return Snippet(fence.source, fence.line, self.path)

    def _function(self, snippet: Snippet, name: str, form: str) -> ast.FunctionDef:
        """The function of that name, which must stand at the top level of the snippet."""
        try:
            tree = parse_module(snippet.source)
        except SyntaxError as error:
            line = snippet.line + (error.lineno or 1) - 1
            raise CaseError(f"the Python here cannot be parsed: {error.msg}", self.path, line) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise CaseError(f"the Python here cannot be parsed: {error}", self.path, snippet.line) from None
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        if name not in functions:
            hint = suggest(name, functions) if functions else ""
            place = snippet.line + (next(iter(functions.values())).lineno - 1 if functions else 0)
            raise CaseError(f"no function '{name}' is defined here: write '{form}'{hint}", self.path, place)
        return functions[name]

    def _check_reference(
        self, snippet: Snippet, function: ast.FunctionDef, names: Sequence[str], dims: Sequence[str]
    ) -> None:
        line = snippet.line + function.lineno - 1
        arguments = function.args
        if arguments.posonlyargs or arguments.vararg or arguments.kwarg:
            raise CaseError(
                f"'{function.name}' is called with arguments by name: it cannot have '/', '*args' or '**kwargs'",
                self.path,
                line,
            )
        parameters = [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)]
        for parameter in parameters:
            if parameter not in names and parameter not in dims:
                message = f"'{function.name}' has a parameter '{parameter}', which is no argument of 'op' and no dim"
                raise CaseError(message + suggest(parameter, (*names, *dims)), self.path, line)
        for name in names:
            if name not in parameters:
                message = f"'{function.name}' has no parameter '{name}', an argument of 'op': add it"
                raise CaseError(message, self.path, line)


def read_sections(path: Path, lines: Sequence[str], first: int) -> Sections:
    """Cut a body into task and sections; refuses unknown and double headings, open fences and an empty task."""
    head, *rest = sections(lines, first)
    titled: dict[str, Section] = {}
    for section in rest:
        title = section.title or ""
        if title not in HEADINGS:
            raise CaseError(f"unknown heading '## {title}'{suggest(title, HEADINGS)}", path, section.line)
        if title in titled:
            raise CaseError(f"'## {title}' is there twice, first in line {titled[title].line}", path, section.line)
        titled[title] = section
    for section in (head, *rest):
        _refuse_open(path, section.fences)
    if not head.text.strip():
        message = "the task is empty: say what the student is to do, above the first '## ' heading"
        raise CaseError(message, path, first)
    return Sections(path, head.text.strip(), titled, first + len(lines) - 1)


def _refuse_open(path: Path, fences: Iterable[Fence]) -> None:
    for fence in fences:
        if not fence.closed:
            raise CaseError("this fenced block is never closed: end it with a line of its fence", path, fence.opening)
