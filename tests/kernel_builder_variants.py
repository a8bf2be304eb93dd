"""The projects in tests/kernel_builder_projects: variants of the solutions of the skill, and others.

CASE.toml has the variants of a case. Each table ``[right.NAME]`` or ``[wrong.NAME]`` says what differs from the
solution: ``files`` are new or replaced files by path, ``remove`` lists paths that are left out, and each ``edit``
replaces ``old`` by ``new`` wherever it stands in ``file``. A wrong variant ``fails`` an assertion with a message that
has the text ``says``. public/NAME.md is a case whose solution has the layout and the style of a public project.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.languages.torch_extension import SOURCE_NAME
from pytest_upskill.languages.torch_extension.project import project_of

FOLDER = Path(__file__).parent / "kernel_builder_projects"
SKILL = Path(__file__).parents[1] / "skills" / "kernel-builder-cuda-kernels"
CASES = sorted((SKILL / "evals").glob("*.md"))
PUBLIC = sorted((FOLDER / "public").glob("*.md"))


@dataclass(frozen=True)
class Variant:
    """A project for a case. ``fails`` is empty if it is right."""

    case: Path
    name: str
    files: dict[str, str]
    fails: str = ""
    says: str = ""

    def __str__(self) -> str:
        return f"{self.case.stem}-{self.name}"


@functools.cache
def trusted(path: Path) -> Case:
    """The case of a file, as its author runs it."""
    return replace(load_case(path, path.parents[1].name), trusted=True)


def solution(path: Path) -> Variant:
    found = trusted(path).solution
    assert found is not None
    return Variant(path, "solution", project_of({SOURCE_NAME: found.source}).texts)


def variants(path: Path) -> list[Variant]:
    """The variants of a case, right ones first."""
    tables = tomllib.loads((FOLDER / f"{path.stem}.toml").read_text(encoding="utf-8"))
    assert set(tables) == {"right", "wrong"}
    return [_variant(path, name, table) for kind in ("right", "wrong") for name, table in tables[kind].items()]


def _variant(path: Path, name: str, table: dict[str, Any]) -> Variant:
    assert set(table) <= {"files", "remove", "edit", "fails", "says"}
    files = dict(solution(path).files)
    for removed in table.get("remove", ()):
        del files[removed]
    files.update(table.get("files", {}))
    for edit in table.get("edit", ()):
        assert edit["old"] in files[edit["file"]], f"{path.stem}, {name}: {edit['file']} has no {edit['old']!r}"
        files[edit["file"]] = files[edit["file"]].replace(edit["old"], edit["new"])
    return Variant(path, name, files, table.get("fails", ""), table.get("says", ""))
