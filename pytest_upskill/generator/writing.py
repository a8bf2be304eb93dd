"""Writes a skill and its cases: first the plan, then the skill and all cases concurrently. Each case is proven when its
answer arrives.

What is kept is written to disk at once, with its record. An interrupted command uses the record and the stored answers
to continue where it was.

If two cases ask for the same operator, the one that is later in the plan is refused, even if its answer arrives first:
then it has been kept already, so it is withdrawn and asked for again. Cases that earlier commands have kept stay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_upskill.cases.acceptance import digest_of
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_cases
from pytest_upskill.cases.provenance import FILE, Provenance, WrittenCase, read_provenance, write_provenance
from pytest_upskill.errors import BudgetStopped, StudentError, UpskillError, UsageError
from pytest_upskill.generator import prose, questions, skill_files
from pytest_upskill.generator.answers import Plan, PlannedCase, Refused, counted, read_case, read_skill, same_operator
from pytest_upskill.generator.conversations import Conversations, Ended
from pytest_upskill.generator.files_teacher import AnswerMissing
from pytest_upskill.generator.leakage import Leakage, skill_text
from pytest_upskill.generator.notes import take_notes
from pytest_upskill.generator.parts import split
from pytest_upskill.generator.plans import read_plan
from pytest_upskill.generator.questions import Order
from pytest_upskill.generator.skill_lock import alone
from pytest_upskill.generator.teacher import Step
from pytest_upskill.paths import write_atomically
from pytest_upskill.records import Reply
from pytest_upskill.skills.skill import FILE_NAMES, case_paths

if TYPE_CHECKING:  # imports torch
    from pytest_upskill.generator.proving import Proven, Prover

PLAN, SKILL = "plan", "skill"
"""The names of the steps that are not ``case-<name>``."""

WITHDRAWN = "withdrawn: an earlier case of the plan asks for the same operator"

MakeProver = Callable[[str], "Prover"]
"""Makes the prover for the skill of this name. It is called when the first case arrives."""


@dataclass(slots=True)
class Result:
    """What a command has made. ``left_out`` gives, by step, why its last attempt was refused. ``unfinished`` gives, by
    step, why there is no answer yet; running the same command again continues these steps.
    """

    folder: Path | None = None
    plan: Plan | None = None
    there: int | None = None
    """How many cases the skill had; None if no case has been asked for yet."""
    fresh: list[str] = field(default_factory=list)
    """The cases that this command has kept."""
    kept: list[str] = field(default_factory=list)
    """The planned cases that are kept, including cases that earlier commands have kept."""
    left_out: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    missing: list[AnswerMissing] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return not (self.left_out or self.unfinished)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A case that was read from a teacher's reply. ``proven`` is None until the case is proven."""

    step: Step
    reply: Reply
    case: Case
    proven: Proven | None = None


