"""How well students choose the skill: precision and recall over the queries in the skill's ``triggers.json``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pytest_upskill.records import ItemKind, Outcome, Tokens, VerdictKind
from pytest_upskill.reporting import text_style as texts
from pytest_upskill.statistics import choices
from pytest_upskill.statistics.intervals import Interval, Rate, Trials


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """The choices of one student about one skill.

    ``wanted`` are the queries for which the student should choose the skill. ``undecided`` counts the items without a
    choice. ``cost_usd`` is None if a reply that used tokens has no price.
    """

    skill: str
    student: str
    chosen: Trials
    """By query, whether the student chose the skill in each trial."""
    wanted: frozenset[str] = frozenset()
    undecided: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = None

    @property
    def queries(self) -> int:
        return len(self.chosen)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Return how many trials rightly chose, wrongly chose, rightly left out and wrongly left out the skill, in this
        order.
        """
        sides = {side: [one for query, trials in self.chosen.items() if (query in self.wanted) is side
                        for one in trials] for side in (True, False)}  # fmt: skip
        yes, no = sides[True], sides[False]
        return sum(yes), sum(no), len(no) - sum(no), len(yes) - sum(yes)

    @property
    def precision(self) -> float | None:
        """Return the share of right choices among all choices of the skill; None if there are none."""
        return self._precision.mean

    @property
    def precision_interval(self) -> Interval | None:
        return self._precision.interval()

    @property
    def recall(self) -> float | None:
        """Return the share of the trials of wanted queries in which the student chose the skill."""
        return self._recall.mean

    @property
    def recall_interval(self) -> Interval | None:
        return self._recall.interval()

    @property
    def _precision(self) -> Rate:
        return choices.precision(self.chosen, self.wanted)

    @property
    def _recall(self) -> Rate:
        return choices.recall(self.chosen, self.wanted)


def trigger_rows(items: Sequence[Outcome]) -> tuple[TriggerRow, ...]:
    """Return the rows of a skill's items, one for each student."""
    found: dict[str, list[Outcome]] = {}
    for item in items:
        if item.kind is ItemKind.TRIGGER and item.student is not None:
            found.setdefault(item.student, []).append(item)
    return tuple(_row(student, group) for student, group in sorted(found.items()))


def _row(student: str, items: Sequence[Outcome]) -> TriggerRow:
    chosen: dict[str, list[bool]] = {}
    for item in items:
        if item.trigger is not None:
            chosen.setdefault(item.trigger.query, []).append(item.trigger.chosen)
    spent = [item.cost_usd for item in items if item.tokens != Tokens()]
    return TriggerRow(
        skill=items[0].skill,
        student=student,
        chosen=chosen,
        wanted=frozenset(item.trigger.query for item in items if item.trigger and item.trigger.should_trigger),
        undecided=sum(item.verdict.kind not in (VerdictKind.PASSED, VerdictKind.FAILED) for item in items),
        tokens=sum((item.tokens for item in items), Tokens()),
        cost_usd=None if not spent or None in spent else sum(cost or 0.0 for cost in spent),
    )


def trigger_text(row: TriggerRow, noise: str) -> str:
    """Return a row in words. ``noise`` is the noise of the run."""
    right, wrong, _, missed = row.counts
    among = f" among {noise.partition(':')[0]} other skills" if noise not in ("", "0") else ""
    said = [
        _share("precision", right, right + wrong, row.precision, row.precision_interval),
        _share("recall", right, right + missed, row.recall, row.recall_interval),
    ]
    if row.undecided:
        said.append(f"{row.undecided} not decided")
    return f"choice of the skill{among}, {queries_of(row.queries)}: {', '.join(said)}"


def queries_of(number: int) -> str:
    """Return ``1 query``, ``2 queries``, and so on."""
    return f"{number} {'query' if number == 1 else 'queries'}"


def _share(name: str, part: int, whole: int, rate: float | None, interval: Interval | None) -> str:
    if rate is None:
        return f"no {name} ({'it was never chosen' if name == 'precision' else 'no query should trigger it'})"
    return f"{name} {part}/{whole} {texts.percent(rate)} [{texts.percents(interval)}]"


def trigger_texts(rows: Sequence[TriggerRow], noise: str) -> Iterator[tuple[str, str]]:
    """Yield the student and the text of each row."""
    return ((row.student, trigger_text(row, noise)) for row in rows)
