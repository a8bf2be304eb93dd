"""Reads ``evals/<case>.md``, and checks everything that can be checked without running the reference."""

from __future__ import annotations

import gc
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_upskill.cases import fields
from pytest_upskill.cases.acceptance import Listing, is_trusted
from pytest_upskill.cases.case import Case, Choices, Expectation, Published, ScalarSpec, TensorSpec
from pytest_upskill.cases.example_text import BadExample, read_example
from pytest_upskill.cases.fields import Scope
from pytest_upskill.cases.foreign import is_foreign
from pytest_upskill.cases.operator_schema import Operator, parse_operator
from pytest_upskill.cases.pattern import pattern_problem
from pytest_upskill.cases.sections import Sections, read_sections
from pytest_upskill.documents.expression import Expression
from pytest_upskill.documents.frontmatter import Value, parse, read_text
from pytest_upskill.documents.identifiers import refusal
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import CaseError, NotACase

KERNEL_KEYS = (
    "op", "dims", "where", "args", "dtypes", "returns", "tolerance", "examples", "contract", "language", "speed",
    "at_least", "tags", "atomics", "zero", "forbid", "vectorised", "gradients",
    "xfail", "always", "hub",
)  # fmt: skip
TEXT_KEYS = ("expect", "tags", "xfail")
NO_CASE = "no case, and not judged: no frontmatter with 'op' or 'expect'"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
_FUNCTION_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z")
_OPERATOR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*\Z")
_FLOATING = ("float", "float16", "bfloat16", "float32", "float64")
_NAMESPACES = ("aten", "ops", "F", "nn", "functional", "Tensor")

Top = Mapping[str, Value]
"""The values of the frontmatter by key."""


def load_cases(paths: Iterable[Path], skill: str, folder: Path | None = None) -> list[Case | CaseError]:
    """Read cases of ``skill``. Return the case in each file or, if the file is wrong, the error.

    ``folder`` is the skill's folder. Cases whose files are elsewhere are taken from another skill.
    """
    listings: dict[Path, Listing | None] = {}
    # Garbage collection is off, because it would take a quarter of the time, and cases have no reference cycles.
    enabled = gc.isenabled()
    gc.disable()
    try:
        return [_case_or_error(path, skill, folder, listings) for path in paths]
    finally:
        if enabled:
            gc.enable()


def _case_or_error(
    path: Path, skill: str, folder: Path | None, listings: dict[Path, Listing | None]
) -> Case | CaseError:
    try:
        return load_case(path, skill, folder, listings)
    except CaseError as error:
        return error


def load_case(
    path: Path, skill: str, folder: Path | None = None, listings: dict[Path, Listing | None] | None = None
) -> Case:
    """Read one case of ``skill``, as ``load_cases`` does. ``listings`` caches what folders list as generated.

    Raises CaseError with the place of the first error, and NotACase for a file of another tool.
    """
    try:
        case = parse_case(read_text(path, CaseError), path, skill)
    except CaseError:
        if (text := _readable(path)).strip() and is_foreign(text, (*KERNEL_KEYS, *TEXT_KEYS)):
            raise NotACase(NO_CASE, path) from None
        raise
    taken_by = folder if folder is not None and folder != path.parent.parent else None
    trusted = is_trusted(case, {} if listings is None else listings)
    return case if trusted and taken_by is None else replace(case, trusted=trusted, taken_by=taken_by)


def _readable(path: Path) -> str:
    """The text of a file in any encoding similar to ASCII. Empty if the file cannot be read."""
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError:
        return ""
    return "" if "\0" in text else text


def parse_case(text: str, path: Path, skill: str, *, trusted: bool = True) -> Case:
    """Parse the text of a case file. ``path`` gives the case its name and is not read. Raises CaseError.

    Callers must pass ``trusted=False`` for a text that a model wrote and no person has accepted.
    """
    name = path.stem
    if not _NAME.match(name):
        rule = "name the file with letters, digits, '_' and '-', the first a letter or a digit"
        raise CaseError(f"'{name}' cannot be the name of a case: {rule}", path)
    document = parse(text, path, CaseError)
    scope, top = Scope(path), document.frontmatter.data
    _refuse_keys(scope, top)
    sections = read_sections(path, document.body, document.body_line)
    case = Case(
        name=name,
        skill=skill,
        path=path,
        task=sections.task,
        tags=fields.tags(scope, top["tags"]) if "tags" in top else (),
        xfail=fields.reason(scope, top["xfail"]) if "xfail" in top else "",
        trusted=trusted,
        text=text,
        text_hash=hashlib.sha256(text.encode()).hexdigest(),
        **(_kernel_fields if "op" in top else _text_fields)(scope, top, sections),
    )
    return replace(case, always=_always(scope, top["always"], case)) if "always" in top else case


