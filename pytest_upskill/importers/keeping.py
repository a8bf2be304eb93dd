"""Writes imported cases into a skill: each is checked, proven, and recorded before its file is written.

A case is on disk with its record as soon as it is kept, so an interrupted import continues with the remaining cases. A
file that has another text is replaced only if the user says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_upskill.case_quality import text_check
from pytest_upskill.cases.acceptance import digest_of
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_cases, parse_case
from pytest_upskill.cases.provenance import Provenance, Written, WrittenCase, read_provenance, write_provenance
from pytest_upskill.errors import CaseError, UsageError, shown_path
from pytest_upskill.generator.answers import SKILL_FILE, SKILL_NAME, Refused, is_reserved
from pytest_upskill.generator.parts import split
from pytest_upskill.generator.skill_lock import alone
from pytest_upskill.importers.case_text import refused_characters
from pytest_upskill.importers.foreign import NotImported
from pytest_upskill.paths import write_atomically
from pytest_upskill.skills.case_files import case_files
from pytest_upskill.skills.skill import FILE_NAMES, MAX_NAME, load_skill

if TYPE_CHECKING:  # imports torch
    from pytest_upskill.generator.proving import Prover, References

_DIFFICULTY = 3
_SKELETON = """---
name: {name}
description: {description}
---

# {title}