class Writing:
    """One command. ``say`` is called with the name of a step and with what has happened to this step."""

    def __init__(
        self, talks: Conversations, make_prover: MakeProver, order: Order, say: Callable[[str, str], object]
    ) -> None:
        self._talks, self._make_prover, self._order, self._say = talks, make_prover, order, say
        self.result = Result()
        self._planned: dict[str, PlannedCase] = {}
        self._to_prove: deque[_Answer] = deque()
        self._for_skill: list[_Answer] = []
        """Cases that were proven while the skill is still being written."""
        self._kept: dict[str, _Answer] = {}
        """By name: the cases that this command has kept."""
        self._leakage: Leakage | None = None
        self._others: list[Case] = []
        self._record = Provenance(task=order.task, language=order.language, contract=order.contract)
        self._prover: Prover | None = None
        self._lock = ExitStack()

    # ------------------------------------------------------------------------------------------ what commands call

    def plan(self, count: int, existing: Sequence[Case] = (), name: str = "") -> Plan | None:
        """The teacher's plan for further cases; None, with the reason in ``result``, if there is none."""
        self._talks.begin(questions.plan_step(self._order, count, existing, name))
        taken = [case.name for case in existing]
        while (ended := self._talks.next()) is not None:
            if ended.reply is None:
                self._not_answered(ended)
                continue
            try:
                self.result.plan = read_plan(ended.reply, count, taken, name)
                return self.result.plan
            except Refused as reason:
                self._refused(ended.step, ended.reply, reason)
        return None

    def notes(self, parts: Sequence[str]) -> bool:
        """Have the teacher take notes on each part of the material. From then on, the notes are the material. Returns
        False, with the reason in ``result``, if the notes on a part are missing.
        """
        self._order, whole = take_notes(self._talks, self._order, parts, self._refused, self._not_answered)
        return whole

    def new(self, plan: Plan, into: Path) -> None:
        """Write the planned skill and its cases below ``into``, or continue a command. Raises UsageError."""
        folder = self._hold(into / plan.skill)
        is_there = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
        record = read_provenance(folder / "evals") if is_there else self._record
        if record is None:
            remedy = "choose another name with --name, or add cases to it with 'upskill-gen add-cases'"
            raise UsageError(f"{folder} exists, and has no record of upskill-gen (evals/{FILE}); {remedy}")
        if any(getattr(record, key) != getattr(self._order, key) for key in ("task", "language", "contract")):
            task = f"the task {record.task!r} in the language {record.language}, for the contract {record.contract}"
            raise UsageError(f"{folder} was made for {task}; choose another name with --name, or another folder")
        self._record = record
        if record.skill is None or not any((folder / name).is_file() for name in FILE_NAMES):
            self._talks.begin(questions.skill_step(self._order, plan))
        else:
            self._leakage = Leakage(skill_text(folder))
        self._cases(folder, plan.cases)

    def add(self, folder: Path, planned: Sequence[PlannedCase], beside: Collection[str]) -> None:
        """Write cases for an existing skill. ``beside`` names the cases that the skill had when the new cases were
        planned.
        """
        self._hold(folder)
        self._record = read_provenance(folder / "evals") or self._record
        self._leakage = Leakage(skill_text(folder))
        self._cases(folder, planned, beside)

    def close(self) -> None:
        """End the processes of proofs, and release the skill's lock for other commands."""
        if self._prover is not None:
            self._prover.close()
        self._lock.close()

    def _hold(self, folder: Path) -> Path:
        """Keep other commands from writing to a skill's folder. Raises UsageError."""
        self._lock.enter_context(alone(folder))
        self.result.folder = folder
        return folder

    # ------------------------------------------------------------------------------------------ the loop

    def _cases(self, folder: Path, planned: Sequence[PlannedCase], beside: Collection[str] | None = None) -> None:
        self._others = [one for one in load_cases(case_paths(folder), folder.name) if isinstance(one, Case)]
        readable = {case.name for case in self._others}
        there = readable & self._record.cases.keys()
        self._planned = {one.name: one for one in planned}
        self.result.there = len(self._others)
        existing = [case for case in self._others if case.name not in self._planned]
        if beside is not None:
            existing = [case for case in existing if case.name in beside]
        for one in planned:
            if one.name in there:
                self.result.kept.append(one.name)
                self._say(f"case-{one.name}", "is there already")
            elif (path := folder / "evals" / f"{one.name}.md").exists() and one.name not in readable:
                self.result.left_out[f"case-{one.name}"] = f"{path} cannot be read as a case; correct it, or delete it"
            else:
                self._talks.begin(questions.case_step(self._order, folder.name, one, planned, existing))
        self._loop()
        for answer in self._for_skill:
            name = answer.step.name
            if SKILL in self.result.left_out:
                self.result.left_out[name] = (
                    "it is proven, and there is no skill for it: the text of the skill was refused"
                )
            else:
                self.result.unfinished.setdefault(name, "it is proven, and waits for the skill's text")
        for listed in (self.result.kept, self.result.fresh):
            listed.sort(key=list(self._planned).index)
        self._balance(set(self.result.fresh))

    def _loop(self) -> None:
        while self._talks.open or self._to_prove:
            while (ended := self._talks.next(wait=not self._to_prove)) is not None:
                self._take(ended)
            if self._to_prove:
                self._prove(self._to_prove.popleft())

    def _take(self, ended: Ended) -> None:
        step, reply = ended.step, ended.reply
        if reply is None:
            self._not_answered(ended)
            return
        try:
            if step.name == SKILL:
                self._take_skill(step, reply)
            else:
                self._to_prove.append(_Answer(step, reply, self._read(step, reply)))
                self._say(step.name, "answered")
        except Refused as reason:
            self._refused(step, reply, reason)

    def _read(self, step: Step, reply: Reply) -> Case:
        """The case in an answer, as far as it can be checked without running anything. Raises Refused."""
        assert self.result.folder is not None
        name = step.name.removeprefix("case-")
        path = self.result.folder / "evals" / f"{name}.md"
        case = self._proving.read(read_case(reply, name), path)
        if case.contract != (asked := self._order.contract):
            raise Refused(f"the case has the contract '{case.contract}'; it was asked for with 'contract: {asked}'")
        if (problem := prose.problem(case.task, self._order.language)) is not None:
            raise Refused(f"the task: {problem}")
        if (hidden := skill_files.embedded(case.task)) is not None:
            raise Refused(f"the task: {hidden}")
        if path.exists() and path.read_bytes() != case.text.encode():
            raise Refused(f"evals/{name}.md exists and holds another text; it is not replaced")
        return case

    @property
    def _proving(self) -> Prover:
        if self._prover is None:
            assert self.result.folder is not None
            self._prover = self._make_prover(self.result.folder.name)
        return self._prover

    def _take_skill(self, step: Step, reply: Reply) -> None:
        folder = self.result.folder
        assert folder is not None
        files = read_skill(reply)
        skill_files.check(files, folder.name, self._order.language)
        self._store(self._record)  # first, because a folder without a record counts as not ours
        skill_files.write(files, folder)
        self._store(self._record.model_copy(update={"skill": self._talks.written(step, reply)}))
        self._say(SKILL, f"written to {folder} ({', '.join(files)})")
        self._leakage = Leakage(skill_text(folder))
        waiting, self._for_skill = self._for_skill, []
        for answer in sorted(waiting, key=lambda one: self._place(one.case)):
            self._finish(answer)

    def _prove(self, answer: _Answer) -> None:
        self._say(answer.step.name, "is being proven")
        case, to_prove = answer.case, self._to_prove
        try:
            proven = self._proving.prove(case, self._rivals(case), self._yielding(case), lambda: bool(to_prove))
        except Refused as reason:
            self._refused(answer.step, answer.reply, reason)
            return
        self._finish(_Answer(answer.step, answer.reply, case, proven))

    def _rivals(self, case: Case) -> list[Case]:
        waiting = [answer.case for answer in self._for_skill]
        return [one for one in (*self._others, *waiting) if one.name != case.name]

    def _place(self, case: Case) -> int:
        return list(self._planned).index(case.name)

    def _yielding(self, case: Case) -> set[str]:
        """The cases that give way to ``case``: those of this command that are later in the plan, or that wait for the
        skill.
        """
        later = [name for name, one in self._kept.items() if self._place(one.case) > self._place(case)]
        return {*later, *(one.case.name for one in self._for_skill)}

    def _finish(self, answer: _Answer) -> None:
        """Keep a proven case, unless the skill gives it away or does not exist yet, or an earlier case asks for the
        same.
        """
        if self._leakage is None:
            self._for_skill.append(answer)
            self._say(answer.step.name, "proven; it waits for the skill's text")
            return
        if (problem := self._leakage.problem(answer.case)) is not None:
            self._refused(answer.step, answer.reply, Refused(problem))
            return
        same = [one for one in self._kept.values() if _ask_for_the_same(answer, one)]
        for one in same:
            if self._place(one.case) < self._place(answer.case) or one.case.path.read_bytes() != one.case.text.encode():
                self._refused(answer.step, answer.reply, same_operator(one.case.name))
                return
        for one in same:
            self._withdraw(one)
        self._keep(answer)
        for one in same:
            self._refused(one.step, one.reply, same_operator(answer.case.name))

    def _withdraw(self, answer: _Answer) -> None:
        """Remove a case that ``_keep`` has kept."""
        name = answer.case.name
        del self._kept[name]
        answer.case.path.unlink()  # first, because an unrecorded case would be trusted
        cases = {one: made for one, made in self._record.cases.items() if one != name}
        self._store(self._record.model_copy(update={"cases": cases}))
        self._others = [case for case in self._others if case.name != name]
        self.result.kept.remove(name)
        self.result.fresh.remove(name)
        self._say(answer.step.name, WITHDRAWN)

    def _keep(self, answer: _Answer) -> None:
        case, name = answer.case, answer.case.name
        difficulty = self._planned[name].difficulty
        known = {one: (made.part, float(made.difficulty)) for one, made in self._record.cases.items()}
        made = WrittenCase(
            **self._talks.written(answer.step, answer.reply).model_dump(),
            text_hash=case.text_hash,
            code=digest_of(case),
            proven=datetime.now(UTC).isoformat(timespec="seconds"),
            part=split({name: float(difficulty)}, known)[name],
            difficulty=difficulty,
            operator=self._planned[name].operator,
        )
        # The record first, because a case that it does not list would count as written by a person, and be trusted.
        self._store(self._record.model_copy(update={"cases": {**self._record.cases, name: made}}))
        write_atomically(case.path, case.text)
        self._others.append(case)
        self._kept[name] = answer
        self.result.kept.append(name)
        self.result.fresh.append(name)
        score = answer.proven.checked.score if answer.proven is not None else None
        mutants = f", {counted(score)}" if score is not None else ""
        self._say(answer.step.name, f"kept: difficulty {difficulty}{mutants}")

    def _balance(self, names: set[str]) -> None:
        """Split the cases of this run again, all of them together, so that both parts are equal in size."""
        if names:
            self._split(names, {name: float(self._record.cases[name].difficulty) for name in names})

    def measured(self, student: str, rates: Mapping[str, float]) -> None:
        """Record a student's pass rates without the skill, and split the cases of this run by these rates."""
        cases = dict(self._record.cases)
        for name, rate in rates.items():
            made = cases[name]
            cases[name] = made.model_copy(update={"baseline": {**made.baseline, student: rate}})
        self._store(self._record.model_copy(update={"cases": cases}))
        if names := set(self.result.fresh) & cases.keys():
            self._split(names, {name: _difficulty(cases[name], student) for name in names})

    def _split(self, names: set[str], difficulty: Mapping[str, float]) -> None:
        """Split these cases anew, while the others keep their part."""
        cases = self._record.cases
        known = {name: (one.part, float(one.difficulty)) for name, one in cases.items() if name not in names}
        parts = split({name: difficulty[name] for name in names}, known)
        changed = {name: cases[name].model_copy(update={"part": part}) for name, part in parts.items()}
        self._store(self._record.model_copy(update={"cases": {**cases, **changed}}))

    def _store(self, record: Provenance) -> None:
        assert self.result.folder is not None
        self._record = record
        write_provenance(self.result.folder / "evals", record)

    # ------------------------------------------------------------------------------------------ answers that fail

    def _refused(self, step: Step, reply: Reply, reason: Refused) -> None:
        if not self._talks.refuse(step, reply, reason):
            self.result.left_out[step.name] = str(reason)

    def _not_answered(self, ended: Ended) -> None:
        error = ended.error
        if isinstance(error, AnswerMissing):  # the result says where the answer goes
            self.result.missing.append(error)
            self.result.unfinished[ended.step.name] = str(error)
            return
        if not isinstance(error, StudentError | BudgetStopped | UpskillError | OSError):
            assert error is not None
            raise error
        self.result.unfinished[ended.step.name] = str(error)
        self._say(ended.step.name, f"not answered: {error}")


def _ask_for_the_same(one: _Answer, other: _Answer) -> bool:
    """Whether the two cases ask for the same operator, as the proof of the later one found."""
    pairs = ((one, other.case), (other, one.case))
    return any(answer.proven is not None and any(same is case for same in answer.proven.same) for answer, case in pairs)


def _difficulty(made: WrittenCase, student: str) -> float:
    """The difficulty from 1 to 5: computed from the student's failure rate if it was measured, otherwise as the teacher
    gave it.
    """
    rate = made.baseline.get(student)
    return float(made.difficulty) if rate is None else 1 + 4 * (1 - rate)
