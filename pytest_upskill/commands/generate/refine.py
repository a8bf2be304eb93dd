"""``upskill-gen refine SKILL --student NAME``: lets a teacher improve a skill. Held-out cases decide what is kept."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import click

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.provenance import Provenance, Written, read_provenance, write_provenance
from pytest_upskill.commands.generate.asking import AskOptions, asks_a_teacher
from pytest_upskill.commands.generate.progress import Progress
from pytest_upskill.commands.generate.session import Session
from pytest_upskill.commands.generate.student_runs import (
    JUDGE,
    Answers,
    Subject,
    cost_in_words,
    running,
    subject_of,
    with_judges,
)
from pytest_upskill.configuration.values import names
from pytest_upskill.documents.frontmatter import read_text
from pytest_upskill.errors import BudgetStopped, SkillError, StudentError, UsageError, shown_path
from pytest_upskill.execution.task import place_of
from pytest_upskill.generator import round_file
from pytest_upskill.generator.case_parts import parts_of
from pytest_upskill.generator.experiment import SKILL, Cost, Runner, version
from pytest_upskill.generator.files_teacher import AnswerMissing
from pytest_upskill.generator.open_teacher import teacher_config
from pytest_upskill.generator.refine import (
    NOTHING_TO_LEARN,
    Ending,
    Options,
    Refined,
    Refiner,
    Round,
    longest_question,
    what_can_be_decided,
)
from pytest_upskill.generator.resume import Begun, begin
from pytest_upskill.generator.skill_lock import alone
from pytest_upskill.generator.teacher import Teacher
from pytest_upskill.generator.version_checks import VersionChecks, language_of
from pytest_upskill.paths import write_atomically
from pytest_upskill.records import Prompt
from pytest_upskill.replies.budget import worst_conversation
from pytest_upskill.reporting.text_style import plural, printable
from pytest_upskill.skills.noise import NO_NOISE, Noise
from pytest_upskill.skills.skill import BYTES_PER_TOKEN, MAX_TOKENS, parse_skill, tokens_of
from pytest_upskill.students import families
from pytest_upskill.students.base import StudentConfig

KEPT, UNDECIDED, UNFINISHED, INTERRUPTED = 0, 7, 3, 130
STATUSES = (
    "The exit status is 0 if a version was kept or no training case failed, 7 if nothing was kept, 2 for a usage "
    "error, and 3 if answers are missing or the budget is used up: run the same command again to continue."
)


@click.command("refine", epilog=STATUSES)
@click.argument("skill", metavar="SKILL", type=click.Path(path_type=Path))
@click.option("--student", metavar="NAME", required=True, help="The student whose failures are shown to the teacher.")
@JUDGE
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True, help="Maximum new versions.")
@click.option("--target", metavar="TOKENS", type=click.IntRange(50), help="Maximum tokens of the skill's text.")
@click.option(
    "--trials", type=click.IntRange(1, 100), default=1, show_default=True, help="Answers to each case and version."
)
@click.option("--held-out", metavar="CASES", help="The held-out cases, separated by commas.  [default: as recorded]")
@asks_a_teacher
def command(
    skill: Path,
    student: str,
    judge: str | None,
    rounds: int,
    target: int | None,
    trials: int,
    held_out: str | None,
    options: AskOptions,
) -> None:
    """Improve a skill from the counterexamples of a student.

    The teacher sees the failures in training cases and writes a new SKILL.md. The new version replaces the old one
    only if it is significantly better on held-out cases, which the teacher never sees: exact one-sided p of at most
    0.05, after Holm's correction for all rounds. Each round is a file in evals/history/.
    """
    progress = Progress()
    subject = with_judges(subject_of(skill, student, progress), judge, progress)
    record = read_provenance(subject.evals)
    training, exam = parts_of(subject.cases, names(held_out) if held_out else ())
    language = language_of(subject.text, record.language if record and record.cases else "")
    limit = target or max(MAX_TOKENS, tokens_of(subject.text))
    own = Options(rounds, trials, options.attempts, limit, language=language)
    refinement = Refinement(subject, training, exam, own, options, progress)
    try:
        with contextlib.nullcontext() if options.dry_run else alone(subject.skill_path.parent):
            status = refinement.run()
    except KeyboardInterrupt:
        status, text = INTERRUPTED, "interrupted; answers are stored, and the same command continues"
        progress.line(text)
        if options.as_json:
            refinement.end(status, text)
    click.get_current_context().exit(status)


@dataclass
class Refinement:
    """One call of the command. A subclass may refine another text than the whole skill."""

    called: ClassVar[str] = "refine"
    nouns: ClassVar[tuple[str, str]] = ("training case", "training cases")
    more: ClassVar[str] = "add cases with 'upskill-gen add-cases', or name them with --held-out"

    subject: Subject
    training: Sequence[Case]
    held_out: Sequence[Case]
    own: Options
    options: AskOptions
    progress: Progress
    plain: dict[str, Any] = field(default_factory=dict)
    noise: Noise = NO_NOISE

    def run(self) -> int:
        """Run the command and return its exit status."""
        subject, options = self.subject, self.options
        chosen = teacher_config(options.teacher, subject.tables, Path.cwd())
        self._say_what_it_is(chosen)
        decidable, more = what_can_be_decided(len(self.held_out), self.own.rounds)
        self._note("decidable", decidable)
        if more or not self.training:
            step = self.more
            if more and len(self.held_out) >= 5:
                step = f"--rounds 1 needs 5; or {step}"
            what = f"INCONCLUSIVE: {decidable}" if more else "INCONCLUSIVE: no case is left for training"
            return self.end(UNDECIDED, f"{what}; {step}. Nothing was asked.")
        session = self.begin_session()
        try:
            with running(subject, session, options.device, self.progress, self.noise) as runner:
                cost = self._student_cost(runner)
                self._tell_cost(chosen, cost)
                if options.dry_run:
                    return self.end(
                        KEPT, "dry run: nothing was asked; the teacher's question follows from what the student answers"
                    )
                return self._asked(chosen, runner, session, cost)
        finally:
            session.close()

    def begin_session(self) -> Session:
        """Return a new session. ``run`` closes the session's ledger at the end."""
        return Session(self.subject.rootdir, self.options.limits)

    def _asked(self, chosen: StudentConfig | Path, runner: Runner, session: Session, cost: Cost) -> int:
        subject = self.subject
        settings = [subject.student, str(chosen), self.own, self._texts(), *subject.judges]
        teacher = session.open_teacher(chosen, subject.name, self.progress)
        place = place_of(subject.skill_path.parent, subject.rootdir)
        place += "" if self.called == "refine" else f"-{self.called}"
        begun, again = begin(subject.rootdir, place, [str(one) for one in settings], subject.text)
        if again:
            self.progress.line("an interrupted command continues: what was answered is taken from the stored answers")
        try:
            with self.progress:
                refined = self.refiner(runner, teacher, begun, cost.asked + cost.stored).run(begun.start)
        except AnswerMissing as error:
            missing = [{"prompt": shown_path(error.prompt), "answer": shown_path(error.answer)}]
            where = f"answer {shown_path(error.prompt)} in {shown_path(error.answer)}"
            return self.end(UNFINISHED, f"{where}; then run the same command again: it continues from here", missing)
        except BudgetStopped as error:
            return self.end(UNFINISHED, f"stopped: {error}")
        except StudentError as error:
            return self.end(UNFINISHED, f"stopped: {error}; the same command continues from here")
        finally:
            teacher.close()
            self.plain["spent"] = session.plain()
            if spent := session.spent():
                self.progress.line(f"spent: {spent}")
        begun.end()
        return self._finish(refined)

    def refiner(self, runner: Runner, teacher: Teacher, begun: Begun, total: int) -> Refiner:
        """Return the object that runs the rounds. ``total`` is the maximum number of the student's answers."""
        checks = VersionChecks(
            self.subject.skill_path, self.training, self.held_out, self.own.target, self.own.language
        )
        return Refiner(
            runner, teacher, self.training, self.held_out, self.own, checks.problems,
            seen=Answers(self.progress, total), done=lambda one: self.round_done(one, teacher, begun),
        )  # fmt: skip

    def round_done(self, one: Round, teacher: Teacher, begun: Begun) -> None:
        """Write the results of a round: first the kept text, then its record, then the file of the round.

        An interrupt between any two of these steps does no harm.
        """
        subject, text = self.subject, one.proposal.text
        if one.kept and text is not None:
            self._check_unchanged(one.old, text)
            begun.note_kept(text)
            write_atomically(subject.skill_path.resolve(), text)
            if (record := read_provenance(subject.evals)) is not None:  # read now: 'freeze' may have changed it
                write_provenance(subject.evals, replace_skill(record, one, teacher))
        by = round_file.By(_called(subject.student.name, subject.student.model), _called(teacher.name, teacher.model))
        path = round_file.write_round(subject.evals, one, self.own, by, subject.skill_path.name)
        self.progress.line(f"round {one.number} of {self.own.rounds}: {_in_words(one)} ({shown_path(path)})")
        self.plain.setdefault("rounds", []).append({**_plain_round(one), "file": str(path)})

    def _check_unchanged(self, old: str, new: str) -> None:
        """Raise UsageError if the skill was edited while the command ran. The new version is then kept in a file beside
        it.
        """
        path = self.subject.skill_path
        if read_text(path, SkillError) in (old, new):
            return
        beside = path.with_name(f"{path.stem}.kept.md")
        write_atomically(beside, new)
        rule = "it is not replaced; merge the two, then remove the other"
        raise UsageError(f"{shown_path(path)} was edited while the command ran: {rule}: {shown_path(beside)} is kept")

    def _finish(self, refined: Refined) -> int:
        why = f" ({refined.why})" if refined.why else ""
        if refined.kept:
            kept = sum(one.kept for one in refined.rounds)
            path = shown_path(self.subject.skill_path)
            return self.end(KEPT, f"{path} is replaced: {plural(kept, 'new version')} kept{why}; 'git diff' shows it")
        if not refined.rounds and refined.why == NOTHING_TO_LEARN:
            return self.end(KEPT, refined.why)
        tried = plural(sum(one.proposal.text is not None for one in refined.rounds), "new version")
        return self.end(UNDECIDED, f"INCONCLUSIVE: {tried} tried, none kept; the old text stays{why}")

    def end(self, status: int, text: str, missing: Sequence[dict[str, str]] = ()) -> int:
        """Print the last message of the command, as a line or as JSON, and return the exit status."""
        if not self.options.as_json:
            click.echo(printable(text))
            return status
        facts = {
            "command": self.called,
            "skill": str(self.subject.skill_path.parent),
            "student": self.subject.student.name,
            "judges": [one.name for one in self.subject.judges],
            "teacher": self.options.teacher,
            "training": [case.name for case in self.training],
            "held_out": [case.name for case in self.held_out],
            "kept": any(one["ending"] == Ending.KEPT for one in self.plain.get("rounds", [])),
            "rounds": [],
            **self.plain,
            "missing": list(missing),
            "result": text,
            "exit_status": status,
        }
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        return status

    def _note(self, key: str, text: str) -> None:
        self.plain[key] = text
        self.progress.line(text)

    def _say_what_it_is(self, chosen: StudentConfig | Path) -> None:
        subject = self.subject
        count = f"{len(self.training)} {self.nouns[len(self.training) != 1]}, {len(self.held_out)} held out"
        self.progress.line(f"{subject.name}: about {tokens_of(subject.text)} tokens; {count}")
        if isinstance(chosen, StudentConfig) and (same := families.warning(chosen.model, subject.student.model)):
            self._note("warning", f"warning: {same}")
        if earlier := round_file.earlier_rounds(subject.evals):
            rule = "the p values allow for the rounds of one command only; new held-out cases make up for it"
            self.progress.line(
                f"note: {plural(earlier, 'earlier round')} in {shown_path(subject.evals)}/history: {rule}"
            )

    def longest_version(self) -> str:
        """Return a SKILL.md that is at least as long, as the student sees it, as any new version can be."""
        # A version of the largest size may be all body, or all frontmatter, which a student with tools sees twice.
        largest = self.own.target * BYTES_PER_TOKEN * (2 if self.subject.student.disclosure == "tools" else 1)
        body = parse_skill(self.subject.text, self.subject.skill_path).body
        return self.subject.text + "x" * max(largest - len(body.encode(errors="replace")), 1)

    def _student_cost(self, runner: Runner) -> Cost:
        """Return the maximum cost of the student's answers, assuming that each round has a new version of the largest
        size.
        """
        present, rounds, trials = replace(SKILL, text=self.subject.text), self.own.rounds, self.own.trials
        longest = version(self.longest_version())
        every = [*self.training, *self.held_out]
        return runner.cost(every, [present], trials) + runner.cost(every, [longest], trials) * rounds

    def _tell_cost(self, chosen: StudentConfig | Path, student: Cost) -> None:
        self._note("student_estimate", cost_in_words(self.subject.asked, student))
        if isinstance(chosen, StudentConfig):
            cost = Cost()
            for number in range(1, self.own.rounds + 1):
                for one in worst_conversation(chosen, self.longest_question(number), self.own.attempts):
                    cost += Cost(1, 0, one.tokens, one.usd)
            self._note("teacher_estimate", cost_in_words(chosen.name, cost))

    def longest_question(self, number: int) -> Prompt:
        """Return a question that is at least as long as the teacher's question in round ``number`` can be."""
        return longest_question(self.own, self.subject.text, number)

    def _texts(self) -> dict[str, list[str]]:
        """Return name and digest of each case, by part: ``training`` and ``held-out``."""
        parts = (("training", self.training), ("held-out", self.held_out))
        return {part: [f"{case.name} {case.text_hash}" for case in cases] for part, cases in parts}


