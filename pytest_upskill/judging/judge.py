"""The judge, a function from a request to a result, both of which are plain data."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.contracts.base import Signature
from pytest_upskill.devices.base import Machine
from pytest_upskill.errors import CaseError, InfrastructureError, UpskillError, UsageError
from pytest_upskill.judging.interface import BuildFacts, JudgeRequest, JudgeResult, Problem
from pytest_upskill.judging.signatures import contract_of, language_of, signature_of
from pytest_upskill.languages.base import Executor, Language, Tracer
from pytest_upskill.records import (
    Answer,
    Assertion,
    Build,
    Call,
    Counterexample,
    Finding,
    Trace,
    Verdict,
    VerdictKind,
    assertion_names,
)
from pytest_upskill.records.version import VERSION
from pytest_upskill.sandbox import findings

if TYPE_CHECKING:
    from pytest_upskill.oracle.reference_runner import ReferenceRunner

_Result = TypeVar("_Result")
Watch = Callable[[Call, Answer], object]
"""A function that is called with the first call of each example, and with its answer."""
_MOST_REPORTS = 100
_SURROGATE = re.compile(r"[\ud800-\udfff]")
LEAST_MEMORY = 256 << 20
"""A process for kernels needs at least this many bytes of memory to start."""


def judge(request: JudgeRequest) -> JudgeResult:
    """Build the sources, run them on examples and compare the outputs. The result reports errors; none is raised."""
    try:
        machine = machine_for(request)
    except UpskillError as error:
        return problem_of(error)
    return finish(request, machine, lambda: prepare(request, machine))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request whose case was read and whose sources were built.

    If the sources do not meet the contract, there is no build, and ``broken`` says why. ``runner`` holds the process
    for the Python of an untrusted case, and ``finish`` closes the runner.
    """

    case: Case
    language: Language
    signature: Signature
    broken: str | None
    build: Build | None
    runner: ReferenceRunner | None = None


def prepare(request: JudgeRequest, machine: Machine) -> Prepared:
    """Read the case and build the sources. Raises CaseError, and InfrastructureError if the build cannot be run."""
    case = case_of(request)
    contract, language = contract_of(case), language_of(case)
    runner = None
    if not request.trusted:
        from pytest_upskill.oracle.reference_runner import in_a_sandbox

        runner = in_a_sandbox(machine.confinement)(case)  # starts the reference's process while the kernel is built
    try:
        signature = contract.signature(case, runner.results()) if runner else signature_of(case)
        if machine.device not in language.devices:
            devices = ", ".join(language.devices)
            raise UsageError(f"language '{language.name}' runs on the device {devices}, and not on {machine.device}")
        broken = _not_text(request.sources) or contract.problem(request.sources, signature)
        build = None if broken else language.build(request.sources, signature.entry, machine)
    except BaseException:
        if runner:
            runner.close()
        raise
    return Prepared(case, language, signature, broken, build, runner)


def _not_text(sources: Mapping[str, str]) -> str | None:
    """Why a source cannot be written to a file: it contains half of a surrogate pair. None if it can be written."""
    for path, text in sources.items():
        if found := _SURROGATE.search(text):
            line = text.count("\n", 0, found.start()) + 1
            return f"{path}:{line}: {found[0]!a} is half of a surrogate pair, and no character: remove it"
    return None


def case_of(request: JudgeRequest) -> Case:
    """The case, with the contract and the language of the request. Raises CaseError."""
    case = parsed_case(request.case_text, request.case_name)
    return replace(case, contract=request.contract, language=request.language, trusted=request.trusted)


@lru_cache(maxsize=256)
def parsed_case(text: str, name: str) -> Case:
    """The case in a text, which is parsed only once. Raises CaseError."""
    return parse_case(text, Path(f"{name}.md"), skill="")


def machine_for(request: JudgeRequest) -> Machine:
    """The machine that a request names. It is looked up once per process. Raises UsageError, InfrastructureError."""
    return _machine(request.device, request.architecture, request.sanitizer, request.sandbox)


@lru_cache(maxsize=8)
def _machine(device: str, architecture: str | None, sanitizer: bool, sandbox: str) -> Machine:
    from pytest_upskill.devices.choose import choose

    return choose(device, architecture, sanitizer, os.environ.get("PYTEST_XDIST_WORKER", ""), sandbox=sandbox)


