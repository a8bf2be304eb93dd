"""The fields of a stored reply as pydantic models: names, types and limits.

The names are those of a stored line. If a field of our records is renamed, its stored name has to be mapped here. This
is a separate module because importing pydantic takes a tenth of a second: it is imported only to read or write a line.
"""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationError, ValidationInfo, WrapValidator, field_validator
from pydantic import ValidatorFunctionWrapHandler as Check
from pydantic_core import PydanticCustomError

from pytest_upskill.records import Reply, ReplyDetails, Tokens

LARGEST_COUNT = 2**53
"""The largest integer. JSON readers may not agree on the value of a larger one (RFC 8259, 6)."""
DEEPEST = 32
"""The maximum nesting of a value. Deeper values could exhaust the stack of recursive code, such as pickle."""
LONGEST_QUOTE = 60


def _unchanged(value: Any, check: Check) -> Any:
    """Check a value without converting it, so that an int in place of a float is written as an int again."""
    check(value)
    return value


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    if not _is_plain(value):
        message = f"Input should be an object of finite values, nested at most {DEEPEST} levels deep"
        raise PydanticCustomError("plain", "{message}", {"message": message})
    return value


def _is_plain(value: object, levels: int = DEEPEST) -> bool:
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return levels > 0 and all(_is_plain(one, levels - 1) for one in inside)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) <= LARGEST_COUNT


Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Ordinal = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
Number = Annotated[float, Field(allow_inf_nan=False), WrapValidator(_unchanged)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False), WrapValidator(_unchanged)]
PlainObject = Annotated[dict[str, Any], AfterValidator(_plain)]


class _Form(BaseModel, strict=True):
    """The base of all forms. Unknown fields are ignored, because a later version may add fields and keep its number."""


class HeadForm(_Form):
    """The fields of a stored line that are read first, because they decide how the rest is parsed."""

    version: Ordinal = 1


class _Sampler(_Form):
    model: str
    temperature: Amount | None = None
    max_tokens: Count
    options: PlainObject = {}
    system: str = "system"


class _Tokens(_Form):
    input: Count = 0
    output: Count = 0
    cached: Count = 0
    written: Count = 0


class _Details(_Form):
    """The details of a reply. If the context is 1 (the version of the line), a detail of a wrong type counts as
    missing.
    """

    requests: Count = 1
    read: list[str] = []
    note: str = ""
    request: PlainObject = {}
    timings: dict[str, Number] = {}
    slots: Count | None = None
    context: Count | None = None
    build: str = ""

    @field_validator("*", mode="wrap")
    @classmethod
    def _skip_wrong_types(cls, value: Any, check: Check, info: ValidationInfo) -> Any:
        try:
            return check(value)
        except ValidationError:
            if info.context != 1 or info.field_name is None:
                raise
            return cls.model_fields[info.field_name].get_default()


class _Reply(_Form):
    text: str
    reasoning: str = ""
    finish: str = "stop"
    tokens: _Tokens
    cost_usd: Amount | None = None
    seconds: Amount = 0.0
    model: str = ""
    details: _Details = _Details()

    def to_record(self) -> Reply:
        details = ReplyDetails(**{**dict(self.details), "read": tuple(self.details.read)})
        return Reply(**{**dict(self), "tokens": Tokens(**dict(self.tokens)), "details": details})


def to_plain(form: type[BaseModel], record: object) -> dict[str, Any]:
    """Return the record under its stored names, in the order of the form."""
    plain = {}
    for name, field in form.model_fields.items():
        value, inner = getattr(record, name), field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            value = to_plain(inner, value)
        plain[name] = dict(value) if isinstance(value, Mapping) else value
    return plain


class LineForm(_Form):
    """The fields of a line of version 1 or 2."""

    key: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    case: str
    arm: str
    trial: Ordinal
    turn: Ordinal
    prompt: str
    sampler: _Sampler
    reply: _Reply


def explain(error: ValidationError) -> str:
    """Return the first field that is wrong, its value and the rule, in one line of printable ASCII."""
    first = error.errors(include_url=False)[0]
    name = f"{'.'.join(map(str, first['loc']))!a:.80}" if first["loc"] else "it"
    if first["type"] == "missing":
        return f"{name} is missing"
    rule = "be an object" if first["type"] in ("model_type", "dict_type") else first["msg"].partition(" should ")[2]
    return f"{name} is {_quoted(first['input'])}; it must {rule}"


def _quoted(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}..."
