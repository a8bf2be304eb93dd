"""Checks a case: it must accept its own solution and reject wrong results, and its result must depend on its inputs.

Wrong results are called mutants. If the drawn examples do not kill a mutant, further inputs that the case allows are
tried. An input that kills the mutant is added to the examples on which students are judged. If none kills it, the case
gets advice or, for the worst mutants (constants, a returned input, results of other inputs), a failed assertion. Both
name a change of the case that kills the mutant, if one was tried and works.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from pytest_upskill.case_quality import result_mutants
from pytest_upskill.case_quality.result import SOLUTION, CaseQuality, solution_fails
from pytest_upskill.case_quality.result_mutants import REFUSED, SMALL, UNVARIED, ResultTrial, Spoiled
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.cases.case import Case, Choices, Dim, Range
from pytest_upskill.documents.expression import parse
from pytest_upskill.errors import UpskillError
from pytest_upskill.oracle import search
from pytest_upskill.oracle.compare import judge
from pytest_upskill.oracle.draw import examples as example_strategy
from pytest_upskill.oracle.explore import Judgement, Repeat, Run, Watch, explore
from pytest_upskill.oracle.isolation import isolated, stable_hash
from pytest_upskill.oracle.prepare import Prepared
from pytest_upskill.oracle.reference_runner import OpenRunner, ReferenceRunner, in_this_process
from pytest_upskill.oracle.shapes import upper_halves
from pytest_upskill.records import FLOATING, Answer, Assertion, Call, CallLayout, Example

SMALLEST_RANGE = 64
_TIMES = 4
_EXAMPLES = 12
_MORE_EXAMPLES = 60
_LARGEST = 1 << 17
"""The number of elements of large examples."""


@dataclass(frozen=True, slots=True)
class Change:
    """A changed copy of a case. ``said`` describes the change in messages, after "this is fixed"."""

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
    """For each mutant, the change (``Change.said``) with which the case kills it.

    Mutants that no change kills are absent. All mutants are tried with the dtype of the first one.
    """
    found: dict[Spoiled, str] = {}
    dtype = spoiled[0][2] or runner.case.dtypes[0]
    for change in changes(runner.case, dtype):
        if not (left := {one for one in spoiled if one not in found}):
            break
        # A change can violate the case's conditions, or make its reference fail.
        with suppress(UpskillError, ValueError):
            found |= dict.fromkeys(_dying(change, runner, layout, dtype, left), change.said)
    return found


def _dying(change: Change, runner: ReferenceRunner, layout: CallLayout, dtype: str, left: set[Spoiled]) -> set[Spoiled]:
    changed = runner.for_copy(change.case)
    trial = ResultTrial(changed.other_results, changed.mutated_runs)
    with isolated():
        for prepared in drawn(changed, layout, dtype, change.examples):
            trial.add(prepared)
            if left <= trial.dead:
                break
    return left & trial.dead


def drawn(runner: ReferenceRunner, layout: CallLayout, dtype: str, count: int) -> Iterator[Prepared]:
    """Draw examples of a dtype and prepare them for ``layout``. Call this within ``isolated``.

    In large examples, different combinations of dims are in the upper half of their ranges.
    """
    case, runner.layout = runner.case, layout
    uppers = upper_halves(case, runner.outputs, _LARGEST)
    for number, batch in enumerate(search.plan(dtype, count, uppers=uppers)):
        found: list[Example] = []
        strategy = example_strategy(case, runner.outputs, dtype, large=batch.large, largest=_LARGEST, upper=batch.upper)
        search.generate(batch, strategy, stable_hash("remedy", case.text_hash, number), found.append)
        for example in found:
            prepared = runner.prepare(example)
            if isinstance(prepared, Prepared):
                yield prepared


_NO_FIX = "neither larger dims nor other values fix it: change the reference"
VARIES = "varies"
"""The assertion that results depend on the inputs."""


def case_seed(case: Case) -> int:
    """The seed of a case's self-check. It depends only on the case, so that the result can be cached."""
    return stable_hash("self-check", case.name, case.text_hash)