def _refuse_keys(scope: Scope, top: Top) -> None:
    kernel = "op" in top
    if kernel and "expect" in top:
        raise scope.fail("a case has 'op' (a kernel) or 'expect' (a text), not both: remove one", top["expect"])
    for key, value in top.items():
        if key not in KERNEL_KEYS and key not in TEXT_KEYS:
            raise scope.fail(f"unknown key '{key}'{suggest(key, dict.fromkeys((*KERNEL_KEYS, *TEXT_KEYS)))}", value)
        if "expect" in top and key not in TEXT_KEYS:
            raise scope.fail(f"'{key}' has no meaning in a case without 'op': remove it, or add 'op'", value)
    if not kernel and "expect" not in top:
        raise scope.fail("the case has neither 'op' (it asks for a kernel) nor 'expect' (for a text): add one", 1)


def _text_fields(scope: Scope, top: Top, sections: Sections) -> dict[str, Any]:
    sections.refuse("Reference", "a case without 'op' has no reference: it is judged by 'expect'")
    sections.refuse("Inputs", "a case without 'op' draws no inputs")
    return {"op": None, "expect": _expectation(scope, top["expect"]), "solution": sections.whole("Solution")}


def _expectation(scope: Scope, value: Value) -> Expectation:
    form = "{contains: [__syncthreads], matches: ['warp(s|-level)'], rubric: [names the race]}"
    if not (parts := fields.mapping(scope, value, "'expect'", form, ("contains", "matches", "rubric"))):
        raise scope.fail(f"'expect' is empty; say what an answer must contain, as in {form}", value)
    found = {key: fields.texts(scope, part, f"'{key}' of 'expect'", f"[{key}]") for key, part in parts.items()}
    for item in parts["matches"].data if "matches" in parts else ():
        if problem := pattern_problem(item.data):
            raise scope.fail(f"'{item.data}' in 'matches' is not a regular expression: {problem}", item)
    return Expectation(**found)


def _kernel_fields(scope: Scope, top: Top, sections: Sections) -> dict[str, Any]:
    if "dims" in top:
        _read_dims(scope, top["dims"])
    operator = _operator(scope, top["op"])
    dtypes = _dtypes(scope, top["dtypes"]) if "dtypes" in top else ("float32",)
    arguments = _arguments(scope, top, operator, dtypes)
    where = _where(scope, top["where"], arguments) if "where" in top else ()
    contract, language = _word(scope, top, "contract", "launcher"), _word(scope, top, "language", "cuda")
    if "at_least" in top and "speed" not in top:
        raise scope.fail("'at_least' needs 'speed', the sizes at which a kernel is timed", top["at_least"])
    optional: dict[str, Callable[[Value], object]] = {
        "returns": lambda value: _returns(scope, value, operator),
        "tolerance": lambda value: fields.tolerance(scope, value),
        "examples": lambda value: fields.integer(scope, value, "'examples'", 1),
        "speed": lambda value: _speed(scope, value, where),
        "at_least": lambda value: fields.real(scope, value, "'at_least'", positive=True),
        "forbid": lambda value: _forbidden(scope, value),
        "vectorised": lambda value: fields.boolean(scope, value, "'vectorised'"),
        "gradients": lambda value: _gradients(scope, value, arguments),
        "atomics": lambda value: fields.boolean(scope, value, "'atomics'"),
        "zero": lambda value: fields.boolean(scope, value, "'zero'"),
        "hub": lambda value: _published(scope, value, operator),
    }
    return {
        "op": operator,
        "dims": tuple(scope.dims.values()),
        "where": where,
        "arguments": arguments,
        "dtypes": dtypes,
        "contract": contract,
        "language": language,
        "reference": sections.reference(operator, tuple(scope.dims)),
        "solution": sections.whole("Solution") if contract == "kernel-builder" else sections.solution(language),
        "inputs": sections.inputs(tuple(scope.dims)),
        **{key: read(top[key]) for key, read in optional.items() if key in top},
    }