def finish(
    request: JudgeRequest, machine: Machine, prepared: Callable[[], Prepared], watch: Watch | None = None
) -> JudgeResult:
    """Run what ``prepared`` returns, and return the result.

    Only the thread that owns PyTorch's default dtype may call this.
    """
    try:
        ready = prepared()
        with contextlib.closing(ready.runner) if ready.runner else contextlib.nullcontext():
            found = _judged(request, machine, ready, watch)
        return replace(found, version=VERSION, machine=machine.facts())
    except UpskillError as error:
        return problem_of(error)


def problem_of(error: UpskillError) -> JudgeResult:
    """The result that reports an error of the case, the request or the machine. Any other error is raised again."""
    if isinstance(error, CaseError):
        return JudgeResult(Verdict(VerdictKind.INCONCLUSIVE, error.message), Problem("case", error.message, error.line))
    if isinstance(error, UsageError):
        return JudgeResult(Verdict(VerdictKind.INCONCLUSIVE, str(error)), Problem("usage", str(error)))
    if isinstance(error, InfrastructureError):
        return JudgeResult(Verdict(VerdictKind.INFRASTRUCTURE_ERROR, str(error)), Problem("infrastructure", str(error)))
    raise error


def verdict_of(
    assertions: Sequence[Assertion], counterexample: Counterexample | None = None, inconclusive: str | None = None
) -> Verdict:
    """The verdict that follows from ``assertions``.

    It is failed if an assertion failed. Otherwise it is inconclusive if ``inconclusive`` gives a reason, or passed.
    """
    verdict = Verdict(VerdictKind.FAILED, None, tuple(assertions), counterexample)
    if failed := verdict.headline:
        return replace(verdict, reason=f"{failed.name}: {failed.message}")
    if inconclusive:
        return Verdict(VerdictKind.INCONCLUSIVE, inconclusive, tuple(assertions))
    return replace(verdict, kind=VerdictKind.PASSED)


def not_tried(names: Sequence[str], why: str) -> list[Assertion]:
    """Failed assertions with these names, which were not tried because an earlier assertion failed."""
    return [Assertion(name, False, f"not tried: {why}") for name in names]


def _judged(request: JudgeRequest, machine: Machine, prepared: Prepared, watch: Watch | None) -> JudgeResult:
    language, build = prepared.language, prepared.build
    names = assertion_names(language.checks, prepared.case.dtypes)
    if build is None:
        contract = Assertion("contract", False, prepared.broken or "")
        skipped = not_tried([*(["compiles"] if language.compiles else []), *names], "no kernel")
        return JudgeResult(verdict_of([contract, *skipped]))
    if build.needs:
        result = JudgeResult(Verdict(VerdictKind.INCONCLUSIVE, build.needs))
    elif not build.ok or any(not one.passed for one in build.assertions):
        why = "its library cannot be used" if build.ok else "it does not compile"
        result = JudgeResult(verdict_of([*_built(language, build, ()), *not_tried(names, why)]))
    else:
        result = _run(request, machine, prepared, build, watch)
    facts = BuildFacts(build.ok, build.message, build.compilers, build.kernels, build.cached)
    return replace(result, build=facts, build_seconds=build.seconds)


def _built(language: Language, build: Build, violations: tuple[str, ...]) -> list[Assertion]:
    broken = [*build.violations, *violations]
    contract = Assertion("contract", not broken, "; ".join(broken))
    compiles = [Assertion("compiles", build.ok, build.message)] if language.compiles else []
    return [contract, *compiles, *build.assertions]


