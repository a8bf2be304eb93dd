"""The order of things, and the only room that knows it: prompt, reply, kernel, build, examples, verdict.

A ``Task`` and an ``Outcome`` are plain data, so that another executor can take this one's place. Replies and builds of
later tasks are fetched in threads while the present one is judged; judging itself stays on the calling thread, since
PyTorch's default dtype belongs to the process.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_upskill import arms, text_case
from pytest_upskill.case import Case
from pytest_upskill.errors import CaseError, InfrastructureError, SkillError, UsageError
from pytest_upskill.extract import Extraction, extract_kernel
from pytest_upskill.prompt import build_prompt
from pytest_upskill.records import (
    Assertion,
    Build,
    Counterexample,
    Example,
    ItemKind,
    Kernel,
    Outcome,
    Prompt,
    Question,
    Reply,
    Seconds,
    Tokens,
    Verdict,
    VerdictKind,
)
from pytest_upskill.signature import Signature, derive
from pytest_upskill.skill import skill_file, validate
from pytest_upskill.students import layout
from pytest_upskill.students.base import Student

if TYPE_CHECKING:
    from pytest_upskill.machine import Machine
    from pytest_upskill.oracle.explore import Judgement

MoreAssertions = Callable[[Case, Reply, Kernel | None], Iterable[Assertion]]


@dataclass(frozen=True, slots=True)
class Task:
    """One item, as plain data. ``replay`` is the command that runs it again; ``example`` names the only one to try."""

    id: str
    kind: ItemKind
    skill: str
    skill_path: Path
    case: Case | None
    student: str | None
    arm: str | None
    trial: int
    seed: int
    examples: int | None
    example: str | None
    replay: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """What can be had before judging: the reply, the kernel in it, and its build (None without a kernel)."""

    reply: Reply
    extraction: Extraction | None
    build: Build | None
    cut_off: str = ""
    """Why nothing can be judged, where the reply was cut off before its end."""


class Pipeline:
    """Runs tasks. Replies are kept below ``rootdir``; ``prompts``, if given, is written to instead of asking.

    ``machine`` is called when a kernel is there to be built; ``timeout`` (s) is for each call of a kernel.
    """

    def __init__(
        self,
        machine: Callable[[], Machine],
        student: Callable[[str], Student],
        timeout: float,
        rootdir: Path,
        prompts: Path | None = None,
        more_assertions: MoreAssertions | None = None,
    ) -> None:
        self._machine = machine
        self._student = student
        self._timeout = timeout
        self._rootdir = rootdir
        self._prompts = prompts
        self._more_assertions = more_assertions
        self._signatures: dict[Path, Signature | CaseError] = {}
        self._guidance: dict[tuple[str, Path], str | None] = {}
        self._pending: dict[str, Future[Prepared]] = {}
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="upskill")

    # ------------------------------------------------------------------------------------- the way through

    def prefetch(self, tasks: Iterable[Task]) -> None:
        """Sets replies and builds of ``tasks`` on their way. Whatever goes wrong is told when the task is run."""
        for task in tasks:
            if task.id in self._pending or task.kind not in (ItemKind.KERNEL, ItemKind.TEXT) or self._prompts:
                continue
            # Look-ahead runs in a hook: what goes wrong is raised again where the task is run.
            with contextlib.suppress(Exception):
                self._pending[task.id] = self._submit(task)

    def run(self, task: Task) -> Outcome:
        """Asks, builds and judges. Never raises for what a student, a case or a server did: the outcome says it."""
        if task.kind is ItemKind.SPEC:
            return _spec_outcome(task)
        assert task.case is not None
        try:
            return self._run(task, task.case)
        except (CaseError, SkillError) as error:
            kind = VerdictKind.FAILED if task.student == "golden" else VerdictKind.INCONCLUSIVE
            return _outcome(task, Verdict(kind, reason=str(error)))
        except (InfrastructureError, UsageError) as error:
            return _outcome(task, Verdict(VerdictKind.INFRASTRUCTURE_ERROR, reason=str(error)))
        finally:
            self._pending.pop(task.id, None)

    def close(self) -> None:
        """Drops what was on its way, and waits for threads to end."""
        for future in self._pending.values():
            future.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, task: Task, case: Case) -> Outcome:
        if self._prompts:
            return self._write_prompt(task)
        only = self._only(task, case)
        prepared = (self._pending.get(task.id) or self._submit(task)).result()
        if prepared.cut_off:
            return _outcome(task, Verdict(VerdictKind.INFRASTRUCTURE_ERROR, reason=prepared.cut_off), prepared)
        if case.kind == "text":
            return _outcome(task, text_case.judge(case, prepared.reply), prepared)
        signature = self._signature(case)
        started = time.perf_counter()
        judgement, memory = self._judge(task, case, signature, prepared, only)
        outcome = _kernel_outcome(task, case, prepared, judgement, self._further(case, prepared), _since(started))
        return replace(outcome, device_memory=memory or None) if self._machine().device == "cuda" else outcome

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

    def _submit(self, task: Task) -> Future[Prepared]:
        assert task.case is not None
        self._only(task, task.case)
        signature, prompt = self._ask_for(task)
        return self._threads.submit(self._prepare, task, signature, prompt)

    def _ask_for(self, task: Task) -> tuple[Signature | None, Prompt]:
        """Runs on the main thread: deriving a signature runs the case's reference."""
        assert task.case is not None and task.arm is not None
        signature = self._signature(task.case) if task.case.kind == "kernel" else None
        return signature, build_prompt(task.case, signature, self._text_of(task.arm, task.skill_path))

    def _signature(self, case: Case) -> Signature:
        if case.path not in self._signatures:
            from pytest_upskill.oracle.golden import result_dtypes
            from pytest_upskill.oracle.result_shapes import result_shapes

            try:
                self._signatures[case.path] = derive(case, result_dtypes(case), result_shapes(case))
            except CaseError as error:
                self._signatures[case.path] = error
        signature = self._signatures[case.path]
        if isinstance(signature, CaseError):
            raise signature
        return signature

    def _text_of(self, arm: str, skill_path: Path) -> str | None:
        key = (arm, skill_path)
        if key not in self._guidance:
            self._guidance[key] = arms.guidance(arm, skill_path)
        return self._guidance[key]

    def _prepare(self, task: Task, signature: Signature | None, prompt: Prompt) -> Prepared:
        assert task.case is not None and task.arm is not None and task.student is not None
        student = self._student(task.student)
        question = Question(task.skill, task.case.name, arms.slug(task.arm), task.trial, prompt)
        reply = student.ask(question, task.case)
        with _files_can_be_written(self._rootdir):
            layout.keep_reply(self._rootdir, student.name, question, reply)
        if signature is None:
            failed = text_case.judge(task.case, reply).kind is VerdictKind.FAILED
            return Prepared(reply, None, None, _cut_off(student, reply) if failed else "")
        extraction = extract_kernel(reply.text, signature)
        if extraction.kernel is None:
            return Prepared(reply, extraction, None, _cut_off(student, reply))
        build = self._machine().build(extraction.kernel.source, signature)
        return Prepared(reply, extraction, build, "" if build.ok else _cut_off(student, reply))

    def _write_prompt(self, task: Task) -> Outcome:
        assert self._prompts is not None and task.case is not None and task.arm is not None
        _, prompt = self._ask_for(task)
        question = Question(task.skill, task.case.name, arms.slug(task.arm), task.trial, prompt)
        with _files_can_be_written(self._prompts):
            path = layout.write_prompt(self._prompts, question)
        return _outcome(task, Verdict(VerdictKind.INCONCLUSIVE, reason=f"nothing was asked: the prompt is in {path}"))

    # ------------------------------------------------------------------------------------- judging

    def _judge(
        self, task: Task, case: Case, signature: Signature, prepared: Prepared, only: Example | None
    ) -> tuple[Judgement | None, int]:
        """What the oracle found, and the most device memory (bytes) that a call used."""
        if prepared.build is None or prepared.build.library is None:
            return None, 0
        from pytest_upskill.oracle.explore import explore

        with self._machine().cell(prepared.build.library, signature, self._timeout) as cell:
            judgement = explore(
                case,
                signature,
                cell.call,
                seed=task.seed,
                examples=task.examples,
                only=only,
                repeat=cell.repeat,
                largest=self._machine().largest,
            )
            return judgement, cell.device_memory


