"""The lines below the table of a run: verdicts of gates, causes of failures, changes, pass rates by tag and dtype."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from pytest_upskill.history.comparison import ChangeKind
from pytest_upskill.records import Outcome, VerdictKind
from pytest_upskill.records.gating import GateKind
from pytest_upskill.reporting import text_style as texts
from pytest_upskill.reporting.failure import one_line
from pytest_upskill.reporting.gates import GateRow
from pytest_upskill.reporting.lift import DECIDED
from pytest_upskill.reporting.text_style import TextStyle
from pytest_upskill.reporting.view import BASELINE_ARM, SKILL_ARM, View, is_reused
from pytest_upskill.statistics.gates import GateVerdict

_CAUSES = 5
_CASES = 5
_COLORS = {GateVerdict.PASS: "green", GateVerdict.FAIL: "red", GateVerdict.INCONCLUSIVE: "yellow"}
_PLACE = re.compile(r" \([^()\s]*:\d+(?::\d+)?\)$")
_NUMBER = re.compile(r"[-+]?\b\d[\w.+-]*")


def result_lines(view: View, text_style: TextStyle, verbosity: int) -> Iterator[str]:
    """Yield all lines below the table of a run.

    With ``-q``, only lines that decide the run are shown. With ``-v``, rates by tag and dtype are added; with ``-vv``,
    all causes and cases are shown.
    """
    if verbosity >= 0:
        yield from _causes(view, text_style, verbosity)
        yield from _flips(view, text_style, verbosity)
    if verbosity > 0:
        yield from _by(view, "tag", text_style)
        yield from _by(view, "dtype", text_style)
    yield from _known(view, text_style)
    for row in view.gates:
        head = f"gate {row.verdict}"
        first, *rest = text_style.wrap(f"{head}  {gate_text(row, text_style)}", text_style.width, hang=2)
        yield text_style.paint(head, _COLORS[row.verdict], "bold") + first.removeprefix(head)
        yield from rest


def gate_text(row: GateRow, text_style: TextStyle) -> str:
    """Return a gate in words: the gate, what it applies to, what was found, and what would decide it."""
    on = " ".join(filter(None, (row.skill, row.student)))
    parts = [f"{row.gate} {_threshold(row, text_style)}".strip() + f", {on}: {_found(row, text_style)}"]
    if row.reason:
        parts.append(row.reason)
    more = [texts.plural(row.more_cases, "more case")] if row.more_cases else []
    more += [f"{texts.plural(row.more_trials, 'more trial')} of each case"] if row.more_trials else []
    if more:
        parts.append(f"about {' or '.join(more)} like these would decide it")
    elif row.verdict is GateVerdict.INCONCLUSIVE and row.value is not None and not row.reason:
        parts.append("no number of such cases would decide it")
    return "; ".join(parts)


def _threshold(row: GateRow, text_style: TextStyle) -> str:
    if row.gate is GateKind.MIN_PASS_RATE:
        return f"{100 * row.threshold:g}%"
    if row.gate is GateKind.MIN_LIFT:
        return f"{texts.points(row.threshold, text_style)} points"
    return texts.money(row.threshold) if row.gate is GateKind.MAX_COST else ""


def _found(row: GateRow, text_style: TextStyle) -> str:
    if row.value is None:
        return "not known"
    if row.gate is GateKind.MAX_COST:
        return texts.money(row.value)
    if row.gate is GateKind.NO_REGRESSION:
        return f"{texts.plural(round(row.value), 'case')} regressed"
    if row.gate is GateKind.MIN_PASS_RATE:
        return f"{100 * row.value:.3g}% [{texts.percents(row.interval)}]"
    return f"{texts.points(row.value, text_style)} points{texts.spread(row.interval, text_style)}"


def cause_of(item: Outcome) -> str:
    """Return why an item failed, without the parts that differ from kernel to kernel: lines, sizes and values."""
    name, colon, message = one_line(item).partition(": ")
    return f"{name.partition('[')[0]}{colon}{_NUMBER.sub('N', _PLACE.sub('', message))}"


def _causes(view: View, text_style: TextStyle, verbosity: int) -> Iterator[str]:
    """Yield the failures with the skill by cause, the most frequent cause first, each with an example and its cases."""
    groups: dict[str, list[Outcome]] = {}
    for item in _items(view):
        if item.arm == SKILL_ARM and item.verdict.kind is VerdictKind.FAILED:
            groups.setdefault(cause_of(item), []).append(item)
    found = sorted(groups.values(), key=len, reverse=True)
    shown = found if verbosity > 1 else found[:_CAUSES]
    if found:
        yield "failures with the skill, by cause"
    for items in shown:
        cases = _some([item.case or "" for item in items], verbosity)
        text = f"{len(items)}{text_style.sign('times')} {one_line(items[0])}: {cases}"
        yield from text_style.lines(text, 2, hang=4)
    if len(found) > len(shown):
        yield text_style.paint(f"  and {texts.plural(len(found) - len(shown), 'other cause')}, with -vv", "dim")


def _flips(view: View, text_style: TextStyle, verbosity: int) -> Iterator[str]:
    if (since := view.since) is None:
        return
    kinds = (ChangeKind.REGRESSED, ChangeKind.FIXED, ChangeKind.FLIPPED)
    said = []
    for kind in kinds:
        names = [" ".join(filter(None, (change.key.case, change.key.student, change.key.arm)))
                 for change in since.of_kind(kind)]  # fmt: skip
        if names:
            said.append(f"{kind.value}: {_some(names, verbosity)}")
    if said:
        yield from text_style.lines(f"since run {since.before.number}, {'; '.join(said)}", 0, hang=2)


def _by(view: View, what: str, text_style: TextStyle) -> Iterator[str]:
    """Yield, for each arm, the pass rates by tag, or how often the results of each dtype are correct."""
    counts: dict[str, dict[str, list[bool]]] = {}
    for item in _items(view):
        if item.verdict.kind not in DECIDED:
            continue
        for name, passed in _tags(item) if what == "tag" else _dtypes(item):
            counts.setdefault(name, {}).setdefault(item.arm or "", []).append(passed)
    if counts:
        yield f"by {what}"
    for name, arms in sorted(counts.items()):
        rates = (f"{texts.arm_label(arm)} {sum(all_)}/{len(all_)} {texts.percent(sum(all_) / len(all_))}"
                 for arm, all_ in sorted(arms.items(), key=lambda pair: pair[0] != SKILL_ARM))  # fmt: skip
        yield from text_style.lines(f"{name}: {', '.join(rates)}", 2, hang=2)


def _tags(item: Outcome) -> Iterable[tuple[str, bool]]:
    return ((tag, item.verdict.kind is VerdictKind.PASSED) for tag in item.tags)


def _dtypes(item: Outcome) -> Iterable[tuple[str, bool]]:
    """Yield each dtype, and whether its results are correct. An assertion that was not tried counts as failed."""
    for one in item.verdict.assertions:
        if found := re.fullmatch(r"correct\[(.+)\]", one.name):
            yield found[1], one.passed


def _known(view: View, text_style: TextStyle) -> Iterator[str]:
    """Yield the known failures, and the unexpected passes."""
    marked = [item for item in _items(view) if item.xfail]
    for kind, label, then, color in (
        (VerdictKind.PASSED, "unexpected pass", "remove its xfail", "yellow"),
        (VerdictKind.FAILED, "known failure", "", "dim"),
    ):
        for item in marked:
            if item.verdict.kind is kind:
                trial = f" trial {item.trial}" if (item.trial or 1) > 1 else ""
                after = f"; {then}" if then else ""
                text = f"{label}: {item.case} {item.student}{trial} ({item.xfail}){after}"
                yield from text_style.lines(text, 0, color, hang=2)


def reuse(view: View) -> str:
    """Return how many items were judged on stored replies, and what that saved; empty if all replies are new."""
    reused = [item for item in _items(view) if is_reused(item)]
    if not reused:
        return ""
    baseline = sum(item.arm == BASELINE_ARM for item in reused)
    tokens = sum(item.tokens.input + item.tokens.output for item in reused)
    usd = sum(item.cost_usd or 0.0 for item in reused)
    saved = f"{texts.count(tokens)} tokens" + (f", {texts.money(usd)}" if usd else "")
    items = texts.plural(len(reused), "item")
    return f"{items} ({baseline} of the baseline) judged on replies of earlier runs, which saved {saved}"


def _items(view: View) -> Sequence[Outcome]:
    return [item for skill in view.skills for item in skill.judged]


def _some(names: Sequence[str], verbosity: int) -> str:
    unique = list(dict.fromkeys(names))
    shown = unique if verbosity > 1 else unique[:_CASES]
    return ", ".join(shown) + (f" and {len(unique) - len(shown)} more" if len(unique) > len(shown) else "")
