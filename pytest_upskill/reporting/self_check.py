"""The summary of a self-check: whether cases accept their own solutions, and reject wrong results and mutants."""

from collections.abc import Callable, Iterator, Sequence

from pytest_upskill.records import ItemKind, MutationScore, Outcome, VerdictKind
from pytest_upskill.reporting.summary_table import VALID, has_valid_spec, title
from pytest_upskill.reporting.text_style import GAP, Cell, TextStyle, flow, measure, pad, plural
from pytest_upskill.reporting.view import SkillView

SURVIVORS = 4
"""The maximum number of survivors that are shown, survivors with advice first. Reports list all of them."""
_NAME = 28
"""The maximum width (in columns) of a name that can share a line with other names."""
UNSEEN = "equivalent or not detected: every result has the same bits"


def self_check_lines(
    skill: SkillView, text_style: TextStyle, problems: Callable[[SkillView, TextStyle], Iterator[str]]
) -> Iterator[str]:
    """Yield the lines of one skill. ``problems`` yields the lines below the skill's name."""
    judged = skill.judged
    passed = sum(item.verdict.kind is VerdictKind.PASSED for item in judged)
    good = "green" if passed == len(judged) else "red"
    verb = "passes its" if len(judged) == 1 else "pass their"
    claim = f"{passed} of {plural(len(judged), 'case')} {verb} own solution" if judged else "no solution was judged"
    facts = Cell((claim, good, "bold"), *([(GAP + VALID, "dim")] if has_valid_spec(skill) else []))
    yield from title(skill.name, facts, text_style)
    yield from problems(skill, text_style)
    kernels = [item for item in judged if item.kind is ItemKind.KERNEL]  # text cases have no assertions in common
    counts = _by_assertion(kernels)
    wide = max([18, *(measure(name) for name, _ in counts if measure(name) <= _NAME)])
    yield from flow([_assertion(name, *count, wide, text_style) for name, count in counts], text_style, 2)
    mutants = skill.of_kind(ItemKind.MUTANTS)
    yield from mutants_lines(mutants, text_style)
    yield from _lost((*judged, *mutants), text_style)
    yield ""


def _by_assertion(items: Sequence[Outcome]) -> list[tuple[str, tuple[int, int]]]:
    """Return how many items passed each assertion, and how many items have it. The assertions correct[...] stay
    together.
    """
    counts: dict[str, tuple[int, int]] = {}
    for item in items:
        for one in item.verdict.assertions:
            passed, total = counts.get(one.name, (0, 0))
            counts[one.name] = (passed + one.passed, total + 1)
    first = next((place for place, name in enumerate(counts) if name.startswith("correct[")), 0)
    places = {name: first if name.startswith("correct[") else place for place, name in enumerate(counts)}
    return sorted(counts.items(), key=lambda pair: places[pair[0]])


def _assertion(name: str, passed: int, total: int, wide: int, text_style: TextStyle) -> Cell:
    good = passed == total
    sign, style = ("tick", "green") if good else ("cross", "red")
    body = f" {pad(text_style.clean(name), wide)} {pad(f'{passed}/{total}', 5, '>')}"
    return Cell((text_style.sign(sign), style), (body, "" if good else "red"))


def _lost(items: Sequence[Outcome], text_style: TextStyle) -> Iterator[str]:
    """Yield each case that did not pass, once. A fault of its solution is not repeated for its mutants."""
    told: set[str | None] = set()
    for item in items:
        kind = item.verdict.kind
        if kind is VerdictKind.PASSED or item.case in told:
            continue
        told.add(item.case)
        word = kind.value.replace("-", " ")
        if item.kind is ItemKind.MUTANTS and kind is VerdictKind.FAILED:
            word = "fails its self-check"
        color = "red" if kind is VerdictKind.FAILED else "yellow"
        yield from text_style.lines(f"{text_style.sign('cross')} {item.case} {word}: {_why(item)}", 2, color, hang=2)


def _why(item: Outcome) -> str:
    """Return the assertion that failed and the line that is to blame. pytest's section FAILURES has the details."""
    if item.verdict.kind is not VerdictKind.FAILED:
        return item.verdict.reason or ""
    if (first := item.verdict.first_failed) is None:
        return "it cannot be judged"
    line = item.shown_line
    return first.name if line is None else f"{first.name} ({item.source_name}:{line + item.source_start - 1})"


def mutants_lines(items: Sequence[Outcome], text_style: TextStyle) -> Iterator[str]:
    """Yield what the self-checks of cases found: whether they reject wrong results, and the scores of mutants."""
    if not items:
        return
    good = sum(item.verdict.kind is VerdictKind.PASSED for item in items)
    verb = "rejects" if len(items) == 1 else "reject"
    yield ""
    color = "green" if good == len(items) else "red"
    yield from text_style.lines(f"{good} of {plural(len(items), 'case')} {verb} wrong results", 2, color, "bold")
    scores = {item.case or "": item.score for item in items if item.score is not None and item.score.total}
    if scores:
        killed, total = sum(score.killed for score in scores.values()), sum(score.total for score in scores.values())
        whose = "its solution killed" if len(items) == 1 else "the solutions killed, by case:"
        yield from text_style.lines(f"{killed} of {plural(total, 'mutant')} of {whose}", 2, "dim")
    if len(items) > 1:
        wide = max([16, *(measure(name) for name in scores if measure(name) <= _NAME)])
        yield from flow([_score(case, score, wide, text_style) for case, score in scores.items()], text_style, 2)
    yield from _survivors(items, text_style)


def _score(case: str, score: MutationScore, wide: int, text_style: TextStyle) -> Cell:
    killed = pad(f"{score.killed}/{score.total}", 7, ">")
    return Cell((pad(text_style.clean(case), wide),), (killed, "green" if score.killed == score.total else "yellow"))


def _survivors(items: Sequence[Outcome], text_style: TextStyle) -> Iterator[str]:
    """Yield the mutants that survived, and what would kill them. Survivors fail nothing."""
    found = [(item.case or "", one) for item in items if item.score for one in item.score.survived]
    found.sort(key=lambda pair: (not pair[1].advice, pair[1].unseen))
    telling = [pair for pair in found if pair[1].advice or not pair[1].unseen]
    shown = found if len(found) <= SURVIVORS else telling[:SURVIVORS]
    for case, one in shown:
        yield from text_style.lines(f"survived: {case}.md:{one.line}  {one.change}", 2, "yellow", hang=2)
        advice = f"would be killed {one.advice}" if one.advice else UNSEEN if one.unseen else "within the tolerance"
        yield from text_style.lines(advice, 4, "dim")
    if rest := found[len(shown) :]:
        same = f", {UNSEEN}" if all(one.unseen and not one.advice for _, one in rest) else ""
        yield from text_style.lines(f"{len(rest)} more survived{same}; --upskill-report lists them", 2, "dim")
