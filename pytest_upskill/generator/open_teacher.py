"""Makes the teacher that a command names: an entry of the students' table, or ``files:DIR``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_upskill.errors import UsageError
from pytest_upskill.generator.files_teacher import PREFIX, FilesTeacher
from pytest_upskill.generator.student_teacher import StudentTeacher
from pytest_upskill.generator.teacher import Teacher
from pytest_upskill.replies.ledger import Ledger, Limits
from pytest_upskill.students import registry
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.remote import has_key
from pytest_upskill.students.serving import plan
from pytest_upskill.students.serving.broker import Servers

DEFAULT = "opus-teacher"
WITHOUT_KEY = (
    "without a key: 'upskill-gen template' writes a skeleton, 'upskill-gen lint' checks a skill, and "
    "--teacher files:DIR writes the questions to files, for you or another tool to answer"
)
_NO_TEACHERS = ("golden", "demo", "files")
"""Providers that answer only questions about cases."""

Tables = Mapping[str, Mapping[str, Any]]


def teacher_config(spec: str, tables: Tables, folder: Path) -> StudentConfig | Path:
    """The student's configuration, or the folder of ``files:DIR``; a relative path starts at ``folder``. Raises
    UsageError.
    """
    if spec.partition(":")[0] == "files":
        if not (directory := spec.removeprefix(PREFIX).strip()) or ":" not in spec:
            raise UsageError(f"--teacher: {spec!r} names no folder; write files:DIR")
        path = (folder / Path(directory).expanduser()).resolve()
        if path.exists() and not path.is_dir():
            raise UsageError(f"--teacher: {path} is not a folder; name one for the questions and answers")
        return path
    try:
        found = registry.resolve([spec], tables, folder)
    except UsageError as error:
        raise UsageError(str(error).replace("--upskill-student", "--teacher")) from None
    if len(found) != 1:
        raise UsageError(f"--teacher: {spec!r} must name one teacher")
    if found[0].provider in _NO_TEACHERS:
        known = f"{DEFAULT}, another student with a model, or files:DIR"
        raise UsageError(f"--teacher: '{spec}' answers cases only, and writes none; name {known}")
    return found[0]


def open_teacher(
    chosen: StudentConfig | Path,
    root: Path,
    limits: Limits,
    ledger: Callable[[], Ledger],
    subject: str = "",
    tell: Callable[[str], object] = lambda line: None,
) -> Teacher:
    """The teacher. A model's answers are stored in the ledger below ``root``, which enforces ``limits``.

    Raises UsageError if the key, the SDK or the price is missing.
    """
    if isinstance(chosen, Path):
        return FilesTeacher(chosen)
    if not has_key(chosen):
        variable = chosen.api_key_env
        problem = f"the teacher '{chosen.name}' needs a key in the environment variable {variable}, which is not set"
        raise UsageError(f"{problem}; export it, or work {WITHOUT_KEY}")
    if limits.usd is not None and chosen.price is None:
        table = f"[tool.upskill.students.{chosen.name}]"
        remedy = f"add 'price' to {table} in pyproject.toml, or give --max-tokens instead"
        raise UsageError(f"--budget: the price of the teacher '{chosen.name}' is not known; {remedy}")
    servers = Servers({chosen.name: chosen}, root, tell) if plan.is_wanted(chosen, False) else None
    student = registry.create(chosen, servers.of(chosen.name) if servers else None)
    return StudentTeacher(student, root, ledger(), subject, servers)
