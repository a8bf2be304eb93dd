"""What the judges of rubrics did in a run: how often each agreed with itself, and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pytest_upskill.records import Outcome, RubricRecord, Tokens
from pytest_upskill.reporting import text_style as texts
from pytest_upskill.statistics.agreement import Pairs, agreement, kappa


@dataclass(frozen=True, slots=True)
class JudgeRow:
    """One judge, with the numbers of replies that it judged and of answers that it gave.

    ``pairs`` has the judge's first two answers to each statement. ``cost_usd`` is None if an answer that used tokens
    has no price.
    """

    judge: str
    replies: int
    asked: int
    pairs: Pairs = field(default_factory=tuple, repr=False)
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = None

    @property
    def statements(self) -> int:
        """Return how many statements were judged twice."""
        return len(self.pairs)

    @property
    def agreement(self) -> float | None:
        """Return the share of statements on which both answers agree."""
        return agreement(self.pairs)

    @property
    def kappa(self) -> float | None:
        """Return Fleiss' kappa, the agreement beyond chance; None if all answers are the same."""
        return kappa(self.pairs)


def judge_rows(items: Iterable[Outcome]) -> tuple[JudgeRow, ...]:
    """Return the judges of these items, sorted by name."""
    found: dict[str, list[RubricRecord]] = {}
    for item in items:
        if item.rubric is not None:
            found.setdefault(item.rubric.judge, []).append(item.rubric)
    return tuple(_row(judge, records) for judge, records in sorted(found.items()))


def _row(judge: str, records: list[RubricRecord]) -> JudgeRow:
    costs = [one.cost_usd for one in records if one.asked]
    pairs = tuple(pair for one in records if len(one.answers) > 1 for pair in zip(*one.answers[:2], strict=True))
    return JudgeRow(
        judge=judge,
        replies=len(records),
        asked=sum(one.asked for one in records),
        pairs=pairs,
        tokens=sum((one.tokens for one in records), Tokens()),
        cost_usd=None if not costs or None in costs else sum(cost or 0.0 for cost in costs),
    )


def judge_texts(rows: Iterable[JudgeRow]) -> Iterator[str]:
    """Yield a sentence for each judge."""
    for row in rows:
        spent = [] if row.cost_usd is None else [texts.money(row.cost_usd)]
        spent += [f"{row.tokens.input + row.tokens.output:,} tokens"] if row.tokens != Tokens() else []
        judged = f"{row.judge} judged {texts.plural(row.replies, 'rubric')} in {texts.plural(row.asked, 'answer')}"
        said = ", ".join([judged, *spent])
        if row.agreement is not None:
            same = sum(one == other for one, other in row.pairs)
            beyond = "kappa is not defined, since all are the same" if row.kappa is None else f"kappa {row.kappa:.2f}"
            said += f"; two answers to a statement agree in {same} of {row.statements} ({beyond})"
        yield said
