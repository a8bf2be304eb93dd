"""What the commands that run a student share: the skill and its cases, the student, the estimate, the answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_cases
from pytest_upskill.commands.generate.progress import Progress
from pytest_upskill.commands.generate.session import Session
from pytest_upskill.configuration.rootdir import rootdir_of
from pytest_upskill.configuration.settings import students_tables
from pytest_upskill.documents.frontmatter import read_text
from pytest_upskill.errors import NotACase, SkillError, UsageError, shown_path
from pytest_upskill.generator.experiment import Cost, Experiment
from pytest_upskill.generator.open_student import open_student, student_config
from pytest_upskill.records import Outcome, VerdictKind
from pytest_upskill.replies.ledger import in_usd
from pytest_upskill.reporting.failure import one_line
from pytest_upskill.reporting.lift import DECIDED
from pytest_upskill.reporting.text_style import plural
from pytest_upskill.skills.case_files import case_files
from pytest_upskill.skills.noise import NO_NOISE, Noise
from pytest_upskill.skills.skill import load_skill, skill_file
from pytest_upskill.students import judges
from pytest_upskill.students.base import StudentConfig


@dataclass(frozen=True, slots=True)
class Subject:
    """A skill to run a student on, with the ``judges`` of its rubrics.

    ``rootdir`` is pytest's rootdir. Its ledger also has the replies of pytest's runs.
    """

    skill_path: Path
    text: str
    cases: tuple[Case, ...]
    rootdir: Path
    tables: Mapping[str, Mapping[str, Any]]
    student: StudentConfig
    judges: tuple[StudentConfig, ...] = ()

    @property
    def asked(self) -> str:
        """Return the names of the student and of its judges, in words."""
        named = " or ".join(one.name for one in self.judges)
        return f"{self.student.name}, judged by {named}" if named else self.student.name

    @property
    def name(self) -> str:
        return self.skill_path.parent.name

    @property
    def evals(self) -> Path:
        return self.skill_path.parent / "evals"


def subject_of(path: Path, student: str, progress: Progress) -> Subject:
    """Return the skill at ``path`` with the student of that name. Cases that cannot be read are left out, with a
    message.

    Raises SkillError, UsageError, and CaseError for a 'cases.yaml' that cannot be used.
    """
    skill_path = skill_file(path).absolute()
    load_skill(skill_path)
    rootdir = rootdir_of(skill_path, Path.cwd())
    tables = students_tables(rootdir / "pyproject.toml")
    config, cases = student_config(student, tables, Path.cwd()), list[Case]()
    files = case_files(skill_path.parent)
    if files.problem is not None:
        raise files.problem
    for found in load_cases(files.paths, skill_path.parent.name, skill_path.parent):
        if isinstance(found, Case):
            cases.append(found)
        elif not isinstance(found, NotACase):
            progress.line(f"left out: {found}")
    if not cases:
        raise SkillError("the skill has no case to ask a student for: 'upskill-gen add-cases' adds some", skill_path)
    return Subject(skill_path, read_text(skill_path, SkillError), tuple(cases), rootdir, tables, config)


JUDGE = click.option(
    "--judge", metavar="NAME",
    help="The model that judges rubrics; of several (a,b), the first one of another family than the student's.",
)  # fmt: skip


def with_judges(subject: Subject, judge: str | None, progress: Progress) -> Subject:
    """Return the subject with the judges that the user names. Without a judge, cases with a rubric are left out, with a
    message.

    Raises UsageError if ``judge`` does not name a judge, or if no case is left.
    """
    found = judges.resolve([judge or ""], subject.tables, Path.cwd(), [subject.student], option="--judge")
    if judge and not found:
        raise UsageError(f"--judge: {judge!r} names no model; name one of the students, or leave the option out")
    kept = [one for one in subject.cases if found or one.expect is None or not one.expect.rubric]
    step = "name a model that judges it with --judge=NAME"
    for case in subject.cases:
        if case not in kept:
            progress.line(f"left out: {case.name}: it has a rubric; {step}")
    if not kept:
        raise UsageError(f"every case of {shown_path(subject.skill_path)} has a rubric; {step}")
    return replace(subject, cases=tuple(kept), judges=tuple(found.values()))


@contextlib.contextmanager
def running(
    subject: Subject, session: Session, device: str, progress: Progress, noise: Noise = NO_NOISE
) -> Iterator[Experiment]:
    """Yield the experiment of a subject, and close student, servers and ledger afterwards.

    After an exception, open requests are dropped instead of waited for.
    """
    everyone = {one.name: one for one in (subject.student, *subject.judges)}
    opened = {name: open_student(one, subject.rootdir, session.limits, progress.line) for name, one in everyone.items()}
    experiment = Experiment(
        subject.skill_path, opened[subject.student.name][0], session.ledger, subject.rootdir,
        device=device, noise=noise, judges=[opened[one.name][0] for one in subject.judges],
    )  # fmt: skip
    whole = False
    try:
        yield experiment
        whole = True
    finally:
        experiment.close(at_once=not whole)
        for problem in experiment.problems():
            progress.line(problem)
        for _, servers in opened.values():
            if servers is not None:
                servers.stop()


def cost_in_words(name: str, cost: Cost) -> str:
    """Return a text such as ``pupil: 24 questions at most, at most $0.12, 40,000 tokens; 8 stored answers``."""
    usd = "its price is not known" if cost.usd is None else f"at most {in_usd(cost.usd)}"
    asked = f"{plural(cost.asked, 'question')} at most, {usd}, {cost.tokens:,} tokens" if cost.asked else "no question"
    stored = f"; {plural(cost.stored, 'stored answer')}" if cost.stored else ""
    return f"{name}: {asked}{stored}"


class Answers:
    """Shows each answer of a student when it arrives, and counts the results without a verdict on the student."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._told: set[str] = set()

    def __call__(self, outcome: Outcome) -> None:
        self._done += 1
        kind = outcome.verdict.kind
        why = "" if kind is VerdictKind.PASSED else f": {one_line(outcome)}"
        if kind in DECIDED or (outcome.verdict.reason or "") not in self._told:
            self._told.add(outcome.verdict.reason or "")
            trial = f", trial {outcome.trial}" if (outcome.trial or 1) > 1 else ""
            what = f"{outcome.case} ({outcome.arm}{trial}): {kind.value}{why}"
            self._progress.say(f"answer {self._done} of at most {max(self._total, self._done)}", what)
