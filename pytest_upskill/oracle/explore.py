"""Explores a kernel: asks it on drawn examples, judges each answer, and shrinks the first failure to a counterexample.

Knows a kernel only as a function from a call to an answer. The first failing call fixes the verdict of its assertion,
whatever later calls give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import hypothesis

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import UpskillError
from pytest_upskill.oracle import search
from pytest_upskill.oracle.compare import first_difference, judge, number
from pytest_upskill.oracle.draw import LARGEST, families, forced
from pytest_upskill.oracle.draw import examples as example_strategy
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import OFF, GivenUp, Preparation, Prepared
from pytest_upskill.oracle.reference import empty_examples, smallest_example
from pytest_upskill.oracle.reference_runner import ReferenceRunner
from pytest_upskill.oracle.search import Batch, Stop
from pytest_upskill.oracle.shrink import SECONDS, Fault, Shrinking, Tried, elements_of
from pytest_upskill.records import (
    Answer,
    Assertion,
    Call,
    CallLayout,
    Counterexample,
    Example,
    Finding,
    WorstElement,
    assertion_names,
)

EXAMPLES = 25
"""Examples of each dtype, where neither the user nor the case says otherwise."""

CHECKS = ("runs", "correct", "memory", "deterministic", "inputs")

_REPEAT_EVERY = 5
_UNSURE_SHARE = 0.2
_REPEATS_WHEN_TRIED_AGAIN = 3
_UNFINISHED = f" (not shrunk to the end: the limit of {SECONDS:g} s was reached)"

Run = Callable[[Call], Answer]
Repeat = Callable[[Call, int], Answer]
"""Does a call once more. The number says for which time, so that a device which has the choice can take another order
of threads each time."""

Watch = Callable[[Prepared], None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the oracle found. ``inconclusive`` says why it cannot tell, where it cannot."""

    assertions: tuple[Assertion, ...]
    counterexample: Counterexample | None
    inconclusive: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kept:
    """A call that will be repeated, with the bytes that it gave."""

    prepared: Prepared
    outputs: Mapping[str, bytes]


def explore(
    case: Case,
    layout: CallLayout,
    run: Run,
    *,
    seed: int,
    examples: int | None,
    only: Example | None,
    more: Sequence[Example] = (),
    repeat: Repeat | None = None,
    largest: int = LARGEST,
    watch: Watch | None = None,
    checks: Sequence[str] = CHECKS,
    source_name: str = "",
    runner: ReferenceRunner | None = None,
) -> Judgement:
    """Judge the kernel behind ``run`` by an assertion for each of ``checks``; ``correct`` stands for one of each dtype.

    Some calls are asked again, of ``repeat`` where it is given. ``examples`` of each dtype (the case's own number,
    or 25); with ``only``, that one example and its repeat. ``more`` are tried besides. The same seed asks the same
    examples. ``largest`` is how many elements large examples may have. ``watch`` sees every example before it is run,
    but for those of shrinking. Findings with a line name ``source_name``. ``runner`` runs the case's own Python;
    without one, this process does. Raises CaseError where the case is at fault, and whatever ``run`` raises.
    """
    with isolated():
        preparation = runner or Preparation(case)
        preparation.layout = layout
        exploration = _Exploration(preparation, run, seed, largest, repeat or (lambda call, _: run(call)))
        exploration.checks, exploration.source_name, exploration.more = checks, source_name, more
        exploration.watch = watch
        if only is not None:
            exploration.try_only(only)
            return exploration.judgement((only.dtype,), shrink=False)
        exploration.try_all(examples or case.examples or EXAMPLES)
        return exploration.judgement(case.dtypes, shrink=True)