def check(
    subject: Subject,
    run: Run | None,
    repeat: Repeat | None,
    largest: int,
    watch: Watch | None = None,
    open_runner: OpenRunner = in_this_process,
) -> CaseQuality:
    """Judge the solution behind ``run`` (None: there is no solution), and try every mutant on the examples.

    ``watch`` is called with each of these examples. ``open_runner`` opens the runner of the case's Python. Raises
    CaseError, and whatever ``run`` raises.
    """
    # The calls are kept, because the id of an object that no longer exists can be used again.
    exact: dict[int, tuple[Call, Answer]] = {}

    def see(prepared: Prepared) -> None:
        if run is None:
            exact[id(prepared.call)] = (prepared.call, Answer(result_mutants.right_outputs(prepared.expected)))
        trial.add(prepared)
        if watch is not None:
            watch(prepared)

    with closing(open_runner(subject.case)) as runner:
        trial = ResultTrial(runner.other_results, runner.mutated_runs)
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
        if run is not None and judgement.needs:
            found = check(subject, None, None, largest, open_runner=open_runner)
            return replace(found, not_run=judgement.needs)
        solution = _solution(judgement) if run is not None else ()
        if not all(one.passed for one in solution):
            return CaseQuality(solution)
        more = _added(runner, subject.layout, trial)
        for prepared in more:
            if run is None:
                break
            if watch is not None:
                watch(prepared)
            if failed := _failed_on(prepared, run(prepared.call)):
                return CaseQuality((failed,))
        rejections, advice = _rejections(runner, subject.layout, trial)
    examples = tuple(str(prepared.example) for prepared in more)
    return CaseQuality((*solution, *rejections), judgement.inconclusive, examples, tuple(advice))


def _solution(judgement: Judgement) -> tuple[Assertion, ...]:
    if (failed := next((one for one in judgement.assertions if not one.passed), None)) is None:
        return (Assertion(SOLUTION, True),)
    if found := judgement.counterexample:
        return (solution_fails(found.assertion, f"{found.message} (on {found.example})"),)
    return (solution_fails(failed.name, failed.message),)


def _failed_on(prepared: Prepared, answer: Answer) -> Assertion | None:
    """The failed assertion if the solution fails on an added example, otherwise None."""
    place = f"(on {prepared.example})"
    for finding in answer.findings:
        return solution_fails(finding.assertion, f"{finding.message} {place}")
    if (mismatch := judge(prepared.expected, answer.outputs)) is None:
        return None
    return solution_fails(f"correct[{prepared.example.dtype}]", f"{mismatch.message} {place}")


def _added(runner: ReferenceRunner, layout: CallLayout, trial: ResultTrial) -> list[Prepared]:
    """Draw further examples, try the surviving mutants of ``trial`` on them, and return the examples that kill any.

    Empty if the case is refused because of one of the worst mutants.
    """
    found: list[Prepared] = []
    case, survived = runner.case, _survived(runner.case, layout, trial)
    refused = any(key[0] in REFUSED for key in survived)
    for dtype in () if refused else case.dtypes:
        if not (left := {key for key in survived if key[2] in (dtype, "")} - trial.dead):
            continue
        with isolated():
            for prepared in drawn(runner, layout, dtype, _MORE_EXAMPLES):
                trial.add(prepared)
                if left & trial.dead:
                    found.append(prepared)
                    left -= trial.dead
                if not left:
                    break
    return found


def _survived(case: Case, layout: CallLayout, trial: ResultTrial) -> list[Spoiled]:
    return trial.survived + [(SMALL, *key) for key in trial.outputs if _too_small(case, layout, trial, *key)]


