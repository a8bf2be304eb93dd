"""Refines a skill: a student fails training cases, a teacher writes a new SKILL.md, held-out cases decide.

The teacher's questions are made from training cases only. A new version is kept if the exact one-sided p of its gains
on held-out cases, with Holm's correction for all rounds, is at most 0.05. Otherwise the old version stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from string import Template
from typing import ClassVar

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import BudgetStopped, StudentError
from pytest_upskill.generator.answers import Refused
from pytest_upskill.generator.experiment import Arm, Runner, Seen, version
from pytest_upskill.generator.feedback import Cause, causes_of, feedback, fence_for
from pytest_upskill.generator.prose import NAMES
from pytest_upskill.generator.questions import again
from pytest_upskill.generator.teacher import Step, Teacher
from pytest_upskill.generator.version_checks import text_in
from pytest_upskill.records import Outcome, Prompt, Reply, VerdictKind
from pytest_upskill.reporting.lift import DECIDED, trials_of
from pytest_upskill.skills.arms import SKILL, prompt_text
from pytest_upskill.skills.skill import BYTES_PER_TOKEN
from pytest_upskill.statistics.intervals import Trials, differences
from pytest_upskill.statistics.significance import LEVEL, fewest_gains, holm, one_sided

_FENCES = 100
"""The bytes that longer fences around a text may add."""
_LARGEST = 10**6
"""Stands for a number of cases or answers that is not known yet."""
NOTHING_TO_LEARN = "the student passes every training case: there is nothing to learn from; add harder cases"


class Ending(StrEnum):
    """How a round ended."""

    KEPT = "kept"
    INCONCLUSIVE = "inconclusive"
    WORSE_IN_TRAINING = "worse on training cases"
    NO_ANSWER = "no valid answer"


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of a refinement. ``target`` is the most tokens of a version, ``feedback`` the most tokens of the
    failures in a question, and ``attempts`` the most answers that the teacher may give in a round.
    """

    rounds: int = 3
    trials: int = 1
    attempts: int = 3
    target: int = 5000
    feedback: int = 12_000
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A teacher's last answer of a round: the new text or, if all answers were refused, the reasons."""

    text: str | None
    refused: tuple[str, ...]
    replies: tuple[Reply, ...]
    prompt: str
    """The digest of the question."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The pass rates of the old and the new version on the same cases. ``undecided`` cases have no verdict for at least
    one of the versions.
    """

    old: Trials
    new: Trials
    undecided: tuple[str, ...] = ()

    @property
    def changes(self) -> Mapping[str, float]:
        """The change of the pass rate of each case."""
        both = (case for case in self.old if self.new.get(case))
        return {case: _rate(self.new[case]) - _rate(self.old[case]) for case in both}

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many cases are better, worse, and the same."""
        changes = self.changes.values()
        better, worse = sum(one > 0 for one in changes), sum(one < 0 for one in changes)
        return better, worse, len(changes) - better - worse

    @property
    def p(self) -> float:
        return one_sided(differences(self.new, self.old))


@dataclass(frozen=True, slots=True)
class Round:
    """One round. ``p`` is corrected for all rounds. ``training`` and ``held_out`` are None if the round did not run
    those cases.
    """

    number: int
    old: str
    proposal: Proposal
    ending: Ending
    causes: tuple[Cause, ...] = ()
    training: Compared | None = None
    held_out: Compared | None = None
    p: float | None = None

    @property
    def kept(self) -> bool:
        return self.ending is Ending.KEPT


@dataclass(frozen=True, slots=True)
class Refined:
    """The result of a refinement. ``text`` is the last version that was kept; ``why`` says why it ended early."""

    text: str
    rounds: tuple[Round, ...]
    why: str = ""

    @property
    def kept(self) -> bool:
        return any(one.kept for one in self.rounds)


Problems = Callable[[str, str], Sequence[str]]
"""A function that is given a new SKILL.md and the present SKILL.md, and returns what is wrong with the new one; empty
if nothing is wrong.
"""


@dataclass(frozen=True)
class Refiner:
    """Refines a skill. ``training`` cases may be shown to the teacher; ``held_out`` cases only decide. ``seen`` is
    called with each outcome, ``done`` with each round when it ends.
    """

    called: ClassVar[str] = "refine"
    """How the names of the teacher's steps begin."""

    runner: Runner
    teacher: Teacher
    training: Sequence[Case]
    held_out: Sequence[Case]
    options: Options
    problems: Problems
    seen: Seen = lambda outcome: None
    done: Callable[[Round], object] = lambda one: None
    _ran: dict[str, list[Outcome]] = field(default_factory=dict)
    """By version: the outcomes of training cases."""

    def run(self, start: str) -> Refined:
        """Refine the text ``start``. Raises BudgetStopped, and StudentError if the teacher or the student gives no
        answers. After an error, a call with the same arguments continues.
        """
        current, rounds = start, list[Round]()
        for number in range(1, self.options.rounds + 1):
            before = self._trained(current, start)
            if not any(one.verdict.kind in DECIDED for one in before):
                raise StudentError(f"no training case has a verdict: {why_undecided(before)}")
            if not any(one.verdict.kind is VerdictKind.FAILED for one in before):
                return Refined(current, tuple(rounds), NOTHING_TO_LEARN)
            one = self._round(number, current, start, before, rounds)
            rounds.append(one)
            self.done(one)
            if one.ending is Ending.NO_ANSWER:
                return Refined(current, tuple(rounds), "the teacher gave no valid answer")
            if one.kept and one.proposal.text is not None:
                current = one.proposal.text
        return Refined(current, tuple(rounds))

    def _round(
        self, number: int, current: str, start: str, before: Sequence[Outcome], earlier: Sequence[Round]
    ) -> Round:
        causes = tuple(causes_of(before))
        proposal = self._proposal(number, current, before, earlier)
        if (text := proposal.text) is None:
            return Round(number, current, proposal, Ending.NO_ANSWER, causes)
        training = compared(before, self._trained(text, start))
        if sum(training.changes.values()) < 0:
            return Round(number, current, proposal, Ending.WORSE_IN_TRAINING, causes, training, None, 1.0)
        held_out = self._held_out(current, text, start)
        p = corrected(held_out.p, [1.0 if one.held_out is None else one.held_out.p for one in earlier], self.options)
        ending = Ending.KEPT if p <= LEVEL else Ending.INCONCLUSIVE
        return Round(number, current, proposal, ending, causes, training, held_out, p)

    def _held_out(self, old: str, new: str, start: str) -> Compared:
        """Compare both versions on held-out cases. From the second round on, the replies to the old version are stored
        already.
        """
        arms = [_arm(text, start) for text in (old, new)]
        outcomes = self.runner.run(self.held_out, arms, self.options.trials, self.seen)
        stop_at_budget(outcomes)
        by_arm = [[one for one in outcomes if one.arm == arm.slug] for arm in arms]
        found = compared(by_arm[0], by_arm[1])
        if len(found.changes) < fewest_gains(0, LEVEL / self.options.rounds):
            lost = f"{len(found.undecided)} of {len(self.held_out)} held-out cases have no verdict"
            raise StudentError(f"{lost}, and the others are too few to decide: {why_undecided(outcomes)}")
        return found

    def _trained(self, text: str, start: str) -> list[Outcome]:
        if text not in self._ran:
            outcomes = self.runner.run(self.training, [_arm(text, start)], self.options.trials, self.seen)
            stop_at_budget(outcomes)
            self._ran[text] = outcomes
        return self._ran[text]

    def _proposal(self, number: int, current: str, before: Sequence[Outcome], earlier: Sequence[Round]) -> Proposal:
        """Ask the teacher until an answer is valid. Each new question says what was wrong with earlier answers."""
        prompt = self.question(current, before, earlier)
        step = Step(f"{self.called}-{number}-{prompt.digest[:8]}", prompt)
        refused, replies = list[str](), list[Reply]()
        for _ in range(self.options.attempts):
            replies.append(self.teacher.ask(step).result())
            text, problem = self._checked(replies[-1], current)
            if not problem:
                return Proposal(text, tuple(refused), tuple(replies), step.prompt.digest)
            refused.append(problem)
            step = again(step, replies[-1], Refused(problem))
        return Proposal(None, tuple(refused), tuple(replies), prompt.digest)

    def _checked(self, reply: Reply, current: str) -> tuple[str, str]:
        """The text in an answer, and what is wrong with the text."""
        try:
            text = self.new_text(reply, current)
        except Refused as error:
            return "", str(error)
        if text.split() == current.split():
            return "", "the file is unchanged; change what let the student fail"
        return text, "; ".join(self.problems(text, current))

    def new_text(self, reply: Reply, current: str) -> str:
        """The new SKILL.md that an answer asks for, to replace the ``current`` one. Raises Refused."""
        return text_in(reply)

    def question(self, current: str, before: Sequence[Outcome], earlier: Sequence[Round]) -> Prompt:
        """The first question of a round, from training cases only."""
        decided = [one for one in before if one.verdict.kind in DECIDED]
        counts = (
            len({one.case for one in decided}),
            sum(one.verdict.kind is VerdictKind.PASSED for one in decided),
            len(decided),
        )
        rejected = [one for one in earlier if not one.kept and one.proposal.text is not None and one.training]
        failures = feedback(before, self.training, self.options.feedback)
        return _question(self.options, current, counts, [_tried(one) for one in rejected], failures)


