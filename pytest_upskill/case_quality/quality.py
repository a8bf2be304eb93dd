"""Case quality: a case must accept its own solution and reject wrong results, and its result must depend on its inputs.

Each complaint about a case comes with a change of the case that fixes it, which was tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from pytest_upskill.case_quality.result_mutants import MUTANTS, SMALL, UNVARIED, ResultTrial, Spoiled, right_outputs
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.case_quality.suggestions import suggestions
from pytest_upskill.cases.case import Case, Range
from pytest_upskill.documents.expression import parse
from pytest_upskill.oracle.explore import Judgement, Repeat, Run, Watch, explore
from pytest_upskill.oracle.isolation import stable_hash
from pytest_upskill.oracle.prepare import Prepared
from pytest_upskill.oracle.reference_runner import OpenRunner, ReferenceRunner, in_this_process
from pytest_upskill.records import Answer, Assertion, Call, CallLayout

SOLUTION = "solution"
_NO_FIX = "neither larger dims nor other values fix it: change the reference"
VARIES = "varies"
"""The assertion that results depend on the inputs."""


@dataclass(frozen=True, slots=True)
class CaseQuality:
    """The assertions about a case: ``solution`` (if it has one), ``varies`` and ``rejects[...]``.

    ``inconclusive`` is the reason why the case itself cannot be judged.
    """

    assertions: tuple[Assertion, ...]
    inconclusive: str | None = None

    @property
    def problem(self) -> str | None:
        """Why no student should be queried for this case; None for a good case."""
        failed = next((one for one in self.assertions if not one.passed), None)
        return failed.message if failed else self.inconclusive


def case_seed(case: Case) -> int:
    """The seed of a case's self-check. It depends on the case only, so that the result can be cached."""
    return stable_hash("self-check", case.name, case.text_hash)


def check(
    subject: Subject,
    run: Run | None,
    repeat: Repeat | None,
    largest: int,
    watch: Watch | None = None,
    open_runner: OpenRunner = in_this_process,
) -> CaseQuality:
    """Judge the solution behind ``run`` (None: there is none), and try every wrong result on its examples.

    ``watch`` gets the examples, too. ``open_runner`` opens what runs the case's Python. Raises CaseError, and the
    exceptions of ``run``.
    """
    with closing(open_runner(subject.case)) as runner:
        trial = ResultTrial(runner.other_results)
        judgement = _explored(subject, runner, run, repeat, largest, watch, trial)
        solution = _solution(judgement) if run is not None else ()
        if not all(one.passed for one in solution):
            return CaseQuality(solution)
        rejections = tuple(_rejections(runner, subject.layout, trial))
    return CaseQuality((*solution, *rejections), judgement.inconclusive)


def _explored(
    subject: Subject,
    runner: ReferenceRunner,
    run: Run | None,
    repeat: Repeat | None,
    largest: int,
    watch: Watch | None,
    trial: ResultTrial,
) -> Judgement:
    """Judge the solution, or the exact results if there is none; ``trial`` gets every example."""
    # Keeps the calls as well: the id of an object that no longer exists can be used again.
    exact: dict[int, tuple[Call, Answer]] = {}

    def see(prepared: Prepared) -> None:
        if run is None:
            exact[id(prepared.call)] = (prepared.call, Answer(right_outputs(prepared.expected)))
        trial.add(prepared)
        if watch is not None:
            watch(prepared)

    return explore(
        subject.case,
        subject.layout,
        run or (lambda call: exact[id(call)][1]),
        seed=case_seed(subject.case),
        examples=None,
        only=None,
        repeat=repeat if run else None,
        largest=largest,
        watch=see,
        checks=subject.language.checks,
        source_name=subject.language.source_name,
        runner=runner,
    )


def _solution(judgement: Judgement) -> tuple[Assertion, ...]:
    failed = next((one for one in judgement.assertions if not one.passed), None)
    if failed is None:
        return (Assertion(SOLUTION, True),)
    found = judgement.counterexample
    message = found.message if found else failed.message
    place = f" (on {found.example})" if found else ""
    return (Assertion(SOLUTION, False, f"its own solution fails {failed.name}: {message}{place}"),)


def _rejections(runner: ReferenceRunner, layout: CallLayout, trial: ResultTrial) -> Iterator[Assertion]:
    """One assertion for each mutant, over all outputs and dtypes that it was tried on; ``varies`` comes last."""
    survived = trial.survived
    survived += [(SMALL, *key) for key in trial.outputs if _too_small(runner.case, layout, trial, *key)]
    helped = _helped(runner, layout, survived)
    for name in (mutant.name for mutant in MUTANTS):
        found = [key for key in survived if key[0] == name]
        label = VARIES if name == UNVARIED else f"rejects[{name}]"
        if found:
            yield Assertion(label, False, f"{_complaint(trial, found)}; {helped.get(name) or _NO_FIX}")
        elif any(key[0] == name for key in trial.dead):
            yield Assertion(label, True)


def _helped(runner: ReferenceRunner, layout: CallLayout, survived: list[Spoiled]) -> dict[str, str]:
    """The fix for each mutant, by its name; tried on the first output and dtype in which it survived."""
    first: dict[str, Spoiled] = {}
    for key in survived:
        first.setdefault(key[0], key)
    fixes: dict[str, str] = {}
    for dtype in dict.fromkeys(key[2] for key in first.values()):
        found = suggestions(runner, layout, [key for key in first.values() if key[2] == dtype])
        fixes |= {key[0]: f"this is fixed {said}" for key, said in found.items()}
    return fixes


def _too_small(case: Case, layout: CallLayout, trial: ResultTrial, output: str, dtype: str) -> bool:
    """Whether no example had a result of more than one tile, although the case's dims allow larger ones."""
    key = (SMALL, output, dtype)
    untried = key not in trial.dead and key not in trial.survived_on
    return untried and trial.outputs[(output, dtype)] > 0 and _may_grow(case, layout, output)


def _may_grow(case: Case, layout: CallLayout, output: str) -> bool:
    """Whether the size of an output depends on a dim with a range; False if it is not known."""
    ranges = {dim.name for dim in case.dims if isinstance(dim.sizes, Range)}
    own = next((tensor.shape for tensor in case.tensors if tensor.name == output), None)
    told = next((one.shape for one in layout.tensors if one.name == output), None)
    shape = own or tuple(parse(size) for size in told or ())
    return any(size.names & ranges for size in shape)


def _complaint(trial: ResultTrial, found: list[Spoiled]) -> str:
    name, output, dtype = found[0]
    said = next(mutant.said for mutant in MUTANTS if mutant.name == name)
    others = sorted({one[2] for one in found} - {dtype})
    count = trial.survived_on.get(found[0], 0)
    examples = f"on all {count} examples" if count else "on every example, since all are that small"
    tried = ", ".join((dtype, *others))
    if name == UNVARIED:
        what = f"'{output}' hardly varies with the inputs: other inputs of the same sizes give the same result"
        return f"{what} {examples} ({tried})"
    return f"a kernel that {said} passes: '{output}' is right {examples} ({tried})"
