"""Reads and validates ``evals/<case>.md``: everything that can be known without running the reference.

Knows text, never torch. Each refusal is a CaseError with the file, the line, the value, the rule and the next step.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pytest_upskill.cases import fields
from pytest_upskill.cases.case import Case, Choices, Expectation, ScalarSpec, TensorSpec
from pytest_upskill.cases.fields import Scope
from pytest_upskill.cases.operator_schema import Operator, parse_operator
from pytest_upskill.cases.sections import Sections, read_sections
from pytest_upskill.cases.tolerance import read_tolerance
from pytest_upskill.documents.expression import Expression
from pytest_upskill.documents.frontmatter import Value, parse, read_text
from pytest_upskill.documents.identifiers import refusal
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import CaseError

KERNEL_KEYS = (
    "op", "dims", "where", "args", "dtypes", "returns", "tolerance", "examples", "contract", "language", "speed",
    "at_least", "tags", "atomics", "zero", "forbid", "vectorised",
)  # fmt: skip
TEXT_KEYS = ("expect", "tags")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
_OPERATOR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*\Z")
_DIMS_FORM = "{rows: 1..512, cols: [32, 64]}"


def load_case(path: Path, skill: str) -> Case:
    """Read one case of ``skill``; raises CaseError with the place of the first thing that is wrong."""
    return parse_case(read_text(path, CaseError), path, skill)


def parse_case(text: str, path: Path, skill: str) -> Case:
    """A case from the text of its file. ``path`` names it, and stands in messages. Raises CaseError."""
    if not _NAME.match(path.stem):
        raise CaseError(
            f"a case is called by its file's name, and '{path.stem}' is none: use letters, digits, '_' and '-'", path
        )
    document = parse(text, path, CaseError)
    scope = Scope(path)
    top = document.frontmatter.data
    _refuse_keys(scope, top)
    sections = read_sections(path, document.body, document.body_line)
    case = Case(
        name=path.stem,
        skill=skill,
        path=path,
        task=sections.task,
        op=None,
        tags=fields.texts(scope, top["tags"], "'tags'", "[reduction]") if "tags" in top else (),
        text=text,
        text_hash=hashlib.sha256(text.encode()).hexdigest(),
    )
    return _kernel_case(case, scope, top, sections) if "op" in top else _text_case(case, scope, top, sections)


def _refuse_keys(scope: Scope, top: Mapping[str, Value]) -> None:
    known = (*KERNEL_KEYS, *(key for key in TEXT_KEYS if key not in KERNEL_KEYS))
    for key, value in top.items():
        if key not in known:
            raise scope.fail(f"unknown key '{key}'{suggest(key, known)}", value)
    if "op" in top and "expect" in top:
        raise scope.fail("a case has 'op' (a kernel) or 'expect' (a text), not both: remove one", top["expect"])
    if "op" not in top and "expect" not in top:
        raise scope.fail("the case has neither 'op' (it asks for a kernel) nor 'expect' (for a text): add one", 1)
    for key, value in top.items():
        if "op" not in top and key not in TEXT_KEYS:
            raise scope.fail(f"'{key}' has no meaning in a case without 'op': remove it, or add 'op'", value)


# -------------------------------------------------------------------------------------------------------- text cases


def _text_case(case: Case, scope: Scope, top: Mapping[str, Value], sections: Sections) -> Case:
    sections.refuse("Reference", "a case without 'op' has no reference: it is judged by 'expect'")
    sections.refuse("Inputs", "a case without 'op' draws no inputs")
    return replace(case, expect=_expectation(scope, top["expect"]), solution=sections.whole("Solution"))


def _expectation(scope: Scope, value: Value) -> Expectation:
    form = "{contains: [__syncthreads], matches: ['warp(s|-level)'], rubric: [names the race]}"
    parts = fields.mapping(scope, value, "'expect'", form, ("contains", "matches", "rubric"))
    if not parts:
        raise scope.fail(f"'expect' is empty; say what an answer must hold, as in {form}", value)
    found = {key: fields.texts(scope, part, f"'{key}' of 'expect'", f"[{key}]") for key, part in parts.items()}
    for item in parts["matches"].data if "matches" in parts else ():
        try:
            re.compile(item.data)
        except re.error as error:
            raise scope.fail(f"'{item.data}' in 'matches' is not a regular expression: {error}", item) from None
    return Expectation(**found)


# ------------------------------------------------------------------------------------------------------ kernel cases


def _kernel_case(case: Case, scope: Scope, top: Mapping[str, Value], sections: Sections) -> Case:
    _read_dims(scope, top)
    operator = _operator(scope, top["op"])
    dtypes = _dtypes(scope, top)
    arguments = _arguments(scope, top, operator, dtypes)
    where = _where(scope, top, arguments)
    contract, language = _word(scope, top, "contract", "launcher"), _word(scope, top, "language", "cuda")
    speed = _speed(scope, top, where)
    return replace(
        case,
        op=operator,
        dims=tuple(scope.dims.values()),
        where=where,
        arguments=arguments,
        dtypes=dtypes,
        returns=_returns(scope, top, operator),
        reference=sections.reference(operator, tuple(scope.dims)),
        solution=sections.whole("Solution") if contract == "kernel-builder" else sections.solution(language),
        inputs=sections.inputs(tuple(scope.dims)),
        tolerance=read_tolerance(scope, top),
        examples=fields.integer(scope, top["examples"], "'examples'", 1) if "examples" in top else None,
        contract=contract,
        language=language,
        speed=speed,
        at_least=_at_least(scope, top),
        forbid=_forbidden(scope, top),
        vectorised="vectorised" in top and fields.boolean(scope, top["vectorised"], "'vectorised'"),
        atomics="atomics" in top and fields.boolean(scope, top["atomics"], "'atomics'"),
        zero="zero" in top and fields.boolean(scope, top["zero"], "'zero'"),
    )


def _read_dims(scope: Scope, top: Mapping[str, Value]) -> None:
    if "dims" not in top:
        return
    for name, value in fields.mapping(scope, top["dims"], "'dims'", _DIMS_FORM).items():
        why = refusal(name)
        if why:
            raise scope.fail(f"dim '{name}' {why}; call it otherwise", value)
        if name in ("min", "max"):
            raise scope.fail(f"dim '{name}' has the name of a function of expressions; call it otherwise", value)
        scope.dims[name] = fields.dim(scope, name, value)


def _operator(scope: Scope, value: Value) -> Operator:
    if not isinstance(value.data, str):
        raise scope.fail(
            f"'op' is '{value.shown}'; it must be an operator schema such as 'f(Tensor x) -> Tensor'", value
        )
    try:
        return parse_operator(value.data, scope.dims)
    except ValueError as error:
        raise scope.fail(f"'op': {error}", value) from None


def _dtypes(scope: Scope, top: Mapping[str, Value]) -> tuple[str, ...]:
    if "dtypes" not in top:
        return ("float32",)
    found: list[str] = []
    for item in fields.items(scope, top["dtypes"], "'dtypes'", "[float32, float16]"):
        name = fields.dtype(scope, item, "dtype")
        if name in found:
            raise scope.fail(f"'dtypes' holds '{name}' twice; keep one", item)
        found.append(name)
    return tuple(found)


def _arguments(
    scope: Scope, top: Mapping[str, Value], operator: Operator, dtypes: tuple[str, ...]
) -> tuple[TensorSpec | ScalarSpec, ...]:
    described = fields.mapping(scope, top["args"], "'args'", "{x: [rows, cols]}") if "args" in top else {}
    names = [argument.name for argument in operator.arguments]
    for name, value in described.items():
        if name in scope.dims:
            raise scope.fail(f"'args' describes '{name}', which is a dim: 'dims' says all there is to say", value)
        if name in operator.results:
            raise scope.fail(f"'args' describes '{name}', a result: its shape comes from the reference", value)
        if name not in names:
            raise scope.fail(f"'args' describes '{name}', which 'op' does not have{suggest(name, names)}", value)
    found: list[TensorSpec | ScalarSpec] = []
    for argument in operator.arguments:
        if argument.name not in described:
            form = "[rows, cols]" if argument.kind == "Tensor" else "{values: 1..8}"
            place = top.get("args", top["op"])
            raise scope.fail(
                f"'args' does not describe '{argument.name}' of 'op': add '{argument.name}: {form}'", place
            )
        value = described[argument.name]
        if argument.kind == "Tensor":
            found.append(fields.tensor(scope, argument, value, dtypes))
        else:
            found.append(fields.scalar(scope, argument, value))
    return tuple(found)


def _where(
    scope: Scope, top: Mapping[str, Value], arguments: tuple[TensorSpec | ScalarSpec, ...]
) -> tuple[Expression, ...]:
    if "where" not in top:
        return ()
    known = [*scope.dims, *(spec.name for spec in arguments if isinstance(spec, ScalarSpec) and spec.kind == "int")]
    conditions = []
    for item in fields.items(scope, top["where"], "'where'", "[cols % heads == 0]"):
        for spec in arguments:
            if spec.name not in known and re.search(rf"\b{spec.name}\b", item.text):
                kind = "a tensor" if isinstance(spec, TensorSpec) else f"a {spec.kind}"
                rule = "conditions are on dims and integer scalars"
                raise scope.fail(f"'where' names '{spec.name}', which is {kind}; {rule}", item)
        condition = fields.expression(scope, item, "'where'", known)
        if not condition.condition:
            raise scope.fail(
                f"'{condition}' in 'where' is a number; a condition compares, as in '{condition} == 0'", item
            )
        if condition.constant is not None:
            raise scope.fail(f"'{condition}' in 'where' names no dim and no scalar; leave it out", item)
        conditions.append(condition)
    return tuple(conditions)


def _returns(scope: Scope, top: Mapping[str, Value], operator: Operator) -> dict[str, str]:
    if "returns" not in top:
        return {}
    parts = fields.mapping(scope, top["returns"], "'returns'", "{mean: float32}", operator.results)
    return {name: fields.dtype(scope, value, f"dtype of result '{name}'") for name, value in parts.items()}


def _word(scope: Scope, top: Mapping[str, Value], key: str, otherwise: str) -> str:
    """A name that is looked up later: plugins may add contracts and languages."""
    if key not in top:
        return otherwise
    value = top[key]
    if not isinstance(value.data, str) or not _WORD.match(value.data):
        raise scope.fail(f"{key} is '{value.shown}'; it must be a name such as '{otherwise}'", value)
    return value.data


def _forbidden(scope: Scope, top: Mapping[str, Value]) -> tuple[str, ...]:
    """Names of operators, which only torch could know."""
    if "forbid" not in top:
        return ()
    for item in fields.items(scope, top["forbid"], "'forbid'", "[softmax, log_softmax]"):
        if isinstance(item.data, str) and item.data.strip() and not _OPERATOR_NAME.match(item.data):
            bare = re.split(r"::|\.", item.data.removeprefix("torch."))
            near = next((part for part in bare if part not in ("aten", "ops", "F", "nn", "functional", "Tensor")), "")
            hint = f"; write '{near}'" if _OPERATOR_NAME.match(near) else ""
            raise scope.fail(
                f"'forbid' holds '{item.data}'; an operator is named without a namespace, an overload or a call{hint}",
                item,
            )
    return fields.texts(scope, top["forbid"], "'forbid'", "[softmax, log_softmax]")


def _speed(scope: Scope, top: Mapping[str, Value], where: tuple[Expression, ...]) -> dict[str, int]:
    """The sizes at which a kernel is timed: of every dim that is not one number. They may exceed the dim's range."""
    if "speed" not in top:
        return {}
    value = top["speed"]
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


def _at_least(scope: Scope, top: Mapping[str, Value]) -> float | None:
    if "at_least" not in top:
        return None
    if "speed" not in top:
        raise scope.fail("'at_least' needs 'speed', the sizes at which a kernel is timed", top["at_least"])
    return fields.real(scope, top["at_least"], "'at_least'", positive=True)
