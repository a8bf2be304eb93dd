"""The judges of rubrics that a user names. For each student, a model of another family than the student's is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_upskill.errors import UsageError
from pytest_upskill.students import families, registry
from pytest_upskill.students.base import StudentConfig

_NO_JUDGES = ("golden", "demo")
"""Providers whose students answer only questions about cases, and so cannot judge."""


def resolve(
    specs: Sequence[str],
    tables: Mapping[str, Mapping[str, Any]],
    invocation_dir: Path,
    students: Sequence[StudentConfig],
    *,
    base_url: str | None = None,
    option: str = "--upskill-judge",
) -> dict[str, StudentConfig]:
    """Return the judges that ``specs`` name, by name. ``option`` is the option that messages mention.

    Raises UsageError for a wrong spec, and for a judge with the name of another model among the ``students``.
    """
    found: dict[str, StudentConfig] = {}
    for spec in (piece.strip() for names in specs for piece in names.split(",")):
        if not spec:
            continue
        try:
            (config,) = registry.resolve([spec], tables, invocation_dir, base_url)
        except UsageError as error:
            raise UsageError(str(error).replace("--upskill-student", option)) from None
        if config.provider in _NO_JUDGES:
            rule = "name a student with a model, or files:DIR for answers of your own"
            raise UsageError(f"{option}: '{spec}' answers cases only, and judges none; {rule}")
        if any(config.name == one.name and config != one for one in (*students, *found.values())):
            rule = "name the folder's label, as in files:LABEL=DIR"
            raise UsageError(f"{option}: {spec!r} has the name of another model, '{config.name}'; {rule}")
        found[config.name] = config
    return found


def judge_of(student: StudentConfig, judges: Mapping[str, StudentConfig]) -> StudentConfig | None:
    """Return the first judge of another family than the student's, else the first judge; None if there are no
    judges.
    """
    others = (judge for judge in judges.values() if not families.shared(judge.model, student.model))
    return next(others, next(iter(judges.values()), None))