Write here what a student should know for these cases.
"""


@dataclass(slots=True)
class Kept:
    """The result of an import: names of cases, and by label the reasons why tasks were not imported.

    ``same_as`` maps the name of a case to the name of another case that asks for the same. Such cases are imported
    nevertheless, because problems of a benchmark may differ in their sizes only.
    """

    folder: Path
    fresh: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    same_as: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.fresh) + len(self.there) + len(self.replaced)


class Keeping:
    """Imports cases into the skill at ``folder``; enter it as a context manager. ``names`` are the names of the cases.
    Without ``proves``, kernel cases are only compared with each other, not proven.

    Raises UsageError if the folder is not a skill and cannot become one, or if another command writes to it.
    """

    def __init__(
        self,
        folder: Path,
        command: str,
        description: str,
        make_prover: Callable[[str], Prover],
        open_references: Callable[[], References],
        say: Callable[[str, str], object],
        *,
        names: Sequence[str] = (),
        proves: bool = True,
        replace: bool = False,
    ) -> None:
        self.folder, self.result = folder, Kept(folder)
        self._command, self._description, self._make_prover = command, description, make_prover
        self._open_references = open_references
        self._say, self._names, self._proves, self._replace = say, frozenset(names), proves, replace
        self._present: dict[str, Case] = {}
        self._others: list[Case] = []
        """The cases that stay in the skill, as far as they are known yet."""
        self._prover: Prover | None = None
        self._references: References | None = None
        self._record = Provenance()
        self._stack = ExitStack()
        self._is_new = not any((folder / name).is_file() for name in FILE_NAMES)

    def __enter__(self) -> Keeping:
        if self._is_new:
            _check_is_free(self.folder)
        else:
            load_skill(self.folder)
        self._stack.enter_context(alone(self.folder))
        self._record = read_provenance(self.folder / "evals") or Provenance()
        found = load_cases(case_files(self.folder).paths, self.folder.name, self.folder)
        self._present = {one.name: one for one in found if isinstance(one, Case)}
        self._others = [one for name, one in self._present.items() if name not in self._names]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._references is not None:
                self._references.close()
            if self._prover is not None:
                self._prover.close()
            self._balance()
        finally:
            self._stack.close()

    def keep(self, label: str, name: str, text: str) -> None:
        """Keep a case, or record in the result why it is not kept. Raises OSError, SandboxError, ToolchainError."""
        path, same = self.folder / "evals" / f"{name}.md", False
        try:
            if problem := refused_characters(text):  # importers check texts, but not names in the source
                raise NotImported(problem)
            case = _read(text, path, self.folder.name)
            known = self._record.cases.get(name)
            same = path.is_file() and path.read_bytes() == text.encode()
            if path.exists() and not same and not self._replace:
                self._others += [self._present[name]] if name in self._present else []
                raise NotImported(f"{shown_path(path)} exists and holds another text; --replace overwrites it")
            if same and (not self._proves or (known is not None and known.proven)):
                self.result.there.append(name)
                self._others.append(case)
                self._say(f"case-{name}", "is there already")
                return
            alike = self._alike(case)
            proven = self._prove(case, name)
            list_ = self.result.there if same else self.result.replaced if path.exists() else self.result.fresh
            self._store(case, label, proven)
            if alike:
                self.result.same_as[name] = alike
            else:
                self._others.append(case)
            list_.append(name)
            self._say(f"case-{name}", "kept" if not same else "is there already, and proven now")
        except (NotImported, Refused) as reason:
            stays = f"; {shown_path(path)} stays as --no-prove wrote it: correct it, or delete it" if same else ""
            self.leave_out(label, f"{reason}{stays}")

    def leave_out(self, label: str, reason: str) -> None:
        number, left_out = 2, self.result.left_out
        while (shown := label if label not in left_out else f"{label} ({number})") in left_out:
            number += 1
        left_out[shown] = reason

    def _prove(self, case: Case, name: str) -> bool:
        """Prove a case. Returns False if it was not proven because ``proves`` is False. Raises Refused."""
        if case.op is None:
            failed = next((one for one in text_check.check(case).assertions if not one.passed), None)
            if failed is not None:
                raise Refused(f"the case fails its self-check: {failed.message}")
            return True
        if not self._proves:
            return False
        if self._prover is None:
            self._prover = self._make_prover(self.folder.name)
        self._say(f"case-{name}", "is being proven")
        self._prover.prove(self._prover.read(case.text, case.path, needs_solution=False), ())
        return True

    def _alike(self, case: Case) -> str:
        """The name of another case that asks for the same; empty if there is none.

        All cases are compared in one process, so the code of one case could falsify this answer. It can do no other
        harm, because the answer is only recorded.
        """
        others = [one for one in self._others if (one.op is None) == (case.op is None)]
        if case.op is None:
            return next((one.name for one in others if _asked(one) == _asked(case)), "")
        if not others:
            return ""
        from pytest_upskill.generator.near_duplicates import duplicates_of

        if self._references is None:
            self._references = self._open_references()
        self._references.go_on()
        return next((one.name for one in duplicates_of(case, others, self._references.open_runner)), "")

    def _store(self, case: Case, label: str, proven: bool) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        known = {name: (made.part, float(made.difficulty)) for name, made in self._record.cases.items()}
        known.pop(case.name, None)
        made = WrittenCase(
            teacher=self._command,
            attempts=0,
            written=now,
            text_hash=case.text_hash,
            code=digest_of(case),
            proven=now if proven else "",
            part=split({case.name: float(_DIFFICULTY)}, known)[case.name],
            difficulty=_DIFFICULTY,
            operator=label[:600],
        )
        # The record first, because a case that it does not list would count as written by a person, and be trusted.
        changes: dict[str, object] = {"cases": {**self._record.cases, case.name: made}}
        if self._is_new:
            changes["skill"] = Written(teacher=self._command, attempts=0, written=now)
        self._record = self._record.model_copy(update=changes)
        write_provenance(self.folder / "evals", self._record)
        if self._is_new:
            write_atomically(self.folder / SKILL_FILE, self._skeleton())
            self._is_new = False
        write_atomically(case.path, case.text)

    def _skeleton(self) -> str:
        name = self.folder.name
        return _SKELETON.format(name=name, description=self._description, title=name.replace("-", " ").capitalize())

    def _balance(self) -> None:
        """Split the new cases into parts again, all together, so that both parts are equal."""
        if not self.result.fresh:
            return
        cases, fresh = self._record.cases, set(self.result.fresh)
        known = {name: (one.part, float(one.difficulty)) for name, one in cases.items() if name not in fresh}
        parts = split({name: float(cases[name].difficulty) for name in fresh}, known)
        changed = {name: cases[name].model_copy(update={"part": part}) for name, part in parts.items()}
        self._record = self._record.model_copy(update={"cases": {**cases, **changed}})
        write_provenance(self.folder / "evals", self._record)


def _asked(case: Case) -> object:
    """What a text case asks and expects, such that spaces, upper or lower case, and the order of the entries do not
    count.
    """

    def plain(text: str) -> str:
        return " ".join(text.split()).casefold()

    found = case.expect
    entries = (found.contains, found.matches, found.rubric) if found else ()
    return plain(case.task), [frozenset(map(plain, one)) for one in entries]


def _read(text: str, path: Path, skill: str) -> Case:
    try:
        return parse_case(text, path, skill, trusted=False)
    except CaseError as error:
        where = "" if error.line is None else f"line {error.line} of the case: "
        raise NotImported(f"{where}{error.message}") from None


def _check_is_free(folder: Path) -> None:
    """Raise UsageError unless a skill can be made at ``folder``."""
    import re

    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(f"{shown_path(folder)} is not a skill: it is not empty and has no SKILL.md; name another")
    name = folder.name
    if not re.fullmatch(SKILL_NAME, name) or len(name) > MAX_NAME or is_reserved(name):
        raise UsageError(f"--into: '{name}' is not a skill name: use lower-case letters, digits and single hyphens")


def names_of(wanted: Sequence[str]) -> list[str]:
    """A name for each case of an import. All names differ, and repeating the import gives the same names."""
    from pytest_upskill.importers.names import case_name

    found: list[str] = []
    for one in wanted:
        found.append(case_name(one, found))
    return found