def _rejections(runner: ReferenceRunner, layout: CallLayout, trial: ResultTrial) -> tuple[list[Assertion], list[str]]:
    """One assertion for each mutant, with ``varies`` last, and the advice.

    An assertion covers all outputs and dtypes on which the mutant was tried.
    """
    assertions, advice = [], []
    survived = _survived(runner.case, layout, trial)
    helped = _helped(runner, layout, survived)
    for name in (mutant.name for mutant in result_mutants.MUTANTS):
        found = [key for key in survived if key[0] == name]
        label = VARIES if name == UNVARIED else f"rejects[{name}]"
        if refused := [key for key in found if _is_refused(runner.case, trial, key)]:
            fix = f"this is fixed {helped[name]}" if name in helped else _NO_FIX
            assertions.append(Assertion(label, False, f"{_complaint(trial, refused)}; {fix}"))
            continue
        if found:
            advice.append(_advice(_complaint(trial, found), helped.get(name)))
        if any(key[0] == name for key in trial.dead):
            assertions.append(Assertion(label, True))
    if any(not one.passed for one in assertions):
        return assertions, []
    kinds: dict[str, list[Spoiled]] = {}
    for key in survived:
        if not key[1]:
            kinds.setdefault(key[0].partition(" ")[0], []).append(key)
    for keys in kinds.values():
        said, count = _either([trial.said[key[0]] for key in keys]), trial.survived_on[keys[0]]
        advice.append(_advice(f"a kernel that {said} passes on all {count} examples", helped.get(keys[0][0])))
    return assertions, advice


def _either(texts: list[str]) -> str:
    """The texts joined by "or". Words with which all texts begin are written only once."""
    words = [text.split() for text in texts]
    shared = 0
    while len({tuple(one[: shared + 1]) for one in words}) == 1 and shared < min(map(len, words)) - 1:
        shared += 1
    return " ".join([*words[0][:shared], " or ".join(" ".join(one[shared:]) for one in words)])


def _is_refused(case: Case, trial: ResultTrial, key: Spoiled) -> bool:
    """Whether the case fails because a mutant survived, so that a student could exploit this.

    It does not if the mutant's results were right wherever it was tried, or if they differ by no more than honest
    kernels differ by rounding. It always does for the mutants in ``REFUSED``.
    """
    return key[0] in REFUSED or (key in trial.differed and ("*" in case.tolerance or key[2] in case.tolerance))


def _advice(complaint: str, change: str | None) -> str:
    known = f"; it does {change}" if change else ""
    return f"advice: {complaint}; no allowed input was found on which it fails{known}"


def _helped(runner: ReferenceRunner, layout: CallLayout, survived: list[Spoiled]) -> dict[str, str]:
    """By mutant's name, the change of the case that kills it.

    The change was tried on the first output and dtype in which the mutant survived.
    """
    first: dict[str, Spoiled] = {}
    for key in survived:
        first.setdefault(key[0], key)
    fixes: dict[str, str] = {}
    for dtype in dict.fromkeys(key[2] for key in first.values()):
        found = suggestions(runner, layout, [key for key in first.values() if key[2] == dtype])
        fixes |= {key[0]: said for key, said in found.items()}
    return fixes


def _too_small(case: Case, layout: CallLayout, trial: ResultTrial, output: str, dtype: str) -> bool:
    """Whether all examples had results of at most one tile, although the case's dims allow larger results."""
    key = (SMALL, output, dtype)
    untried = key not in trial.dead and key not in trial.survived_on
    return untried and trial.outputs[(output, dtype)] > 0 and _may_grow(case, layout, output)


def _may_grow(case: Case, layout: CallLayout, output: str) -> bool:
    """Whether the size of an output depends on a dim with a range. False if the output's shape is not known."""
    ranges = {dim.name for dim in case.dims if isinstance(dim.sizes, Range)}
    own = next((tensor.shape for tensor in case.tensors if tensor.name == output), None)
    told = next((one.shape for one in layout.tensors if one.name == output), None)
    return any(size.names & ranges for size in own or map(parse, told or ()))


def _complaint(trial: ResultTrial, found: list[Spoiled]) -> str:
    name, output, dtype = found[0]
    others = sorted({one[2] for one in found} - {dtype})
    count = trial.survived_on.get(found[0], 0)
    examples = f"on all {count} examples" if count else "on every example, since all are that small"
    tried = ", ".join((dtype, *others))
    if name == UNVARIED:
        what = f"'{output}' hardly varies with the inputs: other inputs of the same sizes give the same result"
        return f"{what} {examples} ({tried})"
    return f"a kernel that {trial.said[name]} passes: '{output}' is right {examples} ({tried})"