def longest_question(options: Options, start: str, number: int) -> Prompt:
    """A question that is at least as long, in bytes, as the first question of round ``number`` can be."""
    version = "x" * (options.target * BYTES_PER_TOKEN + _FENCES)
    present = max(version, start + "x" * _FENCES, key=lambda text: len(text.encode(errors="replace")))
    tried = [_as_tried(version, _LARGEST, _LARGEST)] * (number - 1)
    failures = "x" * (options.feedback * BYTES_PER_TOKEN + _FENCES)
    return _question(options, present, (_LARGEST,) * 3, tried, failures)


def _question(options: Options, text: str, counts: tuple[int, int, int], tried: Sequence[str], failures: str) -> Prompt:
    """The question for a new version. ``counts`` are the numbers of training cases with a verdict, of answers that
    passed, and of all answers.
    """
    system = Template(prompt_text("refine_system")).substitute(
        language=NAMES.get(options.language.partition("-")[0].lower(), options.language),
        target=options.target,
        bytes=options.target * BYTES_PER_TOKEN,
    )
    head = "# Other versions, and their results on training tasks\n\n" if tried else ""
    cases, passed, decided = counts
    user = Template(prompt_text("refine")).substitute(
        fence=fence_for(text), text=text.strip("\n"), cases=cases, passed=passed, decided=decided,
        tried=head + "\n".join(tried), feedback=failures,
    )  # fmt: skip
    return Prompt(system, user)


