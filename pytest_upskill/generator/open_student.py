"""Makes the student that a command names: an entry of the students' table, with its server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_upskill.errors import UsageError
from pytest_upskill.replies.ledger import Limits
from pytest_upskill.students import registry
from pytest_upskill.students.base import Student, StudentConfig
from pytest_upskill.students.remote import has_key
from pytest_upskill.students.serving import plan
from pytest_upskill.students.serving.broker import Servers

_FIXED = ("golden", "files")
"""Providers whose replies do not depend on the skill."""


def student_config(
    spec: str, tables: Mapping[str, Mapping[str, Any]], folder: Path, refused: Sequence[str] = _FIXED
) -> StudentConfig:
    """The configuration of the student; relative paths start at ``folder``. Raises UsageError, also for a student whose
    provider is in ``refused``.
    """
    try:
        found = registry.resolve([spec], tables, folder)
    except UsageError as error:
        raise UsageError(str(error).replace("--upskill-student", "--student")) from None
    if len(found) != 1:
        raise UsageError(f"--student: {spec!r} must name one student")
    if found[0].provider in refused:
        why = "its replies do not depend on the skill's text"
        raise UsageError(f"--student: '{spec}' cannot be used here, because {why}; name a student with a model")
    return found[0]


def check_student(config: StudentConfig, limits: Limits) -> None:
    """Raise UsageError if the student's key is missing, or if its price is not known, so that the budget cannot be
    enforced.
    """
    if not has_key(config):
        problem = f"the student '{config.name}' needs a key in the environment variable {config.api_key_env}"
        raise UsageError(f"{problem}, which is not set; export it, or name a student that needs none")
    if limits.usd is not None and config.price is None and config.provider != "llama.cpp":
        remedy = f"add 'price' to [tool.upskill.students.{config.name}] in pyproject.toml, or give --max-tokens instead"
        raise UsageError(f"--budget: the price of the student '{config.name}' is not known; {remedy}")


def open_student(
    config: StudentConfig, root: Path, limits: Limits, tell: Callable[[str], object] = lambda line: None
) -> tuple[Student, Servers | None]:
    """The student, and the servers that were started for it, which the caller must stop. Raises UsageError."""
    check_student(config, limits)
    servers = Servers({config.name: config}, root, tell) if plan.is_wanted(config, False) else None
    if config.provider == "demo" and servers is not None:
        from pytest_upskill.students.demo.student import make

        return make(config, root, servers), servers
    return registry.create(config, servers.of(config.name) if servers else None), servers
