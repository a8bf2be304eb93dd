"""Explores a kernel: calls it on drawn examples, judges each answer, and shrinks the first failure.

This module knows a kernel only as a function from a call to an answer. Once a call fails an assertion, that assertion
has failed, whatever later calls return.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import UpskillError
from pytest_upskill.languages.base import Tracer
from pytest_upskill.oracle import search
from pytest_upskill.oracle.compare import first_difference, judge, number, place
from pytest_upskill.oracle.draw import LARGEST, families, forced, parse_example
from pytest_upskill.oracle.draw import examples as example_strategy
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import OFF, GivenUp, Preparation, Prepared
from pytest_upskill.oracle.reference_runner import ReferenceRunner
from pytest_upskill.oracle.required_examples import large_together, required_examples
from pytest_upskill.oracle.search import Batch, Stop
from pytest_upskill.oracle.shrink import UNFINISHED, Fault, Shrinking, Tried, explained
from pytest_upskill.oracle.steering import Steering
from pytest_upskill.records import (
    NEEDS_GPU,
    Answer,
    Assertion,
    Call,
    CallLayout,
    Counterexample,
    Example,
    WorstElement,
    assertion_names,
)

EXAMPLES = 25
"""The number of examples of each dtype, unless the user or the case gives another number."""

CHECKS = ("runs", "correct", "memory", "deterministic", "inputs")

_REPEAT_EVERY = _MOST_UNANSWERED = 5
_UNSURE_SHARE = 0.2
_REPEATS_WHEN_TRIED_AGAIN = 3
_NOT_REPRODUCIBLE = (
    " (not reproducible: the same call passed when it was tried again, so the kernel keeps state or races)"
)

Run = Callable[[Call], Answer]
Repeat = Callable[[Call, int], Answer]
"""Repeats a call. The number says which repeat it is, so that a device can use another order of threads each time."""

Watch = Callable[[Prepared], None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the oracle found. If no verdict is possible, ``inconclusive`` is the reason."""

    assertions: tuple[Assertion, ...]
    counterexample: Counterexample | None
    inconclusive: str | None
    notes: tuple[str, ...] = ()
    not_executed: tuple[tuple[int, int], ...] = ()
    """Ranges of lines of the kernel's source that no example executed."""
    needs: str | None = None
    """The first operation that a call needed and the device cannot execute. None if there was none."""


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
    tracer: Tracer | None = None,
) -> Judgement:
    """Judge the kernel behind ``run`` by the assertions in ``checks``. ``correct`` becomes one assertion per dtype.

    ``repeat`` repeats some of the calls (None: ``run`` repeats them). ``examples`` is how many examples are drawn for
    each dtype (None: the case's own number, or 25). The examples in ``more`` are tried as well. If ``only`` is given,
    that example is run twice, and no other example is tried. The same seed draws the same examples. ``largest`` is how
    many elements large examples may have. ``watch`` is called with every example before it is run, except while
    shrinking. Messages about findings with a line name ``source_name``. ``runner`` runs the case's own Python (None: it
    runs in this process). ``tracer`` is used to find sizes at which the kernel takes further branches. Raises CaseError
    if the case is at fault, and whatever ``run`` raises.
    """
    with isolated():
        preparation = runner or Preparation(case)
        preparation.layout = layout
        again = repeat or (lambda call, _: run(call))
        exploration = _Exploration(preparation, run, again, seed, largest, more, watch, checks, source_name)
        if tracer is not None:
            exploration.steering = Steering(case, preparation.outputs, tracer, preparation.call, seed)
        if only is not None:
            exploration.try_only(only)
            return exploration.judgement((only.dtype,), shrink=False)
        exploration.try_all(examples or case.examples or EXAMPLES)
        return exploration.judgement(case.dtypes, shrink=True)


