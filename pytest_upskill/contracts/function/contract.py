"""The contract ``function``: its part of a prompt, and the search for the function in a reply. The last closed block of
the answer that defines the function counts. Compiles Python, but runs none. See ``contracts.base.Contract``.
"""

from __future__ import annotations

import io
import json
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, islice
from typing import Literal

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Extraction, Teaching
from pytest_upskill.contracts.case_wording import (
    conditions,
    dim_text,
    parameter_lines,
    prompt_template,
    result_lines,
    teaching,
)
from pytest_upskill.contracts.reply_blocks import extract
from pytest_upskill.contracts.whole_tensors import operator_of, parameters_of, results_of
from pytest_upskill.documents.markdown import Fence
from pytest_upskill.documents.reasoning import Blocks
from pytest_upskill.languages.python import SOURCE_NAME
from pytest_upskill.records import CallLayout, ResultFacts, ScalarParameter, TensorParameter

_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")
_ASIDE = (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT)

Token = tokenize.TokenInfo


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function. ``kind`` is empty for a positional parameter."""

    name: str
    kind: Literal["", "keyword", "*", "**"]
    default: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """A statement that defines a name; ``line`` is 1-based."""

    kind: Literal["def", "async def", "class", "="]
    line: int
    top_level: bool
    parameters: Sequence[Parameter] = ()


def definitions(source: str, name: str) -> list[Definition]:
    """The definitions of a name in a source, in order. The source must compile."""
    found = []
    for statement in _statements(source):
        words = [token.string for token in statement]
        line, top_level = statement[0].start[0], statement[0].start[1] == 0
        if words[:2] == ["def", name]:
            found.append(Definition("def", line, top_level, _parameters(words)))
        elif words[:3] == ["async", "def", name]:
            found.append(Definition("async def", line, top_level))
        elif words[:2] == ["class", name]:
            found.append(Definition("class", line, top_level))
        elif words[:1] == [name] and words[1:2] in (["="], [":"]):
            found.append(Definition("=", line, top_level))
    return found


def _statements(source: str) -> Iterator[list[Token]]:
    """The tokens of each statement, including statements after a ``;``."""
    line: list[Token] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NEWLINE:
                if line:
                    yield line
                line = []
            elif token.type not in _ASIDE and token.type != tokenize.ENDMARKER:
                line.append(token)
    except (tokenize.TokenError, SyntaxError):
        return


def _parameters(words: Sequence[str]) -> list[Parameter]:
    """The parameters in the first pair of parentheses: ``(x: Tensor, /, *, eps=1.0)``."""
    found: list[Parameter] = []
    keyword = False
    for part in _parts(words):
        if part[0] in ("*", "**"):
            keyword = True
            if len(part) > 1:
                found.append(Parameter(part[1], "**" if part[0] == "**" else "*", True))
        elif part[0] != "/":
            found.append(Parameter(part[0], "keyword" if keyword else "", "=" in part))
    return found


def _parts(words: Sequence[str]) -> Iterator[list[str]]:
    """The words between the commas of the first pair of parentheses. Words inside further brackets are left out."""
    depth, in_lambda = 1, False
    part: list[str] = []
    for word in islice(dropwhile(lambda word: word != "(", words), 1, None):
        depth += (word in _OPENING) - (word in _CLOSING)
        if depth == 1:  # commas between a lambda's own parameters do not count
            in_lambda = word == "lambda" or (in_lambda and word != ":")
        if depth == 0 or (depth == 1 and word == "," and not in_lambda):
            if part:
                yield part
            part = []
        elif depth == 1:
            part.append(word)
        if depth == 0:
            return


_EXACT = "The same input must give the same bits each time."
_ROUNDING = "The same input may give other last bits the next time, within the rounding of the results."
_VECTORISED = (
    "Work on whole tensors: the work done in Python must not grow with the sizes. No loop, comprehension or list over "
    "elements, rows or columns."
)


class FunctionContract:
    """A Python function that takes tensors and scalars, and returns tensors."""

    name = "function"
    languages = ("python",)
    case_keys = ("forbid", "vectorised")

    def signature(self, case: Case, results: ResultFacts) -> Signature:
        return derive(case, results)

    def system_text(self) -> str:
        return prompt_template(__package__, "system").template.strip()

    def teaching(self) -> Teaching:
        return teaching(__package__, "PyTorch programmers", "Python function", "run")

    def user_text(self, case: Case, signature: Signature) -> str:
        return prompt_template(__package__, self.name).substitute(
            task=case.task.strip(),
            declaration=declaration(signature),
            parameters=parameter_lines(case, signature.dtypes, signature.parameters),
            results=result_lines(signature.dtypes, signature.results)
            or "- Nothing is returned: the result is what stands in the arguments that are updated in place.",
            sizes=", ".join(f"`{dim.name}` ({dim_text(dim, case)})" for dim in case.dims),
            conditions=conditions(case),
            determinism=_ROUNDING if case.atomics else _EXACT,
            rules="".join(f"- {rule}\n" for rule in _rules(signature)),
        )

    def extract(self, text: str, signature: Signature) -> Extraction:
        return extract_function(text, signature)

    def problem(self, sources: Mapping[str, str], signature: Signature) -> str | None:
        return problem("\n".join(sources.values()), signature)


def _rules(signature: Signature) -> list[str]:
    rules = [_VECTORISED] if signature.vectorised else []
    if signature.forbid:
        names = ", ".join(f"`{name}`" for name in signature.forbid)
        what = "These operators must not be called, neither as functions nor as methods of tensors"
        rules.insert(0, f"{what}: {names}.")
    return rules


MAX_SOURCE = 200_000
"""The most characters of a source. The longest sources that people write have a tenth of it."""
MAX_BLOCKS = 100
"""The most blocks that are examined."""


def extract_function(text: str, signature: Signature) -> Extraction:
    """Find the source in a reply, with the line in the reply where it starts."""

    def judge(fence: Fence, blocks: Blocks) -> tuple[str, bool]:
        complaint = problem(fence.source, signature)
        if complaint is None or _syntax_problem(fence.source) is not None:
            return complaint or "", True
        return complaint, any(one.top_level for one in definitions(fence.source, signature.name))

    return extract(text, signature.name, "python", declaration(signature), judge, MAX_BLOCKS)


def problem(source: str, signature: Signature) -> str | None:
    """Why a source does not define the required function; None if it does."""
    if len(source) > MAX_SOURCE:
        return f"the source has {len(source)} characters; at most {MAX_SOURCE}: shorten it"
    if wrong := _syntax_problem(source):
        return wrong
    if not (found := [one for one in definitions(source, signature.name) if one.top_level]):
        nested = ", not inside of something else" if definitions(source, signature.name) else ""
        return f"the source defines no '{signature.name}' at the top level{nested}; {_asked(signature)}"
    last = found[-1]
    complaint = _KINDS.get(last.kind) or _parameters_complaint(last, [one.name for one in signature.parameters])
    return f"{SOURCE_NAME}:{last.line}: '{signature.name}' {complaint}; {_asked(signature)}" if complaint else None


_KINDS = {"async def": "is an async function", "class": "is a class", "=": "is not defined by 'def'"}
_WARNINGS = ("invalid escape sequence", "invalid octal escape", '"is" with', '"is not" with')
"""Python's warnings that become errors if the user's pytest turns warnings into errors. They do not count as syntax
errors.
"""


def _syntax_problem(source: str) -> str | None:
    """The syntax error of a source, or None. Warnings are not suppressed, because several threads read replies, and
    warnings can be suppressed only for all threads at once.
    """
    try:
        compile(source, SOURCE_NAME, "exec", dont_inherit=True)
    except SyntaxError as error:
        if str(error.msg).startswith(_WARNINGS):
            return None
        return f"{SOURCE_NAME}:{error.lineno or 1}: this is no Python: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"the source cannot be parsed: {type(error).__name__}: {error}"
    return None


def _parameters_complaint(found: Definition, wanted: list[str]) -> str | None:
    positional = [one.name for one in found.parameters if one.kind == ""]
    shown = f"({', '.join(positional)})"
    needed = [one for one in found.parameters if one.kind == "" and not one.default]
    if len(positional) < len(wanted) or len(needed) > len(wanted):
        return f"has {len(positional)} parameters {shown}, not {len(wanted)}"
    for number, (name, asked) in enumerate(zip(positional, wanted, strict=False), 1):
        if name != asked:
            return f"has '{name}' as parameter {number}, where '{asked}' was asked for"
    missing = [one.name for one in found.parameters if one.kind == "keyword" and not one.default]
    return f"needs a further argument '{missing[0]}'" if missing else None


def _asked(signature: Signature) -> str:
    return f"asked for:\n{declaration(signature)}"


_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Signature:
    """The operator's arguments in order, and its results. Sizes are not parameters, because tensors have shapes."""

    name: str
    dtypes: tuple[str, ...]
    parameters: tuple[TensorParameter | ScalarParameter, ...]
    results: tuple[TensorParameter, ...]
    forbid: tuple[str, ...] = ()
    vectorised: bool = False

    @property
    def layout(self) -> CallLayout:
        return CallLayout(self.dtypes, (*self.results, *self.parameters))

    @property
    def entry(self) -> str:
        """The entry as JSON, in the form that ``PythonLanguage.build`` reads."""
        results = [one.name for one in self.results]
        plain = {"name": self.name, "results": results, "forbid": self.forbid, "vectorised": self.vectorised}
        return json.dumps(plain)

    def for_dtypes(self, dtypes: tuple[str, ...]) -> Signature:
        return replace(self, dtypes=dtypes)


def derive(case: Case, results: ResultFacts) -> Signature:
    """The signature of a case. Raises ValueError for a case without ``op``."""
    name, parameters, found = operator_of(case).name, parameters_of(case), results_of(case, results)
    return Signature(name, case.dtypes, parameters, found, case.forbid, case.vectorised)


def declaration(signature: Signature) -> str:
    """The first line of the required definition, as the prompt shows it."""
    kinds = [one.kind if isinstance(one, ScalarParameter) else "torch.Tensor" for one in signature.parameters]
    names = [f"{one.name}: {kind}" for one, kind in zip(signature.parameters, kinds, strict=True)]
    returns = ", ".join("torch.Tensor" for _ in signature.results)
    returns = f"tuple[{returns}]" if len(signature.results) > 1 else returns or "None"
    line = f"def {signature.name}({', '.join(names)}) -> {returns}:"
    if len(line) <= _WIDTH:
        return line
    return f"def {signature.name}(\n" + "".join(f"    {name},\n" for name in names) + f") -> {returns}:"
