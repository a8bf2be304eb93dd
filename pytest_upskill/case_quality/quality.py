"""Case quality: a case must accept its own solution and reject wrong results, and its result must depend on its inputs.

Each complaint about a case comes with a change of the case that fixes it, which was tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from pytest_upskill.case_quality.result_mutants import MUTANTS, SMALL, UNVARIED, ResultTrial, Spoiled, right_outputs
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.cases.case import Case, Choices, Dim, Range
from pytest_upskill.documents.expression import parse
from pytest_upskill.errors import UpskillError
from pytest_upskill.oracle import search
from pytest_upskill.oracle.draw import examples as example_strategy
from pytest_upskill.oracle.explore import Judgement, Repeat, Run, Watch, explore
from pytest_upskill.oracle.isolation import isolated, stable_hash
from pytest_upskill.oracle.prepare import Prepared
from pytest_upskill.oracle.reference_runner import OpenRunner, ReferenceRunner, in_this_process
from pytest_upskill.records import FLOATING, Answer, Assertion, Call, CallLayout, Example

SMALLEST_RANGE = 64
_TIMES = 4
_EXAMPLES = 12
_MORE_EXAMPLES = 60
_LARGEST = 1 << 17
"""Elements of the large examples."""


@dataclass(frozen=True, slots=True)
class Change:
    """A changed copy of a case; ``said`` describes it in messages, after "this is fixed"."""

    said: str
    case: Case
    examples: int = _EXAMPLES


def changes(case: Case, dtype: str) -> Iterator[Change]:
    """The changes that an author can make, the cheapest first."""
    if case.tolerance:
        yield Change("without the case's own 'tolerance'", replace(case, tolerance={}))
    for dim in case.dims:
        larger = _larger(dim)
        text = f"with larger dims, such as '{dim.name}: {larger.sizes.low}..{larger.sizes.high}'"  # type: ignore[union-attr]
        yield Change(text, replace(case, dims=tuple(larger if one is dim else one for one in case.dims)))
    yield from _other_values(case, dtype)
    yield Change(f"with more examples, such as 'examples: {_MORE_EXAMPLES}'", case, _MORE_EXAMPLES)


def _larger(dim: Dim) -> Dim:
    if isinstance(dim.sizes, Choices):
        high = max(_TIMES * int(max(dim.sizes.options)), SMALLEST_RANGE)
        return Dim(dim.name, Range(parse(1), parse(high)))
    known = dim.sizes.high.constant
    higher = f"{_TIMES} * ({dim.sizes.high})" if known is None else max(_TIMES * int(known), SMALLEST_RANGE)
    return Dim(dim.name, Range(dim.sizes.low, parse(higher)))


def _other_values(case: Case, dtype: str) -> Iterator[Change]:
    if case.inputs is not None:
        yield Change("with other values, such as those drawn without '## Inputs'", replace(case, inputs=None))
    for tensor in case.tensors:
        if tensor.values is not None and (tensor.dtype or dtype) in FLOATING:
            free = tuple(replace(one, values=None) if one is tensor else one for one in case.arguments)
            text = f"with other values, such as those drawn without 'values' of '{tensor.name}'"
            yield Change(text, replace(case, arguments=free))


def suggestions(runner: ReferenceRunner, layout: CallLayout, spoiled: Sequence[Spoiled]) -> dict[Spoiled, str]:
    """The change (``Change.said``) with which the case kills each mutant; mutants that no change kills are absent. All
    mutants are of one dtype.
    """
    found: dict[Spoiled, str] = {}
    for change in changes(runner.case, spoiled[0][2]):
        if not (left := {one for one in spoiled if one not in found}):
            break
        # A change can make the case invalid, by its conditions or in its reference.
        with suppress(UpskillError, ValueError):
            found |= dict.fromkeys(_dying(change, runner, layout, left), change.said)
    return found


def _dying(change: Change, runner: ReferenceRunner, layout: CallLayout, left: set[Spoiled]) -> set[Spoiled]:
    dtype = next(iter(left))[2]
    changed = runner.for_copy(change.case)
    trial = ResultTrial(changed.other_results)
    with isolated():
        for prepared in drawn(changed, layout, dtype, change.examples):
            trial.add(prepared)
            if left <= trial.dead:
                break
    return left & trial.dead


def drawn(runner: ReferenceRunner, layout: CallLayout, dtype: str, count: int) -> Iterator[Prepared]:
    """Examples of a dtype, prepared for ``layout``. Call it within ``isolated``."""
    case, runner.layout = runner.case, layout
    for number, batch in enumerate(search.plan(dtype, count)):
        found: list[Example] = []
        strategy = example_strategy(case, runner.outputs, dtype, large=batch.large, largest=_LARGEST)
        search.generate(batch, strategy, stable_hash("remedy", case.text_hash, number), found.append)
        for example in found:
            prepared = runner.prepare(example)
            if isinstance(prepared, Prepared):
                yield prepared


SOLUTION = "solution"
_NO_FIX = "neither larger dims nor other values fix it: change the reference"
VARIES = "varies"
"""The assertion that results depend on the inputs."""


@dataclass(frozen=True, slots=True)
class CaseQuality:
    """``solution`` (if there is one), ``varies`` and ``rejects[...]``, or why the case itself cannot be judged."""

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
    """Judge the solution behind ``run`` (None: there is none), and try every wrong result on its examples, which
    ``watch`` gets, too. ``open_runner`` opens what runs the case's Python. Raises CaseError, and what ``run`` raises.
    """
    # Keeps the calls as well: the id of an object that no longer exists can be used again.
    exact: dict[int, tuple[Call, Answer]] = {}

    def see(prepared: Prepared) -> None:
        if run is None:
            exact[id(prepared.call)] = (prepared.call, Answer(right_outputs(prepared.expected)))
        trial.add(prepared)
        if watch is not None:
            watch(prepared)

    with closing(open_runner(subject.case)) as runner:
        trial = ResultTrial(runner.other_results)
        judgement = explore(
            subject.case,
            subject.layout,
            run or (lambda call: exact[id(call)][1]),  # without a solution, the exact results are judged
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
        solution = _solution(judgement) if run is not None else ()
        if not all(one.passed for one in solution):
            return CaseQuality(solution)
        rejections = tuple(_rejections(runner, subject.layout, trial))
    return CaseQuality((*solution, *rejections), judgement.inconclusive)


def _solution(judgement: Judgement) -> tuple[Assertion, ...]:
    failed = next((one for one in judgement.assertions if not one.passed), None)
    if failed is None:
        return (Assertion(SOLUTION, True),)
    found = judgement.counterexample
    message = found.message if found else failed.message
    place = f" (on {found.example})" if found else ""
    return (
        Assertion(
            SOLUTION, False, f"its own solution fails {found.assertion if found else failed.name}: {message}{place}"
        ),
    )


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