@dataclass
class _Exploration:
    preparation: ReferenceRunner
    run: Run
    repeat: Repeat
    seed: int
    largest: int
    more: Sequence[Example]
    watch: Watch | None
    checks: Sequence[str]
    source_name: str
    tried: dict[str, Tried] = field(default_factory=dict)
    given_up: dict[str, str] = field(default_factory=dict)
    repeats: int = 0
    unsure: int = 0
    unmodelled: set[str] = field(default_factory=set)
    steering: Steering | None = None
    finished: set[str] = field(default_factory=set)
    _kept: list[tuple[Prepared, Mapping[str, bytes]]] = field(default_factory=list)
    """The calls that will be repeated, each with the bytes of the outputs that it returned."""
    _error: Exception | None = None
    needs: str | None = None
    _unanswered: int = 0

    def __post_init__(self) -> None:
        self.case = self.preparation.case
        always = [parse_example(text, self.case) for text in self.case.always]
        self.always = {dtype: [one for one in always if one.dtype == dtype] for dtype in self.case.dtypes}
        """By dtype, the examples that the case names. They are tried before any drawn example."""

    def try_only(self, example: Example) -> None:
        """Run one example twice."""
        with suppress(Stop):
            self._try(example, None)
            self._repeat_all()
            self.finished.add(example.dtype)

    def try_all(self, count: int) -> None:
        """Run the examples of every dtype. Stop at the first example on which the kernel does not run."""
        try:
            for dtype in self.case.dtypes:
                family = forced(self.case, linear=self.preparation.linear(dtype))
                uppers = large_together(self.case, self.preparation.outputs, self.largest, dtype, self.seed)
                for example in self.always[dtype]:
                    self._try(example, Batch(dtype, 0, 0, large=False))
                for batch in search.plan(dtype, count, family, uppers):
                    self._try_batch(batch)
                for example in (*self._not_drawn(dtype), *self._steered(dtype)):
                    self._try(example, Batch(dtype, 0, 0, large=False))
                self._repeat_all()
                self.finished.add(dtype)
        except Stop:
            if self._error is not None:
                raise self._error from None

    def _try_batch(self, batch: Batch) -> None:
        earlier = {*self.tried, *self.given_up}

        def visit(example: Example) -> None:
            if str(example) in earlier:
                hypothesis.reject()
            if self._is_known(example):
                return
            try:
                self._try(example, batch)
                # Repeat the oldest kept call only after two other calls, so that the kernel's state has changed.
                if self._kept and len(self.tried) % _REPEAT_EVERY == 4:
                    self._repeat(*self._kept.pop(0))
            except Exception as error:
                # Hypothesis would treat this exception as a failing example.
                self._error = error
                raise Stop from error

        search.generate(batch, self.strategy(batch), self.seed, visit)

    def _not_drawn(self, dtype: str) -> Iterator[Example]:
        """The examples of a dtype that are tried in addition to the drawn examples."""
        yield from (one for one in self.more if one.dtype == dtype and not self._is_known(one))
        drawn = [(one.example, one.elements) for one in self.tried.values() if one.example.dtype == dtype]
        outputs = self.preparation.outputs
        required = required_examples(self.case, outputs, self.largest, dtype, self.seed, drawn)
        yield from (one for one in required if not self._is_known(one))

    def _steered(self, dtype: str) -> Iterator[Example]:
        """Examples at which the kernel takes branches that no earlier example took. None once an assertion failed."""
        drawn = [tried.example for tried in self.tried.values() if tried.example.dtype == dtype]
        yield from steering.examples(dtype, drawn) if (steering := self._unfailed_steering) else ()

    @property
    def _unfailed_steering(self) -> Steering | None:
        return None if any(tried.faults for tried in self.tried.values()) else self.steering

    def _is_known(self, example: Example) -> bool:
        return str(example) in self.tried or str(example) in self.given_up

    def _count(self, dtype: str) -> int:
        return sum(tried.example.dtype == dtype for tried in self.tried.values())

    def strategy(self, batch: Batch) -> Any:
        among = (batch.family,) if batch.family else families(self.case, linear=self.preparation.linear(batch.dtype))
        outputs, large = self.preparation.outputs, batch.large
        return example_strategy(
            self.case, outputs, batch.dtype, large=large, largest=self.largest, among=among, upper=batch.upper
        )

    def _try(self, example: Example, batch: Batch | None) -> None:
        prepared = self.preparation.prepare(example)
        if isinstance(prepared, GivenUp):
            self.given_up[str(example)] = prepared.reason
            return
        self.unsure += prepared.unsure
        self.unmodelled |= prepared.unmodelled
        if self.watch is not None:
            self.watch(prepared)
        answer = self.run(prepared.call)
        if self._needs_gpu(example, answer):
            return
        faults = self._faults(prepared, answer)
        tried = Tried.of(prepared, batch, len(self.tried), faults)
        self.tried[str(prepared.example)] = tried
        if "runs" in faults:
            raise Stop
        if batch is None or batch.large or tried.order % _REPEAT_EVERY == 1:
            self._kept.append((prepared, {name: bytes(data) for name, data in answer.outputs.items()}))

    def _needs_gpu(self, example: Example, answer: Answer) -> bool:
        """Whether a call reached something that only a GPU can do.

        Such an example is given up, because nothing is known about its results. Other examples may still fail.
        """
        if (need := next((finding for finding in answer.findings if finding.kind == NEEDS_GPU), None)) is None:
            return False
        place = self.source_name if need.line is None else f"{self.source_name}:{need.line}"
        self.needs = self.needs or f"needs a GPU: {need.message}, {place}"
        self.given_up[str(example)] = self.needs
        self._unanswered += 1
        if self._unanswered == _MOST_UNANSWERED:
            raise Stop
        return True

    def _faults(self, prepared: Prepared, answer: Answer) -> dict[str, Fault]:
        faults: dict[str, Fault] = {}
        if any(finding.kind == NEEDS_GPU for finding in answer.findings):
            return faults
        for finding in answer.findings:
            place = "" if finding.line is None else f"{self.source_name}:{finding.line}: "
            fault = Fault(f"{place}{finding.message}", finding.kind, line=finding.line)
            faults.setdefault(finding.assertion, fault)
        memory, broken = faults.get("memory"), faults.get("runs")
        if memory is not None and broken is not None and broken.line is None:
            faults["runs"] = Fault(f"{broken.message}; {memory.message}", broken.kind, line=memory.line)
        mismatch = judge(prepared.expected, answer.outputs) if answer.ran else None
        if mismatch is not None:
            worst = mismatch.worst if mismatch.expected is not None else None
            # A memory error is the most likely cause of wrong values, whatever the values look like.
            message, line = (memory.message, memory.line) if memory else (mismatch.message, None)
            faults[f"correct[{prepared.example.dtype}]"] = Fault(message, worst=worst, line=line)
        return faults

    def _repeat_all(self) -> None:
        while self._kept:
            self._repeat(*self._kept.pop(0))

    def _repeat(self, prepared: Prepared, outputs: Mapping[str, bytes]) -> None:
        tried = self.tried[str(prepared.example)]
        answer = self.repeat(prepared.call, self.repeats)
        self.repeats += 1
        for name, fault in self._faults(prepared, answer).items():
            if name != f"correct[{tried.example.dtype}]" or self.case.atomics:
                tried.faults.setdefault(name, fault)
        compared = answer.ran and not self.case.atomics
        if compared and (changed := _difference(prepared, outputs, answer.outputs)) is not None:
            tried.faults.setdefault("deterministic", changed)
        if "runs" in tried.faults:
            raise Stop

    def judgement(self, dtypes: tuple[str, ...], *, shrink: bool) -> Judgement:
        """Put together what was found. If ``shrink``, shrink the example that shows the first failure or its cause."""
        broken = any("runs" in tried.faults for tried in self.tried.values())
        names = assertion_names(self.checks, dtypes)
        failing = {name: [one for one in self.tried.values() if name in one.faults] for name in names}
        assertions = {name: self._assertion(name, failing[name], broken) for name in names}
        counterexample = None
        if (name := next((name for name in names if failing[name]), None)) is not None:
            shown, first = explained(name, failing)
            tried, counterexample = self._counterexample(shown, first, shrink)
            for one in (one for one in shown if one in tried.faults):
                message = counterexample.message if one == shown[0] else tried.faults[one].message
                assertions[one] = Assertion(one, False, self._message(one, failing[one], message))
        notes = self._notes()
        left = steering.not_executed() if (steering := self._unfailed_steering) else ()
        unsure = self._inconclusive(dtypes, broken)
        return Judgement(tuple(assertions.values()), counterexample, unsure, notes, left, self.needs)

    def _notes(self) -> tuple[str, ...]:
        notes = ["judged with the case's own tolerance"] if self.case.tolerance else []
        always = (str(example) for examples in self.always.values() for example in examples)
        failed = [text for text in always if text in self.tried and self.tried[text].faults]
        notes += [f"fails an example of 'always': {text}" for text in failed]
        if self.unmodelled:
            names = ", ".join(sorted(self.unmodelled))
            notes.append(f"judged with a wide tolerance: the rounding of {names} is not modelled")
        return tuple(notes)

    def _assertion(self, name: str, failing: list[Tried], broken: bool) -> Assertion:
        if failing:
            return Assertion(name, False, self._message(name, failing, failing[0].faults[name].message))
        if broken and name != "runs" and not (name.startswith("correct") and name[8:-1] in self.finished):
            return Assertion(name, False, "not tried to the end: the kernel did not run")
        return Assertion(name, True)

    def _message(self, name: str, failing: list[Tried], message: str) -> str:
        """A message that says what is wrong on the reported example, and how many examples fail."""
        count = self._count(failing[0].example.dtype)
        several = name.startswith("correct") and count > 1
        return f"{message} ({len(failing)} of {count} examples fail)" if several else message

    def _inconclusive(self, dtypes: tuple[str, ...], broken: bool) -> str | None:
        if self.needs:
            return self.needs
        count = len(self.tried) + len(self.given_up)
        doubtful = self.unsure + len(self.given_up)
        untried = any(not self._count(dtype) for dtype in dtypes)
        if broken or (doubtful <= _UNSURE_SHARE * count and not untried):
            return None
        reason = next(iter(self.given_up.values()), OFF)
        advice = "give 'args' values for which the reference is stable"
        return f"{doubtful} of {count} examples cannot be judged: {reason}; {advice}"

    def _counterexample(self, names: tuple[str, ...], first: Tried, shrink: bool) -> tuple[Tried, Counterexample]:
        if not shrink or first.batch is None or first.faults[names[0]].kind.endswith("timeout"):
            return first, first.counterexample(names)
        # A finding may make values wrong on some examples only, so the smallest example with the finding is shown.
        names, shown = (names[:1], names) if names[0] == "memory" else (names, names)
        shrinking = Shrinking(self, names, first)
        smallest = shrinking.smallest(self.strategy(first.batch))
        for candidate in (smallest, first) if smallest is not first else (first,):
            try:
                again = self.try_again(candidate.example, names)
            except UpskillError:
                continue  # the verdict is fixed, so an error from here on must not hide it
            if again is not None and any(fault.kind == "item-timeout" for fault in again.faults.values()):
                return first, first.counterexample(names)
            if again is not None and again.fails(names):
                both = tuple(name for name in shown if name in again.faults)
                return again, again.counterexample(both, UNFINISHED if shrinking.unfinished else "")
        return first, replace(first.counterexample(shown, _NOT_REPRODUCIBLE), reproducible=False)

    def try_again(self, example: Example, names: tuple[str, ...]) -> Tried | None:
        """Run an example again and check the assertions ``names``. None if the example cannot be judged.

        The example is run twice if one of the assertions compares bits.
        """
        prepared = self.preparation.prepare(example)
        if isinstance(prepared, GivenUp):
            return None
        answer = self.run(prepared.call)
        faults = self._faults(prepared, answer)
        if (name := "deterministic") in names and name not in faults and answer.ran and not self.case.atomics:
            kept = {key: bytes(data) for key, data in answer.outputs.items()}
            for time in range(_REPEATS_WHEN_TRIED_AGAIN):
                second = self.repeat(prepared.call, time)
                if (reported := self._faults(prepared, second).get(name)) is not None:
                    faults[name] = reported
                fault = _difference(prepared, kept, second.outputs) if second.ran else None
                if fault is not None:
                    faults.setdefault(name, fault)
        return Tried.of(prepared, None, -1, faults)


def _difference(prepared: Prepared, first: Mapping[str, Any], second: Mapping[str, Any]) -> Fault | None:
    """The fault that two answers to the same call differ in bits, or None if they do not."""
    for one in prepared.expected:
        if one.name not in first or one.name not in second:
            continue
        found = first_difference(first[one.name], second[one.name], one.dtype, one.shape)
        if found is not None:
            index, before, after = found
            where = place(one.name, index)
            message = f"the same input gave other bits: {where} was {number(before)}, then {number(after)}"
            if isinstance(before, float) and math.isnan(before) and math.isnan(after):
                message += ", two kinds of NaN, as if never written"
            return Fault(message, "difference", WorstElement(one.name, index, number(before), number(after)))
    return None