# --------------------------------------------------------------------------------------------- outcomes


def _outcome(task: Task, verdict: Verdict, prepared: Prepared | None = None) -> Outcome:
    reply = prepared.reply if prepared else None
    return Outcome(
        id=task.id,
        kind=task.kind,
        skill=task.skill,
        case=task.case.name if task.case else None,
        verdict=verdict,
        student=task.student,
        arm=arms.slug(task.arm) if task.arm else None,
        trial=task.trial if task.student else None,
        tokens=reply.tokens if reply else Tokens(),
        cost_usd=reply.cost_usd if reply else None,
        seconds=Seconds(reply=reply.seconds if reply else 0.0),
        replay=task.replay,
    )


def _spec_outcome(task: Task) -> Outcome:
    problems = validate(task.skill_path)
    file = skill_file(task.skill_path)
    fatal = [problem for problem in problems if problem.severity == "error"]
    errors = [str(SkillError(problem.message, file, problem.line)) for problem in fatal]
    kind = VerdictKind.FAILED if errors else VerdictKind.PASSED
    outcome = _outcome(task, Verdict(kind, reason="\n".join(errors) or None))
    return replace(outcome, notes=tuple(str(problem) for problem in problems if problem.severity == "warning"))


def _kernel_outcome(
    task: Task,
    case: Case,
    prepared: Prepared,
    judgement: Judgement | None,
    further: Sequence[Assertion],
    run_seconds: float,
) -> Outcome:
    verdict = _verdict(case, prepared, judgement, further)
    outcome = _outcome(task, verdict, prepared)
    extraction = prepared.extraction
    kernel = (extraction.kernel or extraction.found) if extraction else None
    return replace(
        outcome,
        seconds=Seconds(
            reply=prepared.reply.seconds, build=prepared.build.seconds if prepared.build else 0.0, run=run_seconds
        ),
        source=kernel.source if kernel else None,
        kernels=prepared.build.kernels if prepared.build else (),
        replay=_with_example(task, verdict.counterexample),
        notes=_notes(case, prepared, judgement),
    )


