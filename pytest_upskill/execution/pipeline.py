"""The pipeline of an item, whose order only this module knows: prompt, reply, judgement, outcome, further turns.

A ``Task`` and an ``Outcome`` are plain data. Replies come from ``Replies``, judgements from a backend of ``judging``.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts import registry as contracts
from pytest_upskill.devices.choose import choose
from pytest_upskill.errors import (
    BudgetStopped,
    CaseError,
    InfrastructureError,
    NotAnswered,
    SkillError,
    UpskillError,
    UsageError,
)
from pytest_upskill.execution import outcome as outcomes
from pytest_upskill.execution import turns
from pytest_upskill.execution.attempts import Answered, Attempts, wanted_of
from pytest_upskill.execution.case_gate import CaseGate, MoreAssertions
from pytest_upskill.execution.outcome import outcome_of
from pytest_upskill.execution.prompt_rendering import PromptRenderer
from pytest_upskill.execution.rubric import JudgeOf, RubricJudge
from pytest_upskill.execution.task import Task
from pytest_upskill.execution.text_replies import TextReplies
from pytest_upskill.judging.in_process import InProcess
from pytest_upskill.judging.interface import JudgeRequest, JudgeResult, Limits
from pytest_upskill.judging.signatures import contract_of, language_of
from pytest_upskill.languages.base import Language
from pytest_upskill.oracle.garbage import importing
from pytest_upskill.records import ItemKind, Kernel, Outcome, Question, Verdict, VerdictKind
from pytest_upskill.replies.budget import WorstCase, estimate
from pytest_upskill.replies.scheduling import Replies, Wanted
from pytest_upskill.skills.arms import skill_digest
from pytest_upskill.students import files as reply_files
from pytest_upskill.students.base import StudentConfig

if TYPE_CHECKING:
    from pytest_upskill.devices.base import Machine

_JUDGING = (
    "pytest_upskill.oracle.explore",
    "pytest_upskill.case_quality.mutation_run",
    "pytest_upskill.case_quality.quality",
    "numpy.random",  # called by Hypothesis
    "system_calls.tables.x86_64",
)
"""The modules that judging needs. Otherwise they would be imported when the first kernel is judged."""


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """The options that all requests of a run share.

    ``timeout`` (s) limits each call of a kernel, ``item_timeout`` (s) all calls of an item together.
    """

    timeout: float
    architecture: str | None = None
    sanitizer: bool = False
    sandbox: str = "auto"
    item_timeout: float = 120.0


class Pipeline:
    """Runs tasks. Replies are kept below ``rootdir``.

    With ``prompts``, prompts are written to this folder and no student is queried. ``machine`` is called before a
    kernel is built, ``built`` after it. ``judge_of`` returns the judge for the rubrics of a student's replies.
    """

    def __init__(
        self,
        machine: Callable[[], Machine],
        replies: Replies,
        options: JudgeOptions,
        rootdir: Path,
        prompts: Path | None = None,
        more_assertions: MoreAssertions | None = None,
        built: Callable[[], object] = lambda: None,
        judge_of: JudgeOf = lambda student: None,
    ) -> None:
        self._machine, self._replies, self._options = machine, replies, options
        self._prompts, self._more_assertions = prompts, more_assertions
        self._renderer = PromptRenderer()
        self._prompt_of: dict[str, str] = {}
        """The first item that has a prompt, by the digest of the prompt."""
        self._skill_digests: dict[Path, str] = {}
        self._backend = InProcess(lambda request: self._machine_of(request.device), built)
        begin, timeout = self._backend.begin, options.timeout
        self._gate = CaseGate(
            lambda language: self._machine_of(self._device_of(language)), timeout, begin, more_assertions
        )
        self._texts = TextReplies(RubricJudge(replies, judge_of, rootdir))
        self._attempts = Attempts(
            replies, self._gate, self._backend, self._first_question, self._request, rootdir, self._texts.begin
        )

    def load(self, tasks: Iterable[Task]) -> None:
        """Import the modules that these tasks need, without running code of a plugin's contract.

        An import error is reported when the task is run.
        """
        cases = [task.case for task in tasks if task.case is not None and task.case.kind == "kernel"]
        with importing():
            for module in _JUDGING if cases else ():
                importlib.import_module(module)
            for case in {(case.language, case.contract): case for case in cases}.values():
                if not contracts.is_own(case.contract):
                    continue
                with contextlib.suppress(CaseError):
                    language_of(case), contract_of(case)

    def prefetch(self, tasks: Iterable[Task], later: Iterable[Task] = ()) -> None:
        """Start the replies and builds of ``tasks``, and only the replies of ``later`` tasks."""
        self._attempts.prefetch(filter(self._is_asked, tasks), filter(self._is_asked, later))

    def estimate(self, tasks: Iterable[Task]) -> str:
        """Return the maximum cost of the replies to these tasks, in words; empty if no student has to be queried."""
        questions: list[tuple[StudentConfig, Sequence[WorstCase]]] = []
        outdated = 0
        for task in filter(self._is_asked, tasks):
            with contextlib.suppress(UpskillError):  # the error is reported when the task is run
                wanted, is_known = wanted_of(task, self._renderer.of(task)), True
                if self._replies.asks(wanted.student):
                    questions.append(self._replies.worst_case(wanted, task.turns))
                    outdated += self._replies.outdated(task.id)
                    is_known = not questions[-1][1]
                questions += self.rubric_costs(task, wanted, is_known)
        return estimate(questions, outdated)

    def rubric_costs(self, task: Task, wanted: Wanted, is_known: bool) -> list[tuple[StudentConfig, list[WorstCase]]]:
        """Return the maximum cost of judging the reply's rubric. ``is_known`` says that the wanted reply is stored
        already.
        """
        if wanted.case.kind != "text":
            return []
        return self._texts.rubric.worst_cases(task, self._replies.want(wanted).result() if is_known else None)

    def run(self, task: Task) -> Outcome:
        """Query the student and judge the reply. Errors of the student, the case or a server become part of the
        outcome.
        """
        outcome = self._outcome(task)
        outdated = self._replies.outdated(task.id)
        reused = self._replies.earlier.reused(task.id)
        outcome = replace(outcome, outdated=outdated, reused=reused, skill_digest=self._skill_digest(task.skill_path))
        return self._with_prompt(task, outcome) if outcome.reply and task.student != "golden" else outcome

    def _with_prompt(self, task: Task, outcome: Outcome) -> Outcome:
        # Prompts are long, and all trials and students of a case have the same one, so only one item gets the text.
        prompt = self._renderer.of(task).prompt
        first = self._prompt_of.setdefault(prompt.digest, task.id) == task.id
        return replace(outcome, prompt_digest=prompt.digest, prompt=prompt.text if first else "")

    def _skill_digest(self, skill_path: Path) -> str:
        if skill_path not in self._skill_digests:
            self._skill_digests[skill_path] = skill_digest(skill_path)
        return self._skill_digests[skill_path]

    def _outcome(self, task: Task) -> Outcome:
        if task.kind is ItemKind.SPEC:
            return outcomes.spec_outcome(task)
        assert task.case is not None
        try:
            if task.kind is ItemKind.MUTANTS:
                started = time.perf_counter()
                return outcomes.mutants_outcome(task, self._gate.whole(task.case), time.perf_counter() - started)
            return self._write_prompt(task) if self._prompts else self._run(task, task.case)
        except (CaseError, SkillError) as error:
            own = task.student == "golden" or task.kind is ItemKind.MUTANTS
            kind = VerdictKind.FAILED if own else VerdictKind.INCONCLUSIVE
            return outcome_of(task, Verdict(kind, reason=str(error)))
        except (BudgetStopped, NotAnswered) as error:
            stopped = isinstance(error, BudgetStopped)
            kind = VerdictKind.BUDGET_STOPPED if stopped else VerdictKind.NOT_ANSWERED
            return outcome_of(task, Verdict(kind, reason=str(error)))
        except (InfrastructureError, UsageError) as error:
            return outcome_of(task, Verdict(VerdictKind.INFRASTRUCTURE_ERROR, reason=str(error)))
        finally:
            self._attempts.forget(task)

    def close(self) -> None:
        """Drop work that is under way, without waiting for it."""
        self._attempts.close()
        self._backend.close()

    def _is_asked(self, task: Task) -> bool:
        return task.kind in (ItemKind.KERNEL, ItemKind.TEXT, ItemKind.TRIGGER) and self._prompts is None

    def _run(self, task: Task, case: Case) -> Outcome:
        answered = self._attempts.first(task)
        outcome = self._judged(task, case, answered)
        if task.turns == 1:
            return outcome

        def again(question: Question) -> turns.Try:
            answered = self._attempts.again(task, question)
            return turns.Try(question, answered.reply, self._judged(task, case, answered))

        assert task.student is not None
        first = turns.Try(self._first_question(task), answered.reply, outcome)
        return turns.converse(first, task.turns, self._replies.student(task.student), again, case.language)

    def _first_question(self, task: Task) -> Question:
        """Return the task's question.

        If an ``example`` is given and the replies are in files, return the question of the last turn: the example that
        failed belongs to the reply of that turn.
        """
        question = self._renderer.of(task)
        assert task.student is not None
        kept = task.example is not None and self._replies.student(task.student).config.provider == "files"
        return turns.reached(question, task.turns) if kept else question

    def _write_prompt(self, task: Task) -> Outcome:
        assert self._prompts is not None
        question = self._renderer.of(task)
        with reply_files.writing_below(self._prompts):
            path = reply_files.write_prompt(self._prompts, question)
        return outcome_of(task, Verdict(VerdictKind.INCONCLUSIVE, reason=f"nothing was asked: the prompt is in {path}"))

    def _device_of(self, language: Language) -> str:
        """Return the run's device, or the language's first device if the language does not support the run's device."""
        device = self._machine().device
        return device if device in language.devices else language.devices[0]

    def _machine_of(self, device: str) -> Machine:
        chosen = self._machine()
        return chosen if chosen.device == device else choose(device, sandbox=self._options.sandbox)

    def _request(self, task: Task, kernel: Kernel) -> JudgeRequest:
        case, options = task.case, self._options
        assert case is not None
        language = language_of(case)
        device = self._device_of(language)
        own = device == self._machine().device
        return JudgeRequest(
            case_text=case.text,
            case_name=case.name,
            sources={language.source_name: kernel.source},
            contract=case.contract,
            language=case.language,
            device=device,
            architecture=options.architecture if own else None,
            sanitizer=options.sanitizer and own,
            sandbox=options.sandbox,
            seed=task.seed,
            examples=task.examples,
            example=task.example,
            more_examples=self._gate.examples(task),
            limits=Limits(options.timeout, options.item_timeout),
            trusted=case.trusted,
        )

    def _judged(self, task: Task, case: Case, answered: Answered) -> Outcome:
        if case.kind == "text":
            return self._texts.outcome(task, answered.reply)
        if case.kind == "trigger":
            return self._renderer.triggers.outcome(task, answered.reply)
        result = answered.judgement.result() if answered.judgement else None
        failed = result is None or (result.build is not None and not result.build.ok)
        if failed and (lost := outcomes.cut_off(task, answered.reply)):
            return lost
        _raise_problem(result, case)
        kernel = answered.extraction.kernel if answered.extraction else None
        more = self._more_assertions
        return outcomes.kernel_outcome(
            task, case, answered, result, tuple(more(case, answered.reply, kernel)) if more else ()
        )


def _raise_problem(result: JudgeResult | None, case: Case) -> None:
    """Raise the error that prevented a verdict on the kernel."""
    problem = result.problem if result else None
    if problem is None:
        return
    if problem.kind == "case":
        raise CaseError(problem.message, case.path, problem.line)
    raise UsageError(problem.message) if problem.kind == "usage" else InfrastructureError(problem.message)
