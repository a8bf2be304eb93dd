"""Builds mutants of a solution in threads, runs those that are built already, and counts those that the case kills."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from pytest_upskill.case_quality.quality import case_seed, changes, drawn
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.devices.base import Machine
from pytest_upskill.errors import UpskillError
from pytest_upskill.languages.base import SourceMutant
from pytest_upskill.oracle.compare import Buffer, judge
from pytest_upskill.oracle.explore import Repeat, Run
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import Prepared
from pytest_upskill.oracle.reference_runner import OpenRunner, ReferenceRunner
from pytest_upskill.oracle.shapes import SMALL_LIMIT
from pytest_upskill.oracle.shrink import elements_of
from pytest_upskill.records import Answer, Build, MutationScore, SurvivingMutant

ORDERS = 2
"""The number of times that a call is repeated, each time in another order of threads."""
_AGAIN_EVERY = 5
"""One in five small examples is repeated."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An example, the bytes of the solution's results on it, and how long the solution's call took (s)."""

    prepared: Prepared
    outputs: Mapping[str, bytes]
    seconds: float

    @classmethod
    def of(cls, prepared: Prepared, answer: Answer) -> Kept:
        """Keep an example with the solution's answer."""
        return cls(prepared, {name: bytes(data) for name, data in answer.outputs.items()}, answer.seconds)


def selected(kept: Sequence[Kept]) -> list[Kept]:
    """All small examples and one large example. A second large one would take long and seldom kill more mutants."""
    small = [one for one in kept if _is_small(one)]
    return [*small, *[one for one in kept if not _is_small(one)][:1]]


def _is_small(one: Kept) -> bool:
    return elements_of(one.prepared.call) <= SMALL_LIMIT


def kill_check(kept: Sequence[Kept], run: Run, repeat: Repeat, *, atomics: bool = False) -> bool | None:
    """Run a mutant on the examples. Return None if it fails an example, and so is killed.

    For a survivor, return whether all its results had the same bits as the solution's, so that the two may be
    equivalent.
    """
    unseen = True
    again: list[tuple[Kept, Mapping[str, Buffer]]] = []
    for number, one in enumerate(kept):
        answer = run(one.prepared.call)
        if not _is_right(one.prepared, answer):
            return None
        unseen = unseen and not _differ(one.outputs, answer.outputs)
        if number % _AGAIN_EVERY == 0 and _is_small(one):
            again.append((one, answer.outputs))
    for one, first in again:
        for time in range(ORDERS):
            answer = repeat(one.prepared.call, time)
            if not _is_right(one.prepared, answer) or (not atomics and _differ(first, answer.outputs)):
                return None
    return unseen


def _is_right(prepared: Prepared, answer: Answer) -> bool:
    return not answer.findings and judge(prepared.expected, answer.outputs) is None


def _differ(one: Mapping[str, Buffer], other: Mapping[str, Buffer]) -> bool:
    return any(memoryview(data) != memoryview(other[name]) for name, data in one.items())


MUTANTS = 12
"""At most this many mutants of a solution are counted."""
_SPARE = 12
"""At most this many more mutants replace those that do not compile or have the same machine code as the solution."""
_LEAST_SECONDS = 1.0
_TIMES_SLOWER = 20
_ADVICE_EXAMPLES = 4
"""The number of examples on which a change of the case is tried: three small ones and a large one."""
_ADVISED = 4
"""Changes of the case are tried for at most this many surviving mutants."""


@dataclass(frozen=True, slots=True)
class _Survivor:
    mutant: SourceMutant
    build: Build
    unseen: bool


