"""Skills as pytest nodes. A SKILL.md is a file; each combination of case, student, arm and trial is an item."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_upskill.cases.acceptance import listing_of
from pytest_upskill.cases.case import PUBLISHED, Case
from pytest_upskill.cases.case_file import NO_CASE, load_cases
from pytest_upskill.cases.triggers import FILE as TRIGGERS
from pytest_upskill.cases.triggers import Triggers, triggers_of
from pytest_upskill.errors import CaseError, InfrastructureError, NotACase, UpskillError
from pytest_upskill.execution.task import Task, item_seed, place_of
from pytest_upskill.execution.triggers import ARM
from pytest_upskill.records import ItemKind, Outcome, Verdict, VerdictKind
from pytest_upskill.records.gating import Gates, KnownFailure
from pytest_upskill.reporting import junit_properties
from pytest_upskill.reporting.failure import one_line
from pytest_upskill.reporting.text_style import plural, printable
from pytest_upskill.session.item_report import SKIPPED, FailureRepr
from pytest_upskill.session.repeat_command import command, concerning, is_recorded, record_options, replay_options
from pytest_upskill.skills import arms
from pytest_upskill.skills.case_files import CaseFiles, case_files
from pytest_upskill.skills.noise import asked_arm, asked_arms
from pytest_upskill.skills.skill import FILE_NAMES, skill_file
from pytest_upskill.students.files import FilesStudent, folder_of

if TYPE_CHECKING:
    from _pytest._code.code import ExceptionInfo

    from pytest_upskill.session.run import Run


class UpskillWarning(pytest.PytestWarning):
    """A warning about a skill that violates no rule of the specification."""


class KernelFailed(AssertionError):
    """The item's verdict is ``failed``. The outcome says why."""


def collect_file(run: Run, file_path: Path, parent: pytest.Collector) -> SkillFile | None:
    """Return a collector for a SKILL.md, or for a case that was itself named on the command line, else None."""
    root = parent.config.rootpath
    if file_path.name in FILE_NAMES and file_path == skill_file(file_path.parent):
        nodeid = _nodeid(file_path, root)
        return SkillFile.from_parent(parent, path=file_path, nodeid=nodeid, run=run, skill_path=file_path)
    is_case = file_path.suffix == ".md" or file_path.name == TRIGGERS
    if is_case and file_path.parent.name == "evals" and parent.session.isinitpath(file_path):
        folder = file_path.parent.parent
        skill_path = next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)
        if skill_path is not None:
            # A case that is named alone gets the same id as if its whole skill is collected.
            nodeid = _nodeid(skill_path, root)
            return SkillFile.from_parent(parent, path=file_path, nodeid=nodeid, run=run, skill_path=skill_path)
    return None


def _nodeid(skill_path: Path, root: Path) -> str:
    """Return the id of a skill's file: its path relative to the rootdir, or its absolute path if it is elsewhere.

    pytest would name a file outside the rootdir relative to the argument that it was found by. Several skills would
    then all be called ``SKILL.md``.
    """
    return (skill_path.relative_to(root) if skill_path.is_relative_to(root) else skill_path).as_posix()