def _verdict(case: Case, prepared: Prepared, judgement: Judgement | None, further: Sequence[Assertion]) -> Verdict:
    if prepared.build is not None and prepared.build.needs:
        return Verdict(VerdictKind.INCONCLUSIVE, prepared.build.needs)
    assertions = [*_before_running(prepared), *_running(case, prepared, judgement), *further]
    failed = next((assertion for assertion in assertions if not assertion.passed), None)
    if failed is None and judgement is not None and judgement.inconclusive:
        return Verdict(VerdictKind.INCONCLUSIVE, judgement.inconclusive, tuple(assertions))
    return Verdict(
        kind=VerdictKind.FAILED if failed else VerdictKind.PASSED,
        reason=f"{failed.name}: {failed.message}" if failed else None,
        assertions=tuple(assertions),
        counterexample=judgement.counterexample if judgement else None,
    )


def _before_running(prepared: Prepared) -> list[Assertion]:
    extraction, build = prepared.extraction, prepared.build
    assert extraction is not None
    if not extraction.block_found:
        return [Assertion("reply", False, extraction.problem), *_not_tried(["contract", "compiles"], "no kernel")]
    reply = Assertion("reply", True)
    if extraction.kernel is None or build is None:
        return [reply, Assertion("contract", False, extraction.problem), *_not_tried(["compiles"], "no kernel")]
    return [reply, Assertion("contract", True), Assertion("compiles", build.ok, build.message)]


def _running(case: Case, prepared: Prepared, judgement: Judgement | None) -> Sequence[Assertion]:
    if judgement is not None:
        return judgement.assertions
    names = ["runs", *(f"correct[{dtype}]" for dtype in case.dtypes), "memory", "deterministic", "inputs"]
    return _not_tried(names, "it does not compile" if prepared.build else "no kernel")


def _not_tried(names: Sequence[str], why: str) -> list[Assertion]:
    return [Assertion(name, False, f"not tried: {why}") for name in names]


def _with_example(task: Task, counterexample: Counterexample | None) -> str:
    if counterexample is None or task.example:
        return task.replay
    return f"{task.replay} --upskill-example='{counterexample.example}'"


def _notes(case: Case, prepared: Prepared, judgement: Judgement | None) -> tuple[str, ...]:
    notes = list(judgement.notes) if judgement else []
    if prepared.reply.finish == "length":
        notes.append("the reply was cut off")
    if prepared.reply.details.get("note"):
        notes.append(str(prepared.reply.details["note"]))
    return tuple(notes)


@contextlib.contextmanager
def _files_can_be_written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InfrastructureError(
            f"cannot write below {folder}: {error.strerror} ({error.filename}); free some space, or make it writable"
        ) from error


def _cut_off(student: Student, reply: Reply) -> str:
    """Why a reply that is not good stopped too early; empty where it ended by itself."""
    if reply.finish != "length":
        return ""
    return (
        f"student {student.name!r}: the reply was cut off after {reply.tokens.output} tokens, before it was complete; "
        f" raise max_tokens in [tool.upskill.students.{student.name}]"
    )


def _since(started: float) -> float:
    return time.perf_counter() - started