def _read_dims(scope: Scope, value: Value) -> None:
    for name, size in fields.mapping(scope, value, "'dims'", "{rows: 1..512, cols: [32, 64]}").items():
        if why := refusal(name):
            raise scope.fail(f"dim '{name}' {why}; rename it", size)
        if name in ("min", "max"):
            raise scope.fail(f"dim '{name}' has the name of a function that expressions may call; rename it", size)
        scope.dims[name] = fields.dim(scope, name, size)


def _operator(scope: Scope, value: Value) -> Operator:
    if not isinstance(value.data, str):
        message = f"'op' is '{value.shown}'; it must be an operator schema such as 'f(Tensor x) -> Tensor'"
        raise scope.fail(message, value)
    try:
        return parse_operator(value.data, scope.dims)
    except ValueError as error:
        raise scope.fail(f"'op': {error}", value) from None


def _dtypes(scope: Scope, value: Value) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for item in fields.items(scope, value, "'dtypes'", "[float32, float16]"):
        name = fields.dtype(scope, item, "dtype")
        if name in found:
            raise scope.fail(f"'dtypes' holds '{name}' twice; keep one", item)
        found[name] = None
    return tuple(found)


def _arguments(
    scope: Scope, top: Top, operator: Operator, dtypes: tuple[str, ...]
) -> tuple[TensorSpec | ScalarSpec, ...]:
    described = fields.mapping(scope, top["args"], "'args'", "{x: [rows, cols]}") if "args" in top else {}
    names = [argument.name for argument in operator.arguments]
    for name, value in described.items():
        if name in scope.dims:
            raise scope.fail(f"'args' describes '{name}', which is a dim: remove it, 'dims' is enough", value)
        if name in operator.results:
            raise scope.fail(f"'args' describes '{name}', a result: its shape comes from the reference", value)
        if name not in names:
            raise scope.fail(f"'args' describes '{name}', which 'op' does not have{suggest(name, names)}", value)
    found: list[TensorSpec | ScalarSpec] = []
    for argument in operator.arguments:
        tensor = argument.kind == "Tensor"
        if argument.name not in described:
            form = f"{argument.name}: {'[rows, cols]' if tensor else '{values: 1..8}'}"
            message = f"'args' does not describe '{argument.name}' of 'op': add '{form}'"
            raise scope.fail(message, top.get("args", top["op"]))
        value = described[argument.name]
        found.append(fields.tensor(scope, argument, value, dtypes) if tensor else fields.scalar(scope, argument, value))
    return tuple(found)


def _where(scope: Scope, value: Value, arguments: tuple[TensorSpec | ScalarSpec, ...]) -> tuple[Expression, ...]:
    known = [*scope.dims, *(spec.name for spec in arguments if isinstance(spec, ScalarSpec) and spec.kind == "int")]
    conditions = []
    for item in fields.items(scope, value, "'where'", "[cols % heads == 0]"):
        for spec in arguments:
            if spec.name not in known and re.search(rf"\b{spec.name}\b", item.text):
                kind = "a tensor" if isinstance(spec, TensorSpec) else f"a {spec.kind}"
                rule = "conditions are on dims and integer scalars"
                raise scope.fail(f"'where' names '{spec.name}', which is {kind}; {rule}", item)
        condition = fields.expression(scope, item, "'where'", known)
        if not condition.condition:
            form = f"a condition compares, as in '{condition} == 0'"
            raise scope.fail(f"'{condition}' in 'where' is a number; {form}", item)
        if condition.constant is not None:
            raise scope.fail(f"'{condition}' in 'where' names no dim and no scalar; remove it", item)
        conditions.append(condition)
    return tuple(conditions)


def _returns(scope: Scope, value: Value, operator: Operator) -> dict[str, str]:
    parts = fields.mapping(scope, value, "'returns'", "{mean: float32}", operator.results)
    return {name: fields.dtype(scope, part, f"dtype of result '{name}'") for name, part in parts.items()}


def _word(scope: Scope, top: Top, key: str, otherwise: str) -> str:
    """The name of a contract or a language. It is looked up later, because plugins may add contracts and languages."""
    if key not in top:
        return otherwise
    value = top[key]
    if not isinstance(value.data, str) or not _WORD.match(value.data):
        raise scope.fail(f"{key} is '{value.shown}'; it must be a name such as '{otherwise}'", value)
    return value.data