class _Exploration:
    def __init__(self, preparation: ReferenceRunner, run: Run, seed: int, largest: int, repeat: Repeat) -> None:
        self.preparation, self.case = preparation, preparation.case
        self.run, self.seed, self.largest, self.repeat = run, seed, largest, repeat
        self.repeats = 0
        self.checks: Sequence[str] = CHECKS
        self.source_name = ""
        self.more: Sequence[Example] = ()
        self.watch: Watch | None = None
        self.tried: dict[str, Tried] = {}
        self.given_up: dict[str, str] = {}
        self.unsure = 0
        self.finished: set[str] = set()
        self._kept: list[_Kept] = []
        self._error: Exception | None = None
        self._earlier: frozenset[str] = frozenset()

    # ------------------------------------------------------------------------------------- phase 1: trying

    def try_only(self, example: Example) -> None:
        """Run one example, and once more."""
        try:
            self._try(example, None)
            self._repeat_all()
            self.finished.add(example.dtype)
        except Stop:
            pass

    def try_all(self, count: int) -> None:
        """Run the examples of every dtype; ends at the first that does not run."""
        try:
            for dtype in self.case.dtypes:
                for batch in search.plan(dtype, count, forced(self.case, linear=self.preparation.linear(dtype))):
                    self._try_batch(batch)
                self._try_more(dtype)
                self._try_something(dtype)
                self._try_empty(dtype)
                self._repeat_all()
                self.finished.add(dtype)
        except Stop:
            if self._error is not None:
                raise self._error from None

    def _try_batch(self, batch: Batch) -> None:
        self._earlier = frozenset((*self.tried, *self.given_up))
        search.generate(batch, self.strategy(batch), self.seed, lambda example: self._visit(example, batch))

    def _try_more(self, dtype: str) -> None:
        for example in self.more:
            if example.dtype == dtype and str(example) not in self.tried and str(example) not in self.given_up:
                self._try(example, Batch(dtype, 0, 0, large=False))

    def _try_something(self, dtype: str) -> None:
        """Conditions that sizes seldom meet must not leave a dtype untried, which would look like a pass."""
        example = smallest_example(self.case, dtype)
        if not self._asked(dtype) and str(example) not in self.given_up:
            self._try(example, Batch(dtype, 0, 0, large=False))

    def _try_empty(self, dtype: str) -> None:
        """Sizes of 0 are drawn seldom; each dim that may have one is tried with it at least once."""
        sizes = [tried.example.dims for tried in self.tried.values() if tried.example.dtype == dtype]
        for name, example in empty_examples(self.case, dtype).items():
            if all(dims[name] != 0 for dims in sizes) and str(example) not in self.given_up:
                self._try(example, Batch(dtype, 0, 0, large=False))
                sizes.append(example.dims)

    def strategy(self, batch: Batch) -> Any:
        among = (batch.family,) if batch.family else families(self.case, linear=self.preparation.linear(batch.dtype))
        return example_strategy(
            self.case, self.preparation.outputs, batch.dtype, large=batch.large, largest=self.largest, among=among
        )

    def _visit(self, example: Example, batch: Batch) -> None:
        if str(example) in self._earlier:
            hypothesis.reject()
        if str(example) in self.tried or str(example) in self.given_up:
            return
        try:
            self._try(example, batch)
            self._repeat_due()
        except Exception as error:
            # Hypothesis would take it for a failing example.
            self._error = error
            raise Stop from error

    def _try(self, example: Example, batch: Batch | None) -> None:
        prepared = self.preparation.prepare(example)
        if isinstance(prepared, GivenUp):
            self.given_up[str(example)] = prepared.reason
            return
        self.unsure += prepared.unsure
        if self.watch is not None:
            self.watch(prepared)
        answer = self.run(prepared.call)
        tried = self._record(prepared, batch, self._faults(prepared, answer))
        if answer.ran and (batch is None or batch.large or tried.order % _REPEAT_EVERY == 1):
            self._kept.append(_Kept(prepared, {name: bytes(data) for name, data in answer.outputs.items()}))
        self._stop_if_broken(tried)

    def _record(self, prepared: Prepared, batch: Batch | None, faults: dict[str, Fault]) -> Tried:
        key = str(prepared.example)
        tried = Tried(prepared.example, batch, len(self.tried), elements_of(prepared.call), faults)
        self.tried[key] = tried
        return tried

    def _faults(self, prepared: Prepared, answer: Answer) -> dict[str, Fault]:
        faults: dict[str, Fault] = {}
        for finding in answer.findings:
            faults.setdefault(finding.assertion, Fault(self._placed(finding), finding.kind, line=finding.line))
        memory = faults.get("memory")
        if memory is not None and "runs" in faults and faults["runs"].line is None:
            broken = faults["runs"]
            faults["runs"] = Fault(f"{broken.message}; {memory.message}", broken.kind, line=memory.line)
        if answer.ran:
            mismatch = judge(prepared.expected, answer.outputs)
            if mismatch is not None:
                name = f"correct[{prepared.example.dtype}]"
                worst = mismatch.worst if mismatch.expected is not None else None
                faults[name] = Fault(mismatch.message, worst=worst)
                if memory is not None:  # the likelier cause of wrong values than whatever they look like
                    faults[name] = Fault(memory.message, worst=worst, line=memory.line)
        return faults

    def _placed(self, finding: Finding) -> str:
        return finding.message if finding.line is None else f"{self.source_name}:{finding.line}: {finding.message}"

    def _stop_if_broken(self, tried: Tried) -> None:
        if "runs" in tried.faults:
            raise Stop

    def _repeat_due(self) -> None:
        """Repeat the oldest call that was kept, once two others have been asked since."""
        if self._kept and len(self.tried) % _REPEAT_EVERY == 4:
            self._repeat(self._kept.pop(0))

    def _repeat_all(self) -> None:
        while self._kept:
            self._repeat(self._kept.pop(0))

    def _repeat(self, kept: _Kept) -> None:
        tried = self.tried[str(kept.prepared.example)]
        answer = self.repeat(kept.prepared.call, self.repeats)
        self.repeats += 1
        for name, fault in self._faults(kept.prepared, answer).items():
            if name != f"correct[{tried.example.dtype}]" or self.case.atomics:
                tried.faults.setdefault(name, fault)
        if answer.ran and not self.case.atomics:
            changed = _difference(kept.prepared, kept.outputs, answer.outputs)
            if changed is not None:
                tried.faults.setdefault("deterministic", changed)
        self._stop_if_broken(tried)

    # ------------------------------------------------------------------------------------- judgement

    def judgement(self, dtypes: tuple[str, ...], *, shrink: bool) -> Judgement:
        """Put together what was found; shrinks the first failed assertion's example."""
        names = assertion_names(self.checks, dtypes)
        broken = any("runs" in tried.faults for tried in self.tried.values())
        assertions = [self._assertion(name, broken) for name in names]
        counterexample = None
        for index, assertion in enumerate(assertions):
            failing = self._failing(assertion.name)
            if not assertion.passed and failing:
                counterexample = self._counterexample(assertion.name, failing[0], shrink)
                told = self._message(assertion.name, failing, counterexample.message)
                assertions[index] = Assertion(assertion.name, False, told)
                break
        return Judgement(tuple(assertions), counterexample, self._inconclusive(dtypes, broken), self._notes())

    def _failing(self, name: str) -> list[Tried]:
        return [tried for tried in self.tried.values() if name in tried.faults]

    def _assertion(self, name: str, broken: bool) -> Assertion:
        failing = self._failing(name)
        if failing:
            return Assertion(name, False, self._message(name, failing, failing[0].faults[name].message))
        if broken and name != "runs" and not (name.startswith("correct") and name[8:-1] in self.finished):
            return Assertion(name, False, "not tried to the end: the kernel did not run")
        return Assertion(name, True)

    def _message(self, name: str, failing: list[Tried], message: str) -> str:
        """What is wrong on one example, and on how many others."""
        if name == "runs" or not name.startswith("correct"):
            return message
        asked = self._asked(failing[0].example.dtype)
        return f"{message} ({len(failing)} of {asked} examples fail)" if asked > 1 else message

    def _asked(self, dtype: str) -> int:
        return sum(tried.example.dtype == dtype for tried in self.tried.values())

    def _inconclusive(self, dtypes: tuple[str, ...], broken: bool) -> str | None:
        asked = len(self.tried) + len(self.given_up)
        doubtful = self.unsure + len(self.given_up)
        untried = any(not self._asked(dtype) for dtype in dtypes)
        if broken or (doubtful <= _UNSURE_SHARE * asked and not untried):
            return None
        reason = next(iter(self.given_up.values()), OFF)
        advice = "give 'args' values for which the reference is stable"
        return f"{doubtful} of {asked} examples cannot be judged: {reason}; {advice}"

    def _notes(self) -> tuple[str, ...]:
        return ("judged with the case's own tolerance",) if self.case.tolerance else ()

    # ------------------------------------------------------------------------------------- phase 2: shrinking

    def _counterexample(self, name: str, first: Tried, shrink: bool) -> Counterexample:
        if not shrink or first.batch is None or first.faults[name].kind == "timeout":
            return _described(name, first, reproducible=True)
        shrinking = Shrinking(self, name, first)
        smallest = shrinking.smallest(self.strategy(first.batch))
        for candidate in (smallest, first) if smallest is not first else (first,):
            again = self._replayed(candidate.example, name)
            if again is not None and name in again.faults:
                found = _described(name, again, reproducible=True)
                return replace(found, message=found.message + _UNFINISHED) if shrinking.out_of_time else found
        return _described(name, first, reproducible=False)

    def _replayed(self, example: Example, name: str) -> Tried | None:
        try:
            return self.try_again(example, name)
        except UpskillError:
            # The verdict is fixed: what goes wrong from here on must not hide it.
            return None

    def try_again(self, example: Example, name: str) -> Tried | None:
        """Run an example afresh, for one assertion: twice where bits are compared. None where it cannot be judged."""
        prepared = self.preparation.prepare(example)
        if isinstance(prepared, GivenUp):
            return None
        answer = self.run(prepared.call)
        faults = self._faults(prepared, answer)
        if name == "deterministic" and name not in faults and answer.ran and not self.case.atomics:
            kept = {key: bytes(data) for key, data in answer.outputs.items()}
            for time in range(_REPEATS_WHEN_TRIED_AGAIN):
                self._compare_again(prepared, kept, time, faults)
        return Tried(prepared.example, None, -1, elements_of(prepared.call), faults)

    def _compare_again(
        self, prepared: Prepared, kept: Mapping[str, bytes], time: int, faults: dict[str, Fault]
    ) -> None:
        second = self.repeat(prepared.call, time)
        faults.update({key: fault for key, fault in self._faults(prepared, second).items() if key == "deterministic"})
        fault = _difference(prepared, kept, second.outputs) if second.ran else None
        if fault is not None:
            faults.setdefault("deterministic", fault)


def _described(name: str, tried: Tried, *, reproducible: bool) -> Counterexample:
    fault = tried.faults[name]
    message = fault.message
    if not reproducible:
        message += (
            " (not reproducible: the same call passed when it was tried again, so the kernel keeps state or races)"
        )
    return Counterexample(name, tried.example, message, fault.worst, fault.line, reproducible)


def _difference(prepared: Prepared, first: Mapping[str, Any], second: Mapping[str, Any]) -> Fault | None:
    """How two answers to the same call differ in bits."""
    for one in prepared.expected:
        if one.name not in first or one.name not in second:
            continue
        found = first_difference(first[one.name], second[one.name], one.dtype, one.shape)
        if found is not None:
            index, before, after = found
            place = f"{one.name}[{', '.join(map(str, index))}]" if index else one.name
            message = f"the same input gave other bits: {place} was {number(before)}, then {number(after)}"
            if isinstance(before, float) and math.isnan(before) and math.isnan(after):
                message += ", two kinds of NaN, as if never written"
            return Fault(message, "difference", WorstElement(one.name, index, number(before), number(after)))
    return None
