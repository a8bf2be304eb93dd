"""Skills as pytest nodes: a SKILL.md is a file; each combination of case, student, arm and trial is an item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_cases
from pytest_upskill.errors import CaseError, InfrastructureError, UpskillError
from pytest_upskill.execution.seeds import item_seed
from pytest_upskill.records import ItemKind, Outcome, Verdict, VerdictKind
from pytest_upskill.session.repeat_command import command, record_options, replay_options
from pytest_upskill.skills import arms
from pytest_upskill.skills.skill import FILE_NAMES, case_paths

if TYPE_CHECKING:
    from _pytest._code.code import ExceptionInfo

    from pytest_upskill.execution.task import Task
    from pytest_upskill.session.run import Run


class UpskillWarning(pytest.PytestWarning):
    """Advice on a skill that violates no rule of the specification."""


class KernelFailed(AssertionError):
    """An item's verdict is ``failed``; the outcome says why."""


def collect_file(run: Run, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A collector for a SKILL.md, or for a case that was itself named on the command line."""
    if file_path.name in FILE_NAMES:
        return SkillFile.from_parent(parent, path=file_path, run=run, skill_path=file_path)
    if file_path.suffix == ".md" and file_path.parent.name == "evals" and parent.session.isinitpath(file_path):
        skill_path = _skill_of(file_path)
        if skill_path is not None:
            nodeid = _node_id(skill_path, parent.config.rootpath)
            return SkillFile.from_parent(parent, path=file_path, nodeid=nodeid, run=run, skill_path=skill_path)
    return None


def _skill_of(case_path: Path) -> Path | None:
    folder = case_path.parent.parent
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)


def _node_id(path: Path, rootdir: Path) -> str:
    """A case that is named alone has the same id as when its skill is collected."""
    return path.relative_to(rootdir).as_posix() if path.is_relative_to(rootdir) else path.as_posix()


class SkillFile(pytest.File):
    """A SKILL.md with its cases; or one of its cases, if ``path`` is that case's file."""

    def __init__(self, *, run: Run, skill_path: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run = run
        self.skill_path = skill_path
        self.skill = skill_path.parent.name

    def collect(self) -> Iterator[pytest.Item]:
        whole = self.path == self.skill_path
        if whole:
            yield self._item("spec", self._task(ItemKind.SPEC, None, None, None, 1, "spec"))
        cases: list[Case] = []
        paths = case_paths(self.skill_path.parent) if whole else [self.path]
        for path, found in zip(paths, load_cases(paths, self.skill), strict=True):
            if isinstance(found, CaseError):
                task = self._task(ItemKind.BROKEN_CASE, None, None, None, 1, path.stem)
                yield self._item(path.stem, task, problem=str(found))
            else:
                cases.append(found)
        wanted = {student: self._arms_of(student, cases) for student in self.run.student_names}
        self._warn_of_gaps(cases, wanted)
        for case in cases:
            for student, student_arms in wanted.items():
                if self.run.student(student).can_answer(case):
                    yield from self._items_of(case, student, student_arms)
            if self.run.settings.self_check and case.kind == "kernel":
                name = f"{case.name}[mutants]"
                yield self._item(name, self._task(ItemKind.MUTANTS, case, None, None, 1, name))

    def _warn_of_gaps(self, cases: list[Case], wanted: dict[str, list[str]]) -> None:
        """Warns of replies and solutions that are missing."""
        for student, possible in wanted.items():
            folder = self.run.config(student).folder
            if cases and not possible and folder is not None:
                self.warn(
                    UpskillWarning(
                        f"student {student!r} has no reply for skill {self.skill!r}: expected "
                        f"{folder}/{self.skill}/<case>.<arm>.md, with an arm of {', '.join(self.run.settings.arms)}"
                    )
                )
        unsolved = [case.name for case in cases if case.kind == "kernel" and case.solution is None]
        if "golden" in wanted and unsolved:
            held = "checked with wrong results only" if self.run.settings.self_check else "not checked"
            self.warn(UpskillWarning(f"no '## Solution', so {held}: {', '.join(unsolved)}"))

    def _arms_of(self, student: str, cases: list[Case]) -> list[str]:
        """The arms in which this student can be queried; students know an arm by its slug."""
        slugs = {arms.slug(arm): arm for arm in self.run.settings.arms}
        possible = self.run.student(student).arms_for(self.skill, tuple(slugs), [case.name for case in cases])
        return [slugs[slug] for slug in possible]

    def _items_of(self, case: Case, student: str, student_arms: list[str]) -> Iterator[pytest.Item]:
        kind = ItemKind.KERNEL if case.kind == "kernel" else ItemKind.TEXT
        if student == "golden":
            name = f"{case.name}[golden]"
            yield self._item(name, self._task(kind, case, student, "skill", 1, name))
            return
        for arm in student_arms:
            for trial in range(1, self.run.settings.trials + 1):
                suffix = "" if trial == 1 else f"-{trial}"
                name = f"{case.name}[{student}-{arms.slug(arm)}{suffix}]"
                yield self._item(name, self._task(kind, case, student, arm, trial, name))

    def _task(
        self, kind: ItemKind, case: Case | None, student: str | None, arm: str | None, trial: int, name: str
    ) -> Task:
        from pytest_upskill.execution.task import Task

        settings = self.run.settings
        config = self.run.config(student) if student else None
        item_id = f"{self.nodeid}::{name}"
        return Task(
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
            replay=command(settings, self.skill_path, name, replay_options(settings, config, arm, trial)),
            record=command(settings, self.skill_path, name, record_options(settings, student, arm, trial)),
            turns=settings.turns if kind is ItemKind.KERNEL else 1,
            disclosure=config.disclosure if config else "body",
        )

    def _item(self, name: str, task: Task, problem: str | None = None) -> UpskillItem:
        nodeid = f"{self.nodeid}::{name}"
        return UpskillItem.from_parent(self, name=name, nodeid=nodeid, task=task, problem=problem)


class UpskillItem(pytest.Item):
    """One question to one student, or one check of a skill. ``setup`` sets ``outcome``.

    ``setup`` does the work, so that an infrastructure error is an error for pytest, not a failure; ``runtest`` raises
    or skips according to the verdict.
    """

    def __init__(self, *, task: Task, problem: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.task = task
        self.problem = problem
        self.outcome: Outcome | None = None
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
            self.extra_keyword_matches.add(tag)

    @property
    def run(self) -> Run:
        """The run that this item belongs to."""
        assert isinstance(self.parent, SkillFile)
        return self.parent.run

    def setup(self) -> None:
        if self.problem is not None:
            self.outcome = unjudged(self.task, VerdictKind.FAILED, self.problem)
        else:
            self.outcome = self._judged()
            for problem in self.run.replies.new_problems():
                self.warn(UpskillWarning(problem))
        verdict = self.outcome.verdict
        self.user_properties.append(("upskill_verdict", str(verdict.kind)))
        for note in self.outcome.notes if self.task.kind is ItemKind.SPEC else ():
            self.warn(UpskillWarning(note))
        if verdict.kind is VerdictKind.INFRASTRUCTURE_ERROR:
            raise InfrastructureError(verdict.reason)

    def _judged(self) -> Outcome:
        """The pipeline's outcome. An unexpected exception is raised again; the report has an outcome all the same."""
        try:
            return self.run.pipeline.run(self.task)
        except Exception as error:
            reason = f"unexpected {type(error).__name__}: {error}"
            self.outcome = unjudged(self.task, VerdictKind.INFRASTRUCTURE_ERROR, reason)
            raise

    def runtest(self) -> None:
        assert self.outcome is not None
        verdict = self.outcome.verdict
        if verdict.kind in (VerdictKind.INCONCLUSIVE, VerdictKind.BUDGET_STOPPED):
            from pytest_upskill.reporting.text_style import printable

            pytest.skip(printable(f"{verdict.kind}: {verdict.reason}"))
        if verdict.kind is VerdictKind.FAILED and not (self.task.arm and arms.is_control(self.task.arm)):
            raise KernelFailed(verdict.reason or "failed")

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The view of a failed item; an unexpected exception keeps its traceback."""
        if isinstance(excinfo.value, KernelFailed) and self.outcome is not None:
            from pytest_upskill.reporting.failure import failure_lines

            return "\n".join(failure_lines(self.outcome, width=100, color=False))
        if isinstance(excinfo.value, UpskillError):
            from pytest_upskill.reporting.text_style import printable

            return printable(str(excinfo.value))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.task.skill_path, 0, self.name


def unjudged(task: Task, kind: VerdictKind, reason: str) -> Outcome:
    """The outcome of an item that was not judged."""
    judged = task.student is not None
    return Outcome(
        id=task.id,
        kind=task.kind,
        skill=task.skill,
        case=task.case.name if task.case else task.id.rpartition("::")[2],
        verdict=Verdict(kind, reason=reason),
        student=task.student,
        arm=arms.slug(task.arm) if task.arm else None,
        trial=task.trial if judged else None,
        replay=task.replay,
    )