def replace_skill(record: Provenance, one: Round, teacher: Teacher) -> Provenance:
    """Return the record with the teacher and the answer that wrote the kept text."""
    replies, costs = one.proposal.replies, [reply.cost_usd for reply in one.proposal.replies]
    written = Written(
        teacher=teacher.name,
        model=replies[-1].model or teacher.model,
        prompt=one.proposal.prompt,
        attempts=len(replies),
        tokens=(sum(reply.tokens.input for reply in replies), sum(reply.tokens.output for reply in replies)),
        usd=None if None in costs else sum(cost or 0.0 for cost in costs),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return record.model_copy(update={"skill": written})


def _called(name: str, model: str) -> str:
    return f"{name} ({model})" if model and model != name else name


def _in_words(one: Round) -> str:
    text = round_file.ending_in_words(one.ending)
    if one.ending is Ending.NO_ANSWER and one.proposal.refused:
        return f"{text}; the last: {one.proposal.refused[-1]}"
    if one.held_out is None or one.p is None:
        return text
    return f"{text}; held-out cases: {round_file.counts_in_words(one.held_out)}, p = {one.p:.3g}"


def _plain_round(one: Round) -> dict[str, Any]:
    def counts(compared: Any) -> dict[str, Any] | None:
        if compared is None:
            return None
        better, worse, same = compared.counts
        return {"better": better, "worse": worse, "same": same, "undecided": len(compared.undecided), "p": compared.p}

    return {
        "number": one.number,
        "ending": str(one.ending),
        "training": counts(one.training),
        "held_out": counts(one.held_out),
        "p_corrected": one.p,
        "refused": list(one.proposal.refused),
        "causes": [{"what": cause.what, "cases": list(cause.cases)} for cause in one.causes],
    }
