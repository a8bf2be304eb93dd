"""Reads the key ``tolerance`` of a case."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_upskill.cases import fields
from pytest_upskill.cases.case import Tolerance
from pytest_upskill.cases.fields import Scope
from pytest_upskill.documents.frontmatter import Value
from pytest_upskill.records import FLOATING


def read_tolerance(scope: Scope, top: Mapping[str, Value]) -> dict[str, Tolerance]:
    """One pair for every dtype ("*"), or one for each that is named."""
    if "tolerance" not in top:
        return {}
    form = "{rtol: 1e-3, atol: 1e-5} or {float16: {rtol: 1e-3, atol: 1e-5}}"
    value = top["tolerance"]
    parts = fields.mapping(scope, value, "'tolerance'", form, ("rtol", "atol", *FLOATING))
    if "rtol" in parts or "atol" in parts:
        return {"*": _pair(scope, value, "'tolerance'")}
    if not parts:
        raise scope.fail(f"'tolerance' is empty; write {form}, or leave it out", value)
    return {name: _pair(scope, part, f"'tolerance' of {name}") for name, part in parts.items()}


def _pair(scope: Scope, value: Value, what: str) -> Tolerance:
    parts = fields.mapping(scope, value, what, "{rtol: 1e-3, atol: 1e-5}", ("rtol", "atol"))
    for key in ("rtol", "atol"):
        if key not in parts:
            raise scope.fail(f"{what} has no '{key}'; give both, as in {{rtol: 1e-3, atol: 1e-5}}", value)
    return Tolerance(
        rtol=fields.real(scope, parts["rtol"], f"'rtol' of {what}", positive=False),
        atol=fields.real(scope, parts["atol"], f"'atol' of {what}", positive=False),
    )