def _forbidden(scope: Scope, value: Value) -> tuple[str, ...]:
    """The names of forbidden operators. Whether they exist is not checked, because this would need torch."""
    for item in fields.items(scope, value, "'forbid'", "[softmax, log_softmax]"):
        if isinstance(item.data, str) and item.data.strip() and not _OPERATOR_NAME.match(item.data):
            parts = re.split(r"::|\.", item.data.removeprefix("torch."))
            near = next((part for part in parts if part not in _NAMESPACES), "")
            hint = f"; write '{near}'" if _OPERATOR_NAME.match(near) else ""
            rule = "an operator is named without a namespace, an overload or a call"
            raise scope.fail(f"'forbid' holds '{item.data}'; {rule}{hint}", item)
    return fields.texts(scope, value, "'forbid'", "[softmax, log_softmax]")


def _gradients(scope: Scope, value: Value, arguments: tuple[TensorSpec | ScalarSpec, ...]) -> tuple[str, ...]:
    """The names in ``gradients``, which must be floating tensors."""
    tensors = [one.name for one in arguments if isinstance(one, TensorSpec)]
    floating = [one.name for one in arguments if isinstance(one, TensorSpec) and (one.dtype or "float") in _FLOATING]
    found = fields.texts(scope, value, "'gradients'", "[x, weight]")
    for item in fields.items(scope, value, "'gradients'", "[x, weight]"):
        if item.data not in tensors:
            raise scope.fail(f"'gradients' names '{item.data}', no tensor of 'op'{suggest(item.data, tensors)}", item)
        if item.data not in floating:
            raise scope.fail(f"'gradients' names '{item.data}', whose dtype has no gradients: remove it", item)
    return found


def _always(scope: Scope, value: Value, case: Case) -> tuple[str, ...]:
    """The texts of examples in ``always``. The case must allow each of them."""
    found: dict[str, str] = {}
    texts = fields.texts(scope, value, "'always'", "['rows=1 cols=33 dtype=float16 seed=7']")
    for text, item in zip(texts, value.data, strict=True):
        try:
            example = str(read_example(text, case))
        except BadExample as error:
            where = "" if error.piece == text else f" in '{text}'"
            message = f"'always' holds '{error.piece}'{where}: {error.rule}; write it as '{error.form}'"
            raise scope.fail(message, item) from None
        if example in found:
            raise scope.fail(f"'always' holds '{text}', the same example as '{found[example]}'; keep one", item)
        found[example] = text
    return texts


def _published(scope: Scope, value: Value, operator: Operator) -> Published:
    """How a published kernel is called."""
    form = "{op: silu_and_mul, args: [out, x]}"
    parts = fields.mapping(scope, value, "'hub'", form, ("op", "args"))
    name = parts["op"].data if "op" in parts else None
    if not isinstance(name, str) or not _FUNCTION_NAME.match(name):
        said = "names no operator" if name is None else f"names the operator '{parts['op'].shown}'"
        raise scope.fail(f"'hub' {said}; it is a function of the kernel's package, as in {form}", value)
    own = tuple(argument.name for argument in operator.arguments)
    known = (*own, *scope.dims, *operator.results)
    given = fields.texts(scope, parts["args"], "'args' of 'hub'", "[out, x]") if "args" in parts else own
    for one in given:
        if one not in known:
            raise scope.fail(
                f"'args' of 'hub' names '{one}', which is not an argument, dim or result{suggest(one, known)}", value
            )
    return Published(name, given)


def _speed(scope: Scope, value: Value, where: tuple[Expression, ...]) -> dict[str, int]:
    """The sizes at which a kernel is timed, for each dim that is not fixed. They may be outside of the dim's range."""
    parts = fields.mapping(scope, value, "'speed'", "{rows: 8192, cols: 4096}", scope.dims)
    sizes = {name: fields.integer(scope, part, f"'speed' of dim '{name}'", 1) for name, part in parts.items()}
    for name, dim in scope.dims.items():
        only = dim.sizes.options[0] if dim.fixed and isinstance(dim.sizes, Choices) else None
        if name not in sizes and only is None:
            raise scope.fail(f"'speed' gives no size for dim '{name}': add '{name}: 4096'", value)
        if only is not None and sizes.setdefault(name, int(only)) != only:
            raise scope.fail(f"'speed' gives dim '{name}' the size {sizes[name]}, but 'dims' fixes it at {only}", value)
    for condition in where:
        if condition.names <= sizes.keys() and not _holds(condition, sizes):
            raise scope.fail(f"the sizes in 'speed' break the condition '{condition}': choose others", value)
    return {name: sizes[name] for name in scope.dims}


def _holds(condition: Expression, sizes: Mapping[str, int]) -> bool:
    try:
        return bool(condition.evaluate(sizes))
    except ValueError:  # a division by zero
        return False