def corrected(p: float, earlier: Sequence[float], options: Options) -> float:
    """The p value of a round after Holm's correction for all rounds. Rounds that have not run count as p = 1, so the
    correction is never too small.
    """
    values = [*earlier, p]
    return holm([*values, *[1.0] * (options.rounds - len(values))])[len(earlier)]


def compared(old: Sequence[Outcome], new: Sequence[Outcome]) -> Compared:
    """Compare two versions case by case. A case that has no verdict for one of the versions does not count."""
    before, after = trials_of(old), trials_of(new)
    cases = dict.fromkeys(one.case or "" for one in (*old, *new))
    lost = tuple(case for case in cases if not (before.get(case) and after.get(case)))
    return Compared({case: before[case] for case in cases if case not in lost},
                    {case: after[case] for case in cases if case not in lost}, lost)  # fmt: skip


def what_can_be_decided(held_out: int, rounds: int) -> tuple[str, int]:
    """What this number of held-out cases can decide, in words; and how many more cases the first round needs."""
    level = LEVEL / rounds
    needed = fewest_gains(0, level)
    after = f", {LEVEL:g} after Holm's correction for {rounds} rounds" if rounds > 1 else ""
    holm_words = f" (p <= {level:.3g}: one-sided, exact{after})"
    if held_out < needed:
        more = needed - held_out
        cases = f"{more} more held-out {'case is' if more == 1 else 'cases are'} needed"
        return f"cannot be decided with {held_out} held-out cases: {cases}{holm_words}", more
    rules = [f"{needed} better and none worse"]
    for losses in (1, 2):
        if (gains := fewest_gains(losses, level)) + losses <= held_out:
            rules.append(f"{gains} better and {losses} worse")
    text = f"of {held_out} held-out cases at least {needed} must change: a version is kept with {', or '.join(rules)}"
    return f"{text}{holm_words}", 0


def _tried(one: Round) -> str:
    """A version that was not kept, with its results on training cases. It says nothing about held-out cases."""
    assert one.training is not None
    passed, total = (sum(map(count, one.training.new.values())) for count in (sum, len))
    return _as_tried(one.proposal.text or "", passed, total)


def _as_tried(text: str, passed: int, total: int) -> str:
    fence = fence_for(text)
    return (
        f"This version passed {passed} of {total} answers. Take another way.\n\n"
        f"{fence}markdown\n{text.strip()}\n{fence}\n"
    )


def _arm(text: str, start: str) -> Arm:
    """The arm of a version. The skill as it was found has the same arm as in runs of pytest."""
    return Arm(SKILL, text) if text == start else version(text)


def _rate(trials: Sequence[bool]) -> float:
    return sum(trials) / len(trials)


def stop_at_budget(outcomes: Sequence[Outcome]) -> None:
    """Raise BudgetStopped if a question was not asked because of the budget."""
    for one in outcomes:
        if one.verdict.kind is VerdictKind.BUDGET_STOPPED:
            raise BudgetStopped(one.verdict.reason or "the budget is used up")


def why_undecided(outcomes: Sequence[Outcome]) -> str:
    """Why the first outcome without a verdict has no verdict."""
    lost = (one.verdict.reason or one.verdict.kind.value for one in outcomes if one.verdict.kind not in DECIDED)
    return next(lost, "there is none")