def _run(request: JudgeRequest, machine: Machine, prepared: Prepared, build: Build, watch: Watch | None) -> JudgeResult:
    from pytest_upskill.oracle.draw import parse_example
    from pytest_upskill.oracle.explore import explore

    case, language = prepared.case, prepared.language
    started = time.perf_counter()
    only = None if request.example is None else parse_example(request.example, case)
    more = [parse_example(text, case) for text in request.more_examples]
    if request.limits.memory is not None:
        if (memory := request.limits.memory) < LEAST_MEMORY:
            rule = f"a kernel's process itself needs {LEAST_MEMORY >> 20} MiB: give it more"
            raise UsageError(f"limits.memory is {memory} bytes; {rule}")
        machine = machine.with_memory(memory)
    layout = prepared.signature.layout
    limits = request.limits
    with contextlib.ExitStack() as stack:
        seconds = min(limits.call_seconds, limits.item_seconds)
        executor = stack.enter_context(language.execute(build, layout, machine, seconds))
        watched = _Watched(executor, limits.item_seconds, watch)
        trace = None if only else getattr(executor, "tracer", None)
        if (tracer := trace() if trace else None) is not None:
            stack.callback(tracer.close)
            tracer = _WatchedTracer(tracer, watched)
        judgement = explore(
            case,
            layout,
            watched.call,
            repeat=watched.repeat,
            runner=prepared.runner,
            seed=request.seed,
            examples=request.examples,
            only=only,
            more=more,
            largest=request.largest or machine.largest,
            checks=language.checks,
            source_name=language.source_name,
            tracer=tracer,
        )
        own = tuple(executor.assertions())
        if case.gradients:
            own = (*own, _gradients(prepared, executor, request.seed, only is None))
        violations = tuple(executor.violations())  # last, because calls that decide assertions are watched, too
        statistics = executor.launch_statistics
    assertions = [*_built(language, build, violations), *judgement.assertions, *own]
    return JudgeResult(
        verdict=verdict_of(assertions, judgement.counterexample, judgement.inconclusive),
        notes=(*judgement.notes, *_placed(watched.notes.values(), language.source_name)),
        not_executed=judgement.not_executed,
        reports=tuple(watched.reports),
        launch_statistics=statistics,
        device_memory=(statistics.device_memory or None) if machine.device == "cuda" else None,
        run_seconds=time.perf_counter() - started,
    )


def _gradients(prepared: Prepared, executor: Executor, seed: int, wanted: bool) -> Assertion:
    """The assertion that the gradients agree with the reference's. It is not tried unless ``wanted``."""
    from pytest_upskill.oracle.gradients import judged
    from pytest_upskill.oracle.reference_runner import in_this_process

    if not wanted:
        return Assertion("gradients", True)
    case, runner = prepared.case, prepared.runner
    open_runner = runner.for_copy if runner else in_this_process
    return judged(case, prepared.signature.layout, contract_of(case).signature, executor, open_runner, seed)


def _placed(notes: Iterable[Finding], source_name: str) -> Iterator[str]:
    for note in notes:
        yield note.message if note.line is None else f"{source_name}:{note.line}: {note.message}"


class _Watched:
    """Makes an executor's calls within a limit on their total time (s), and keeps what the device reported."""

    def __init__(self, executor: Executor, seconds: float, watch: Watch | None) -> None:
        self._executor, self._seconds, self._left, self._watch = executor, seconds, seconds, watch
        self.reports: dict[Finding, None] = {}
        self.notes: dict[str, Finding] = {}
        """The last note of each kind, because a later note covers more calls than an earlier one."""

    def call(self, call: Call) -> Answer:
        answer = self._kept(lambda: self._executor.call(call))
        if self._watch is not None:
            self._watch(call, answer)
        return answer

    def repeat(self, call: Call, time: int) -> Answer:
        return self._kept(lambda: self._executor.repeat(call, time))

    def _kept(self, run: Callable[[], Answer]) -> Answer:
        answer = self.timed(run) or Answer({})
        if self._left <= 0:
            answer = replace(answer, outputs={}, findings=(findings.item_timeout(self._seconds), *answer.findings))
        self.notes |= {note.kind: note for note in answer.notes}
        for finding in answer.findings:
            if len(self.reports) < _MOST_REPORTS:
                self.reports[finding] = None
        return answer

    def timed(self, run: Callable[[], _Result]) -> _Result | None:
        """Call ``run``, count its time, and return its result. None if no time is left."""
        if self._left <= 0:
            return None
        began = time.monotonic()
        try:
            return run()
        finally:
            self._left -= time.monotonic() - began


class _WatchedTracer:
    """A tracer whose calls count towards the same limit on time."""

    def __init__(self, tracer: Tracer, watched: _Watched) -> None:
        self._tracer, self._watched = tracer, watched

    @property
    def blocks(self) -> Mapping[str, int]:
        return self._tracer.blocks

    @property
    def comparisons(self) -> Mapping[str, int]:
        return self._tracer.comparisons

    def trace(self, call: Call) -> Trace | None:
        return self._watched.timed(lambda: self._tracer.trace(call))

    def close(self) -> None:
        self._tracer.close()