class MutationRun:
    """Runs the mutants of one case's solution.

    ``kept`` are the case's examples of its first dtype. A mutant's call may take at most ``limit`` seconds.
    """

    def __init__(
        self, subject: Subject, machine: Machine, kept: list[Kept], limit: float, open_runner: OpenRunner
    ) -> None:
        case = subject.case
        assert case.solution is not None
        self._case, self._machine, self._kept = case, machine, selected(kept)
        self._full, self._open_runner = subject, open_runner
        self._first = subject.of_first_dtype()
        self._limit = limit
        slowest = max((one.seconds for one in self._kept), default=0.0)
        self._timeout = min(limit, max(_LEAST_SECONDS, _TIMES_SLOWER * slowest))  # each endless mutant takes so long
        self._source, self._line = case.solution.source, case.solution.line

    def score(self, solution: Build) -> MutationScore:
        """Run the mutants and return the score. ``solution`` is the solution's build for all dtypes.

        Raises InfrastructureError.
        """
        surviving: list[_Survivor] = []
        killed = equivalent = 0
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            original = self._build(self._source)
            for mutant, build in self._built(threads):
                if self._full.language.same_code(original, build, in_body=mutant.in_body):
                    equivalent += 1
                    continue
                if (found := self._checked(build, self._kept, self._timeout)) is None:
                    killed += 1
                else:
                    surviving.append(_Survivor(mutant, build, found))
                if killed + len(surviving) == MUTANTS:
                    threads.shutdown(wait=False, cancel_futures=True)
                    break
        advice = self._advice(surviving, solution) if surviving else {}
        survived = tuple(
            SurvivingMutant(self._line + one.mutant.line - 1, one.mutant.change, one.unseen, advice.get(number, ""))
            for number, one in enumerate(surviving)
        )
        return MutationScore(killed, killed + len(surviving), equivalent, survived)

    def _build(self, source: str) -> Build:
        return self._first.build(source, self._machine)

    def _built(self, threads: ThreadPoolExecutor) -> Iterator[tuple[SourceMutant, Build]]:
        """The mutants that compile, in order, each with its build. As many builds run at once as the CPU has cores."""
        candidates = iter(self._full.language.mutants(self._source, MUTANTS + _SPARE, case_seed(self._case)))
        waiting: deque[tuple[SourceMutant, Future[Build]]] = deque()

        def send(count: int) -> None:
            waiting.extend((one, threads.submit(self._build, one.source)) for one in islice(candidates, count))

        send(os.cpu_count() or 1)
        while waiting:
            mutant, future = waiting.popleft()
            build = future.result()
            send(1)
            if build.library is not None:
                yield mutant, build

    def _checked(self, build: Build, kept: list[Kept], timeout: float) -> bool | None:
        with self._first.execute(build, self._machine, timeout) as executor:
            return kill_check(kept, executor.call, executor.repeat, atomics=self._case.atomics)

    def _advice(self, surviving: list[_Survivor], solution: Build) -> dict[int, str]:
        """The change of the case that kills each mutant, by the mutant's number. Each change was tried and works."""
        told: dict[int, str] = {}
        with closing(self._open_runner(self._case)) as runner:
            for change in changes(self._case, self._case.dtypes[0]):
                left = [number for number in range(len(surviving))[:_ADVISED] if number not in told]
                if change.case is self._case:
                    continue  # more of the same examples would take too long
                kept = self._examples(runner.for_copy(change.case), solution) if left else []
                for number in left if kept else []:
                    if self._checked(surviving[number].build, kept, self._limit) is None:
                        told[number] = change.said
        return told

    def _examples(self, runner: ReferenceRunner, solution: Build) -> list[Kept]:
        """Examples of a changed case on which the solution is right. Empty if the change makes the case invalid."""
        found: list[Kept] = []
        try:
            with isolated(), self._full.execute(solution, self._machine, self._limit) as executor:
                for prepared in drawn(runner, self._full.layout, self._case.dtypes[0], _ADVICE_EXAMPLES):
                    answer = executor.call(prepared.call)
                    if _is_right(prepared, answer):
                        found.append(Kept.of(prepared, answer))
        except (UpskillError, ValueError):
            return []
        return found
