"""``upskill-gen triggers SKILL``: lets a teacher write queries, and a description with which a student chooses
rightly.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import click

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.triggers import FILE, triggers_of
from pytest_upskill.commands.generate.asking import AskOptions, asks_a_teacher
from pytest_upskill.commands.generate.progress import Progress
from pytest_upskill.commands.generate.refine import INTERRUPTED, KEPT, STATUSES, UNFINISHED, Refinement
from pytest_upskill.commands.generate.session import Session
from pytest_upskill.commands.generate.student_runs import Answers, Subject, cost_in_words
from pytest_upskill.configuration import values
from pytest_upskill.configuration.rootdir import rootdir_of
from pytest_upskill.configuration.settings import students_tables
from pytest_upskill.documents.frontmatter import read_text
from pytest_upskill.errors import BudgetStopped, SkillError, StudentError, UsageError, shown_path
from pytest_upskill.generator.answers import Refused
from pytest_upskill.generator.descriptions import (
    DescriptionChecks,
    DescriptionRefiner,
    description_question,
    halves,
    with_description,
)
from pytest_upskill.generator.experiment import Cost, Runner
from pytest_upskill.generator.files_teacher import AnswerMissing
from pytest_upskill.generator.open_student import student_config
from pytest_upskill.generator.open_teacher import teacher_config
from pytest_upskill.generator.questions import again
from pytest_upskill.generator.refine import Options, Refiner
from pytest_upskill.generator.resume import Begun
from pytest_upskill.generator.skill_lock import alone
from pytest_upskill.generator.teacher import Teacher
from pytest_upskill.generator.trigger_queries import as_text, queries_step, read_queries
from pytest_upskill.generator.version_checks import language_of
from pytest_upskill.paths import write_atomically
from pytest_upskill.records import Prompt
from pytest_upskill.replies.budget import worst_conversation
from pytest_upskill.skills.noise import Noise, shown
from pytest_upskill.skills.skill import MAX_DESCRIPTION, load_skill, skill_file
from pytest_upskill.students.base import StudentConfig

_UNNAMED = StudentConfig("none", "none")


def _noise(ctx: click.Context, parameter: click.Parameter, value: str) -> Noise:
    try:
        return values.noise(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("triggers", epilog=STATUSES.replace("training case", "training query"))
@click.argument("skill", metavar="SKILL", type=click.Path(path_type=Path))
@click.option(
    "--student", metavar="NAME", help="The student that chooses skills; without it, only the queries are written."
)
@click.option("--noise", metavar="N", default="20", show_default=True, callback=_noise,
              help="Number of other skills that the student sees; N:SEED selects other ones.")  # fmt: skip
@click.option("--queries", type=click.IntRange(10, 400), default=40, show_default=True,
              help="Queries to write, if there is no evals/triggers.json.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True, help="Maximum new descriptions.")
@click.option("--trials", type=click.IntRange(1, 100), default=1, show_default=True, help="Answers to each query.")
@asks_a_teacher
def command(
    skill: Path, student: str | None, noise: Noise, queries: int, rounds: int, trials: int, options: AskOptions
) -> None:
    """Improve the description of a skill from the choices of a student.

    If the skill has no evals/triggers.json, the teacher first writes it: queries for which an agent should open the
    skill, and near misses. Then the teacher sees every second query with the student's choice, and writes a new
    description. It replaces the old one only if it is significantly better on the other queries, which are held out:
    exact one-sided p of at most 0.05, after Holm's correction for all rounds. Each round is a file in evals/history/.
    """
    progress, skill_path = Progress(), skill_file(skill).absolute()
    load_skill(skill_path)
    found = triggers_of(skill_path.parent, skill_path.parent.name)
    if found.problem is not None:
        raise found.problem
    if found.cases and student is None:
        rule = "name the student that is to choose with --student=NAME"
        raise UsageError(f"{shown_path(skill_path.parent / 'evals' / FILE)} has its queries already; {rule}")
    rootdir = rootdir_of(skill_path, Path.cwd())
    tables = students_tables(rootdir / "pyproject.toml")
    config = _UNNAMED if student is None else student_config(student, tables, Path.cwd())
    text = read_text(skill_path, SkillError)
    subject = Subject(skill_path, text, found.cases, rootdir, tables, config)
    own = Options(rounds, trials, options.attempts, language=language_of(shown(skill_path, text).description))
    choosing = Choosing(subject, *halves(found.cases), own, options, progress, noise=noise, queries=queries)
    try:
        with contextlib.nullcontext() if options.dry_run else alone(skill_path.parent):
            status = choosing.run()
    except KeyboardInterrupt:
        status = INTERRUPTED
        progress.line(ended := "interrupted; answers are stored, and the same command continues")
        if options.as_json:
            choosing.end(status, ended)
    click.get_current_context().exit(status)


for _option in command.params:
    if isinstance(_option, click.Option) and _option.name == "device":
        _option.hidden = True  # no kernel runs here


@dataclass
class Choosing(Refinement):
    """One call of the command. If the skill has no queries, the teacher first writes ``queries`` of them."""

    called: ClassVar[str] = "triggers"
    nouns: ClassVar[tuple[str, str]] = ("training query", "training queries")
    more: ClassVar[str] = f"add queries to evals/{FILE}"

    queries: int = 40
    _session: Session | None = None

    def run(self) -> int:
        """Run the command and return its exit status."""
        self.plain["noise"] = str(self.noise)
        try:
            if not self.subject.cases and (status := self._with_queries()) is not None:
                return status
            return super().run()
        finally:
            if self._session is not None:  # only the rounds would close it, and they have not begun
                self._session.close()

    def begin_session(self) -> Session:
        """Return one session for both the queries and the descriptions, so that they share the budget."""
        session, self._session = self._session or super().begin_session(), None
        return session

    def refiner(self, runner: Runner, teacher: Teacher, begun: Begun, total: int) -> Refiner:
        path, queries = self.subject.skill_path, [*self.training, *self.held_out]
        return DescriptionRefiner(
            runner, teacher, self.training, self.held_out, self.own,
            DescriptionChecks(path, queries, self.own.language).problems,
            seen=Answers(self.progress, total), done=lambda one: self.round_done(one, teacher, begun),
            skill_path=path, noise=self.noise,
        )  # fmt: skip

    def longest_version(self) -> str:
        four_bytes_each = "x" * (4 * MAX_DESCRIPTION)
        return with_description(self.subject.text, four_bytes_each, self.subject.skill_path)

    def longest_question(self, number: int) -> Prompt:
        longest = self.longest_version()
        tried = ["x" * (4 * MAX_DESCRIPTION + 100)] * (number - 1)
        feedback = "\n".join(f"{case.task!r} {'x' * 100}" for case in self.training)
        return description_question(self.subject.skill_path, longest, self.noise, (10**6,) * 3, tried, feedback)

    def _with_queries(self) -> int | None:
        """Have the teacher write the queries. Return the exit status if the command ends after that, else None."""
        subject, options = self.subject, self.options
        chosen = teacher_config(options.teacher, subject.tables, Path.cwd())
        step = queries_step(subject.skill_path, subject.text, self.queries)
        if isinstance(chosen, StudentConfig):
            worst = worst_conversation(chosen, step.prompt, self.own.attempts)
            cost = sum((Cost(1, 0, one.tokens, one.usd) for one in worst), Cost())
            self.progress.line(f"queries: {cost_in_words(chosen.name, cost)}")
        if options.dry_run:
            click.echo(step.prompt.text if not options.as_json else "", nl=not options.as_json)
            return self.end(KEPT, "dry run: nothing was asked; the teacher writes the queries first")
        self._session = super().begin_session()
        ended = self._ask_for_queries(chosen)
        if isinstance(ended, tuple):
            return self.end(*ended)
        self.subject = replace(subject, cases=tuple(ended))
        self.training, self.held_out = halves(ended)
        path = shown_path(subject.evals / FILE)
        self.progress.line(f"{path} has {len(ended)} queries, written by {options.teacher}: read them")
        if subject.student is _UNNAMED:
            then = "read them; then --student=NAME improves the description"
            return self.end(KEPT, f"{path} has {len(ended)} queries; {then}")
        return None

    def _ask_for_queries(self, chosen: StudentConfig | Path) -> list[Case] | tuple[Any, ...]:
        """Return the queries after writing them to the file, or the arguments for ``end`` if there are none."""
        subject, path = self.subject, self.subject.evals / FILE
        assert self._session is not None
        step = queries_step(subject.skill_path, subject.text, self.queries)
        teacher = self._session.open_teacher(chosen, subject.name, self.progress)
        try:
            for _ in range(self.own.attempts):
                self.progress.say(step.name, f"asked (attempt {step.attempt})")
                reply = teacher.ask(step).result()
                try:
                    found = read_queries(reply, path, subject.name, self.queries)
                except Refused as error:
                    self.progress.line(f"{step.name}: attempt {step.attempt} refused: {error}")
                    step = again(step, reply, error)
                    continue
                path.parent.mkdir(exist_ok=True)
                write_atomically(path, as_text(found))
                return found
            what = "the teacher gave no valid list of queries; a higher --attempts asks again"
            return UNFINISHED, f"{what}, or write {shown_path(path)} yourself"
        except AnswerMissing as error:
            missing = [{"prompt": shown_path(error.prompt), "answer": shown_path(error.answer)}]
            where = f"answer {shown_path(error.prompt)} in {shown_path(error.answer)}"
            return UNFINISHED, f"{where}; then run the same command again: it continues from here", missing
        except (BudgetStopped, StudentError) as error:
            return UNFINISHED, f"stopped: {error}"
        finally:
            teacher.close()
            self.plain["spent"] = self._session.plain()
