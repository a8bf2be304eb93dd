"""The judges of rubrics that a run names, and the choice among them: a model of another family than the student's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_upskill.configuration.settings import Settings
from pytest_upskill.errors import UsageError
from pytest_upskill.students import families, registry
from pytest_upskill.students.base import StudentConfig

_NO_JUDGES = ("golden", "demo")
"""Providers that answer only questions about cases."""


def resolve(settings: Settings, students: Sequence[StudentConfig]) -> dict[str, StudentConfig]:
    """The judges by name. Raises UsageError, also for one with the name of another model among the ``students``."""
    found: dict[str, StudentConfig] = {}
    for spec in settings.judge or ():
        try:
            (config,) = registry.resolve([spec], settings.students_tables, settings.invocation_dir, settings.base_url)
        except UsageError as error:
            raise UsageError(str(error).replace("--upskill-student", "--upskill-judge")) from None
        if config.provider in _NO_JUDGES:
            rule = "name a student with a model, or files:DIR for answers of your own"
            raise UsageError(f"--upskill-judge: '{spec}' answers cases only, and judges none; {rule}")
        if any(config.name == one.name and config != one for one in (*students, *found.values())):
            rule = "name the folder's label, as in files:LABEL=DIR"
            raise UsageError(f"--upskill-judge: {spec!r} has the name of another model, '{config.name}'; {rule}")
        found[config.name] = config
    return found


def judge_of(student: StudentConfig, judges: Mapping[str, StudentConfig]) -> StudentConfig | None:
    """The first judge of another family than the student's, else the first; None without any."""
    others = (judge for judge in judges.values() if not families.shared(judge.model, student.model))
    return next(others, next(iter(judges.values()), None))
