"""Converts the part of a case that its reference needs to plain data, which can be JSON without loss, and back.

In this form a case is sent to the process in which an untrusted reference runs. The case was read and validated before.
The data does not have the task, the solution, or any path of this machine. Changed copies of a case are sent in the
same form.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pytest_upskill.cases.case import Case, Snippet

_SENT = {
    "name", "skill", "path", "task", "op", "dims", "where", "arguments", "dtypes", "returns", "reference", "inputs",
    "tolerance", "zero",
}  # fmt: skip
PATH = Path("case.md")
"""The path that every case has after it was sent."""


def to_plain(case: Case) -> dict[str, Any]:
    """The parts of a case on which its inputs and its reference's results (``oracle.reference``) depend."""
    reference, inputs = _anonymous(case.reference), _anonymous(case.inputs)
    sent = replace(case, skill="", path=PATH, task="", reference=reference, inputs=inputs)
    plain: dict[str, Any] = _cases().dump_python(sent, mode="json", exclude_defaults=True, include=_SENT)
    return plain


def from_plain(plain: dict[str, Any]) -> Case:
    """The case from the data that ``to_plain`` returned. Raises ValueError for data of another form."""
    return _cases().validate_python(plain)


def _anonymous(snippet: Snippet | None) -> Snippet | None:
    return snippet and replace(snippet, path=PATH)


@cache
def _cases() -> TypeAdapter[Case]:
    return TypeAdapter(Case)