class SkillFile(pytest.File):
    """A SKILL.md with its cases. If ``path`` is the file of a case, it has only this case."""

    def __init__(self, *, run: Run, skill_path: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run = run
        self.skill_path = skill_path
        self.skill = skill_path.parent.name
        self.is_collected = False
        self.cases: list[Case] = []
        self.queries: tuple[Case, ...] = ()
        self.asked_queries: list[str] = []
        """The students that are asked which skill they would choose."""
        self.broken = 0
        self.arms: dict[str, list[str]] = {}
        """By student, the arms in which the student can be queried."""
        self.place = place_of(skill_path.parent, run.settings.rootdir)
        self.names: list[str] = []
        """Of all cases and queries, also of broken ones; empty if only some of them are collected."""

    def collect(self) -> Iterator[pytest.Item]:
        whole = self.path == self.skill_path
        if whole:
            yield self._item("spec", ItemKind.SPEC)
        cases = self.cases = []
        foreign: list[str] = []
        folder = self.skill_path.parent
        triggers = triggers_of(folder, self.skill) if whole or self.path.name == TRIGGERS else Triggers()
        files = case_files(folder) if whole else CaseFiles(() if self.path.name == TRIGGERS else (self.path,))
        listing = listing_of(folder / "evals")
        found_problems = (files.problem, listing.problem if listing else None, triggers.problem)
        problems = [one for one in found_problems if one is not None]
        for error in problems:
            yield self._item(error.path.name if error.path else "evals", ItemKind.BROKEN_CASE, problem=str(error))
        paths = files.paths
        for path, found in zip(paths, load_cases(paths, self.skill, folder), strict=True):
            if isinstance(found, NotACase):
                foreign.append(f"{self.skill}/evals/{path.name}")
            elif isinstance(found, CaseError):
                yield self._item(path.stem, ItemKind.BROKEN_CASE, problem=str(found))
            else:
                cases.append(found)
        if foreign:
            self._note(f"{NO_CASE}: {', '.join(foreign)}")
        self.is_collected, self.broken = True, len(paths) - len(cases) - len(foreign) + len(problems)
        wanted = self.arms = {student: self._arms_of(student, cases) for student in self.run.configs}
        _register_tags(self.config, cases)
        for case in cases:
            for student, student_arms in wanted.items():
                if self.run.student(student).can_answer(case):
                    yield from self._items_of(case, student, student_arms)
            if self.run.settings.self_check:
                yield self._item(f"{case.name}[mutants]", ItemKind.MUTANTS, case)
        self.queries = triggers.cases
        self.names = [*(path.stem for path in paths), *(one.name for one in (*cases, *self.queries))] if whole else []
        for student in self.run.configs:
            yield from self._choices_of(student)

    def _choices_of(self, student: str) -> Iterator[pytest.Item]:
        """Yield the items in which a student has to choose a skill for each query."""
        answering = [case for case in self.queries if self.run.student(student).can_answer(case)]
        if not answering or not self._may_answer(student, [self.run.settings.noise.arm(ARM)], answering):
            return
        self.asked_queries.append(student)
        for case in answering:
            for trial in range(1, self.run.settings.trials + 1):
                suffix = "" if trial == 1 else f"-{trial}"
                yield self._item(f"{case.name}[{student}{suffix}]", ItemKind.TRIGGER, case, student, None, trial)

    def warn_of_gaps(self, names: Collection[str]) -> None:
        """Warn of missing cases, replies and solutions.

        ``names`` are those of all cases and queries, also of other skills with this name, with which this one may share
        a folder of replies. If there are none, reply files are not checked.
        """
        cases = self.cases
        if not (cases or self.queries or self.broken or self.run.settings.self_check) and self.is_collected:
            self._note(f"skill {self.skill!r} has no case in its folder evals/: no student is asked")
        for student, possible in self.arms.items():
            folder = self.run.configs[student].folder
            if cases and not possible and folder is not None:
                named = ", ".join(asked_arms(self.run.settings.arms, self.run.settings.noise))
                expected = f"{folder}/{self.skill}/<case>.<arm>.md, with an arm of {named}"
                problem = f"student {student!r} has no reply for skill {self.skill!r}: expected {expected}"
                self._note(problem)
            elif names and isinstance(reader := self.run.student(student), FilesStudent):
                self._note_unused(student, reader, names)
        unsolved = [case.name for case in cases if case.kind == "kernel" and case.solution is None]
        if "golden" in self.arms and unsolved:
            held = "checked with wrong results only" if self.run.settings.self_check else "not checked"
            verb, cases_ = ("has" if len(unsolved) == 1 else "have"), plural(len(cases), "case")
            what = f"{len(unsolved)} of {cases_} {verb} no '## Solution', so {held}: {', '.join(unsolved)}"
            self._note(what)

    def _note_unused(self, student: str, reader: FilesStudent, known: Collection[str]) -> None:
        """Warn of reply files whose names no case and arm of the skill have."""
        place = self.skill if folder_of(reader.folder, self.skill).is_dir() else self.place
        if names := reader.unused(place, known):
            rule = "a reply is called <case>.<arm>.md, with the name of a case and an arm such as skill or baseline"
            self._note(f"student {student!r}: not used in {reader.folder}/{place}: {', '.join(names)}; {rule}")

    def _note(self, text: str) -> None:
        """Give a warning, but only once for a skill that several links lead to."""
        note = (self.skill_path.resolve(), text)
        if self.run.speaks and note not in self.run.noted:
            self.run.noted.add(note)
            self.warn(UpskillWarning(text))

    def _arms_of(self, student: str, cases: list[Case]) -> list[str]:
        """Return the arms in which this student can be queried. Students know an arm by its slug."""
        slugs = {arm: asked_arm(arm, self.run.settings.noise) for arm in self.run.settings.arms}
        possible = self._may_answer(student, list(slugs.values()), cases)
        return [arm for arm, slug in slugs.items() if slug in possible]

    def _may_answer(self, student: str, slugs: list[str], cases: list[Case]) -> set[str]:
        """Return those of the slugs that are of arms in which the student can be queried."""
        # Replies in files may be in a folder that belongs to this skill alone.
        names = [self.skill] if self.run.configs[student].folder is None else [self.place, self.skill]
        named = [case.name for case in cases]
        return {slug for name in names for slug in self.run.student(student).arms_for(name, tuple(slugs), named)}

    def _items_of(self, case: Case, student: str, student_arms: list[str]) -> Iterator[pytest.Item]:
        if self.run.configs[student].provider == PUBLISHED:
            case = replace(case, contract=PUBLISHED, language=PUBLISHED)
        kind = ItemKind.KERNEL if case.kind == "kernel" else ItemKind.TEXT
        if student == "golden":
            yield self._item(f"{case.name}[golden]", kind, case, student, "skill")
            return
        trials = self.run.settings.trials
        for arm in student_arms:
            before = trials if arm == arms.REPEAT else 0  # these trials follow those of the skill arm
            for trial in range(before + 1, before + trials + 1):
                suffix = "" if trial == 1 else f"-{trial}"
                yield self._item(f"{case.name}[{student}-{arms.slug(arm)}{suffix}]", kind, case, student, arm, trial)

    def _item(
        self, name: str, kind: ItemKind, case: Case | None = None, student: str | None = None, arm: str | None = None,
        trial: int = 1, problem: str | None = None,
    ) -> UpskillItem:  # fmt: skip
        settings = self.run.settings
        config = self.run.configs[student] if student else None
        repeated = concerning(case, self.run.repeated)
        recorded = is_recorded(settings, config, self.skill_path)
        replay = replay_options(repeated, config, arm, trial, recorded, self.run.seed)
        item_id = f"{self.nodeid}::{name}"
        task = Task(
            id=item_id,
            kind=kind,
            skill=self.skill,
            skill_path=self.skill_path,
            case=case,
            student=student,
            arm=arm,
            trial=trial,
            seed=item_seed(self.run.seed, item_id),
            examples=settings.examples,
            example=settings.example,
            replay=command(settings, self.skill_path, name, replay),
            replay_example=not (recorded and settings.turns > 1),
            record=command(settings, self.skill_path, name, record_options(repeated, student, arm, trial)),
            turns=settings.turns if kind is ItemKind.KERNEL else 1,
            disclosure=config.disclosure if config else "body",
            place=self.place,
            noise=settings.noise,
        )
        return UpskillItem.from_parent(self, name=name, nodeid=item_id, task=task, problem=problem)


def _register_tags(config: pytest.Config, cases: list[Case]) -> None:
    """Register the tags of cases as markers, so that ``--strict-markers`` accepts them."""
    known = {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")}
    for tag in dict.fromkeys(tag for case in cases for tag in case.tags if tag not in known):
        config.addinivalue_line("markers", f"{tag}: a tag of cases")


class UpskillItem(pytest.Item):
    """One question to one student, or one check of a skill. ``setup`` sets ``outcome``.

    ``setup`` does the work, because pytest reports an exception in it as an error and not as a failure, as is right for
    an infrastructure error. ``runtest`` raises or skips, depending on the verdict.
    """

    def __init__(self, *, task: Task, problem: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.task = task
        self.problem = problem
        self.outcome: Outcome | None = None
        self.gated, self.xfail = False, ""
        self.look_ahead: Callable[[], object] = lambda: None
        """Starts work on later items. ``setup`` calls it first."""
        self.add_marker(
            pytest.mark.upskill(
                skill=task.skill,
                case=task.case.name if task.case else None,
                student=task.student,
                arm=arms.slug(task.arm) if task.arm else None,
                trial=task.trial if task.kind is not ItemKind.MUTANTS else None,
            )
        )
        for tag in task.case.tags if task.case else ():
            self.add_marker(tag)

    @property
    def run(self) -> Run:
        """Return the run that this item belongs to."""
        assert isinstance(self.parent, SkillFile)
        return self.parent.run

    def judge_by(self, gates: Gates, known: Sequence[KnownFailure]) -> None:
        """Apply gates and known failures, once the names of all skills are final."""
        task = self.task
        asked = task.kind is ItemKind.TRIGGER or task.arm == arms.SKILL
        if task.case is None or task.student is None or self.run.settings.self_check or not asked:
            return
        self.gated = task.kind is not ItemKind.TRIGGER and bool(gates.of(task.skill, task.id))
        if task.student != "golden":
            names = (task.skill, task.case.name, task.student)
            listed = (one.reason for one in known if one.matches(*names))
            self.xfail = task.case.xfail or next(listed, "")
        if self.xfail:
            self.add_marker(pytest.mark.xfail(reason=printable(self.xfail), raises=KernelFailed))

    def _initrequest(self) -> None:
        """Plugins that run an item again call this to renew the item's fixtures. Our items have none."""

    def setup(self) -> None:
        if self.outcome is None or self.outcome.verdict.kind not in (VerdictKind.PASSED, VerdictKind.FAILED):
            self.outcome = replace(self._judged(), xfail=self.xfail)
        # else the item is run again, and its verdict stays: flaky kernels get no second chance
        verdict = self.outcome.verdict
        others = [one for one in self.user_properties if not one[0].startswith(junit_properties.PREFIX)]
        self.user_properties[:] = [*others, *junit_properties.properties(self.outcome)]
        for note in self.outcome.notes if self.task.kind is ItemKind.SPEC else ():
            self.warn(UpskillWarning(note))
        if self.run.until_decided:
            self.run.until_decided.note(self.outcome)
        if verdict.kind is VerdictKind.INFRASTRUCTURE_ERROR:
            raise InfrastructureError(verdict.reason)

    def _judged(self) -> Outcome:
        """Return the pipeline's outcome. An unexpected exception is raised again, after an outcome for the report was
        set.

        pytest.skip and pytest.fail are not verdicts on the reply: hooks call them, and pytest-timeout does so at any
        point.
        """
        if self.problem is not None:
            return self._unjudged(VerdictKind.FAILED, self.problem)
        try:
            if why := self.run.until_decided.reason(self.task) if self.run.until_decided else "":
                return self._unjudged(VerdictKind.NOT_NEEDED, why)
            self.look_ahead()
            outcome = self.run.pipeline.run(self.task)
        except pytest.skip.Exception as skipped:
            return self._unjudged(VerdictKind.INCONCLUSIVE, f"skipped by a hook: {skipped.msg}")
        except pytest.fail.Exception as stopped:
            why = "no verdict on the reply; allow the item more time, or correct the hook that calls pytest.fail"
            return self._unjudged(VerdictKind.INFRASTRUCTURE_ERROR, f"stopped: {stopped.msg}: {why}")
        except Exception as error:
            reason = f"unexpected {type(error).__name__}: {error}"
            self.outcome = self._unjudged(VerdictKind.INFRASTRUCTURE_ERROR, reason)
            raise
        for problem in self.run.replies.new_problems():
            self.warn(UpskillWarning(problem))
        return outcome

    def _unjudged(self, kind: VerdictKind, reason: str) -> Outcome:
        from pytest_upskill.execution.outcome import outcome_of

        outcome = outcome_of(self.task, Verdict(kind, reason))
        return replace(outcome, case=outcome.case or self.task.id.rpartition("::")[2])

    def runtest(self) -> None:
        assert self.outcome is not None
        verdict = self.outcome.verdict
        if verdict.kind is VerdictKind.INCONCLUSIVE:
            pytest.skip(one_line(self.outcome))
        if verdict.kind in SKIPPED:
            pytest.skip(printable(f"{verdict.kind}: {verdict.reason}"))
        free = self.gated and not self.outcome.xfail  # a gate judges these failures
        if verdict.kind is VerdictKind.FAILED and not free and not (self.task.arm and arms.is_control(self.task.arm)):
            raise KernelFailed(verdict.reason or "failed")

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the view of a failed item. An unexpected exception keeps its traceback."""
        if isinstance(excinfo.value, KernelFailed) and self.outcome is not None:
            return str(FailureRepr(self.outcome))
        if isinstance(excinfo.value, UpskillError):
            return printable(str(excinfo.value))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.task.skill_path, 0, self.name
