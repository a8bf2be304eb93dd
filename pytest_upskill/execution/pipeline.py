"""The order of things, and the only room that knows it: prompt, reply, kernel, build, examples, verdict.

A ``Task`` and an ``Outcome`` are plain data, so that another executor can take this one's place. Replies come from
``Replies``, however they come about; they and the builds of later tasks are on their way while the present one is
judged. Judging itself stays on the calling thread, since PyTorch's default dtype belongs to the process.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_upskill.build.build_pool import BuildPool, Job
from pytest_upskill.case_quality.self_check import SelfCheck
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Signature
from pytest_upskill.errors import BudgetStopped, CaseError, InfrastructureError, SkillError, UpskillError, UsageError
from pytest_upskill.execution import text_case, turns
from pytest_upskill.execution.adapters import contract_of, language_of
from pytest_upskill.execution.outcome import cut_off, kernel_outcome, mutants_outcome, outcome_of, spec_outcome
from pytest_upskill.execution.prompt_rendering import PromptRenderer
from pytest_upskill.execution.task import Prepared, Task
from pytest_upskill.records import (
    Assertion,
    Example,
    ItemKind,
    Kernel,
    LaunchStatistics,
    Outcome,
    Question,
    Reply,
    Verdict,
    VerdictKind,
)
from pytest_upskill.replies.budget import WorstCase, estimate
from pytest_upskill.replies.scheduling import Replies, Wanted
from pytest_upskill.students import reply_files as layout
from pytest_upskill.students.base import StudentConfig

if TYPE_CHECKING:
    from pytest_upskill.devices.base import Machine
    from pytest_upskill.oracle.explore import Judgement

BUILD_THREADS = 2
"""Kernels of later items that are compiled at once: judging needs the processor, too."""

MoreAssertions = Callable[[Case, Reply, Kernel | None], Iterable[Assertion]]


class Pipeline:
    """Runs tasks. Replies are kept below ``rootdir``; ``prompts``, if given, is written to instead of asking.

    ``machine`` is called when a kernel is there to be built, and ``built`` once it is; ``timeout`` (s) is for each call
    of a kernel.
    """

    def __init__(
        self,
        machine: Callable[[], Machine],
        replies: Replies,
        timeout: float,
        rootdir: Path,
        prompts: Path | None = None,
        more_assertions: MoreAssertions | None = None,
        built: Callable[[], object] = lambda: None,
    ) -> None:
        self._machine = machine
        self._replies = replies
        self._timeout = timeout
        self._rootdir = rootdir
        self._prompts = prompts
        self._more_assertions = more_assertions
        self._prompts_of = PromptRenderer()
        self._self_check = SelfCheck(machine, timeout)
        self._built = built
        self._pending: dict[str, Job[Prepared]] = {}
        self._ahead: set[str] = set()
        self._unchecked: deque[Task] = deque()
        self._pool = BuildPool(BUILD_THREADS)

    # ------------------------------------------------------------------------------------- the way through

    def prefetch(self, tasks: Iterable[Task], later: Iterable[Task] = ()) -> None:
        """Sets replies and builds of ``tasks`` on their way, and the replies alone of those that come ``later``.

        Whatever goes wrong is told when the task is run.
        """
        near = [task for task in tasks if task.id not in self._pending and self._prompts is None]
        self._send_solutions_ahead(near)
        for task in filter(self._is_asked, near):
            # Look-ahead runs in a hook: what goes wrong is raised again where the task is run.
            with contextlib.suppress(Exception):
                self._pending[task.id] = self._begin(task)
        self._unchecked.clear()
        for task in later:
            with contextlib.suppress(Exception):
                self._ask_early(task)

    def _ask_early(self, task: Task) -> None:
        """Not before its case is known to be worth it: to find that out takes time, which is for the items at hand."""
        if task.id in self._ahead or not self._is_asked(task) or not self._replies.asks(task.student or ""):
            return
        assert task.case is not None
        if _is_gated(task) and not self._self_check.is_known_to_be_good(self._subject(task.case)):
            self._unchecked.append(task)
            return
        self._ahead.add(task.id)
        self._replies.want(self._wanted(task, self._first_question(task)))

    def _awaited(self, job: Job[Prepared]) -> Prepared:
        """The result of a job. While its reply is out, cases of later tasks are checked, and their replies wanted."""
        while self._unchecked and not job.given.done():
            self._send_solutions_ahead(list(self._unchecked)[:BUILD_THREADS])
            task = self._unchecked.popleft()
            with contextlib.suppress(Exception):  # as above
                assert task.case is not None
                self._check_quality(task, task.case)
                self._ask_early(task)
        return job.result()

    def estimate(self, tasks: Iterable[Task]) -> str:
        """The most that the replies to these tasks can cost, in words; empty where nobody has to be asked."""
        questions: list[tuple[StudentConfig, Sequence[WorstCase]]] = []
        for task in tasks:
            if self._is_asked(task) and self._replies.asks(task.student or ""):
                with contextlib.suppress(UpskillError):  # told when the task is run
                    wanted = self._wanted(task, self._prompts_of.of(task))
                    questions.append(self._replies.worst_case(wanted, task.turns))
        return estimate(questions)

    def run(self, task: Task) -> Outcome:
        """Asks, builds and judges. Never raises for what a student, a case or a server did: the outcome says it."""
        if task.kind is ItemKind.SPEC:
            return spec_outcome(task)
        assert task.case is not None
        try:
            if task.kind is ItemKind.MUTANTS:
                return self._mutants(task, task.case)
            return self._run(task, task.case)
        except (CaseError, SkillError) as error:
            own = task.student == "golden" or task.kind is ItemKind.MUTANTS
            kind = VerdictKind.FAILED if own else VerdictKind.INCONCLUSIVE
            return outcome_of(task, Verdict(kind, reason=str(error)))
        except BudgetStopped as error:
            return outcome_of(task, Verdict(VerdictKind.BUDGET_STOPPED, reason=str(error)))
        except (InfrastructureError, UsageError) as error:
            return outcome_of(task, Verdict(VerdictKind.INFRASTRUCTURE_ERROR, reason=str(error)))
        finally:
            self._pending.pop(task.id, None)

    def close(self) -> None:
        """Drops what was on its way, and waits for nothing."""
        self._pending.clear()
        self._pool.close()

    def _is_asked(self, task: Task) -> bool:
        return task.kind in (ItemKind.KERNEL, ItemKind.TEXT) and self._prompts is None

    def _run(self, task: Task, case: Case) -> Outcome:
        if self._prompts:
            return self._write_prompt(task)
        only = self._only(task, case)
        prepared = self._awaited(self._pending.get(task.id) or self._begin(task))
        outcome = self._judged(task, case, prepared, only)
        if task.turns == 1:
            return outcome
        assert task.student is not None
        first = turns.Try(self._first_question(task), prepared.reply, outcome)
        student = self._replies.student(task.student)
        return turns.converse(first, task.turns, student, lambda question: self._try(task, case, question, only))

    def _try(self, task: Task, case: Case, question: Question, only: Example | None) -> turns.Try:
        """A later turn of a conversation, from its question to its outcome."""
        wanted = self._wanted(task, question)
        reply = self._replies.want(wanted, urgent=True)
        job = self._pool.after(reply, partial(self._prepare, wanted, self._prompts_of.signature(case)))
        prepared = self._awaited(job)
        return turns.Try(question, prepared.reply, self._judged(task, case, prepared, only))

    def _judged(self, task: Task, case: Case, prepared: Prepared, only: Example | None) -> Outcome:
        if prepared.cut_off:
            return outcome_of(task, Verdict(VerdictKind.INFRASTRUCTURE_ERROR, reason=prepared.cut_off), prepared)
        if case.kind == "text":
            return outcome_of(task, text_case.judge(case, prepared.reply), prepared)
        signature = self._prompts_of.signature(case)
        started = time.perf_counter()
        judgement, statistics, violations, own = self._judge(task, case, signature, prepared, only)
        further = (*own, *self._further(case, prepared))
        outcome = kernel_outcome(task, case, prepared, judgement, further, _since(started), violations)
        return (
            replace(outcome, device_memory=statistics.device_memory or None)
            if self._machine().device == "cuda"
            else outcome
        )

    def _further(self, case: Case, prepared: Prepared) -> tuple[Assertion, ...]:
        if self._more_assertions is None:
            return ()
        kernel = prepared.extraction.kernel if prepared.extraction else None
        return tuple(self._more_assertions(case, prepared.reply, kernel))

    # ------------------------------------------------------------------------------------- asking and building

    def _only(self, task: Task, case: Case) -> Example | None:
        """The example that alone is tried; read before anybody is asked, so that a slip in it costs nothing."""
        if task.example is None or case.kind == "text":
            return None
        from pytest_upskill.oracle.draw import parse_example

        return parse_example(task.example, case)

    def _begin(self, task: Task) -> Job[Prepared]:
        """Wants the reply, and sets the work on it on its way."""
        assert task.case is not None
        self._only(task, task.case)
        self._check_quality(task, task.case)
        wanted = self._wanted(task, self._first_question(task))
        signature = self._prompts_of.signature(task.case) if task.case.kind == "kernel" else None
        reply = self._replies.want(wanted, urgent=True)
        return self._pool.after(reply, partial(self._prepare, wanted, signature))

    def _first_question(self, task: Task) -> Question:
        """A counterexample that is tried again belongs to the last of the replies that were kept."""
        question = self._prompts_of.of(task)
        assert task.student is not None
        kept = task.example is not None and self._replies.student(task.student).config.provider == "files"
        return turns.reached(question, task.turns) if kept else question

    def _wanted(self, task: Task, question: Question) -> Wanted:
        assert task.case is not None and task.student is not None
        return Wanted(task.id, task.student, question, task.case, task.skill_path.parent, task.record)

    def _prepare(self, wanted: Wanted, signature: Signature | None, reply: Reply) -> Prepared:
        with _files_can_be_written(self._rootdir):
            self._replies.use(wanted, reply)
        if signature is None:
            failed = text_case.judge(wanted.case, reply).kind is VerdictKind.FAILED
            return Prepared(reply, None, None, cut_off(wanted.student, reply) if failed else "")
        extraction = contract_of(wanted.case).extract(reply.text, signature)
        if extraction.kernel is None:
            return Prepared(reply, extraction, None, cut_off(wanted.student, reply))
        language = language_of(wanted.case)
        sources = {language.source_name: extraction.kernel.source}
        build = language.build(sources, signature.entry, self._machine())
        self._built()
        return Prepared(reply, extraction, build, "" if build.ok else cut_off(wanted.student, reply))

    def _write_prompt(self, task: Task) -> Outcome:
        assert self._prompts is not None
        question = self._prompts_of.of(task)
        with _files_can_be_written(self._prompts):
            path = layout.write_prompt(self._prompts, question)
        return outcome_of(task, Verdict(VerdictKind.INCONCLUSIVE, reason=f"nothing was asked: the prompt is in {path}"))

    # ------------------------------------------------------------------------------------- the self-check

    def _mutants(self, task: Task, case: Case) -> Outcome:
        started = time.perf_counter()
        checked = self._self_check.whole(self._subject(case))
        return mutants_outcome(task, checked, _since(started))

    def _check_quality(self, task: Task, case: Case) -> None:
        """Raises CaseError for a case that nobody should be asked; its own solution is the self-check itself."""
        if _is_gated(task):
            problem = self._self_check.quality(self._subject(case)).problem
            if problem is not None:
                raise CaseError(f"not asked, because the case fails its self-check: {problem}", case.path)

    def _subject(self, case: Case) -> Subject:
        return Subject(case, language_of(case), self._prompts_of.signature(case))

    def _send_solutions_ahead(self, tasks: Iterable[Task]) -> None:
        for task in filter(_is_gated, tasks):
            # As above: a case that is broken says so where its item is run.
            with contextlib.suppress(Exception):
                assert task.case is not None
                self._self_check.send_ahead(self._subject(task.case), self._pool.begin)

    # ------------------------------------------------------------------------------------- judging

    def _judge(
        self, task: Task, case: Case, signature: Signature, prepared: Prepared, only: Example | None
    ) -> tuple[Judgement | None, LaunchStatistics, Sequence[str], Sequence[Assertion]]:
        """What the oracle found, what the launcher was seen to do, and what of that is forbidden."""
        if prepared.build is None or prepared.build.library is None:
            return None, LaunchStatistics(), (), ()
        from pytest_upskill.oracle.explore import explore

        language = language_of(case)
        with language.execute(prepared.build, signature.layout, self._machine(), self._timeout) as executor:
            judgement = explore(
                case,
                signature.layout,
                executor.call,
                seed=task.seed,
                examples=task.examples,
                only=only,
                repeat=executor.repeat,
                largest=self._machine().largest,
                checks=language.checks,
                source_name=language.source_name,
            )
            return judgement, executor.launch_statistics, executor.violations(), executor.assertions()


def _is_gated(task: Task) -> bool:
    """Whether a student is asked for a kernel."""
    return task.kind is ItemKind.KERNEL and task.student != "golden"


@contextlib.contextmanager
def _files_can_be_written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InfrastructureError(
            f"cannot write below {folder}: {error.strerror} ({error.filename}); free some space, or make it writable"
        ) from error


def _since(started: float) -> float:
    return time.perf_counter() - started
