"""The part of a case that its reference needs, as plain data (JSON without loss) and back.

In this form a case is sent to the process in which an untrusted reference runs: read and validated, without the task,
the solution, or any path of this machine. Changed copies of a case are sent in the same way.
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
"""The path of every case that was sent."""


def to_plain(case: Case) -> dict[str, Any]:
    """What the inputs and the reference's results (``oracle.reference``) of a case depend on."""
    reference, inputs = _anonymous(case.reference), _anonymous(case.inputs)
    sent = replace(case, skill="", path=PATH, task="", reference=reference, inputs=inputs)
    plain: dict[str, Any] = _cases().dump_python(sent, mode="json", exclude_defaults=True, include=_SENT)
    return plain


def from_plain(plain: dict[str, Any]) -> Case:
    """The inverse of ``to_plain``. Raises ValueError for data of another form."""
    return _cases().validate_python(plain)


def _anonymous(snippet: Snippet | None) -> Snippet | None:
    return snippet and replace(snippet, path=PATH)


@cache
def _cases() -> TypeAdapter[Case]:
    return TypeAdapter(Case)
