"""The statistics of a student in the summary: what a lift proves and costs, repeated trials, and flags of cases."""

from collections.abc import Iterator, Sequence

from pytest_upskill.reporting import text_style as texts
from pytest_upskill.reporting.lift import LiftRow
from pytest_upskill.reporting.noise import noise_text
from pytest_upskill.reporting.text_style import TextStyle
from pytest_upskill.reporting.view import BASELINE_ARM, StudentView, SummaryRow
from pytest_upskill.statistics.flags import ADVICE
from pytest_upskill.statistics.intervals import Ratio
from pytest_upskill.statistics.significance import pairs_needed

_CASES = 5


def statistics_notes(student: StudentView, comparisons: int, text_style: TextStyle) -> Iterator[str]:
    """Yield one text for each fact."""
    for row in student.lifts:
        yield from _verdict(row, comparisons)
        if row.against == BASELINE_ARM:
            yield from _spending(row, text_style)
    if repeated := [text for row in student.arms for text in _repeated(row)]:
        yield f"repeated trials: {'; '.join(repeated)}"
    if student.noise and (noise := noise_text(student.noise, text_style)):
        yield noise
    for flag, cases in student.flags.items():
        yield f"{flag.value}: {_some(cases)} ({ADVICE[flag]})"


def _verdict(row: LiftRow, comparisons: int) -> Iterator[str]:
    if row.lift is None:
        return
    against = "lift" if row.against == BASELINE_ARM else f"lift over {row.against}"
    if not row.decidable:
        few = texts.plural(row.pairs, "case")
        yield f"{against}: cannot be decided with {few}; {pairs_needed(comparisons)} or more can"
        return
    more = f"; about {texts.plural(row.more_cases, 'more case')} like these would decide it" if row.more_cases else ""
    yield f"{against}: {row.verdict} (p = {row.p_corrected or 0:.2g}){more}"


def _spending(row: LiftRow, text_style: TextStyle) -> Iterator[str]:
    ratios = [(row.tokens, "tokens"), (row.cost, "cost")]
    said = [f"{_ratio(ratio, text_style)} {what}" for ratio, what in ratios if ratio.interval]
    if row.per_usd is not None:
        said.append(f"{texts.points(row.per_usd, text_style)} points per extra US dollar per trial")
    if said:
        yield f"with skill, relative to the baseline: {', '.join(said)}"


def _ratio(ratio: Ratio, text_style: TextStyle) -> str:
    low, high = ratio.interval or (0.0, 0.0)
    return f"{ratio.mean or 0:.2f}{text_style.sign('times')} [{low:.2f}, {high:.2f}]"


def _repeated(row: SummaryRow) -> Iterator[str]:
    """Yield pass@k, pass^k and the flip rate of an arm, if its cases have several trials."""
    if (most := row.repeated) < 2:
        return
    at, all_, flips = row.pass_at_k[most], row.pass_all_k[most], row.flip_rate
    said = f"pass@{most} {texts.percent(at)}, pass^{most} {texts.percent(all_)}"
    yield f"{texts.arm_label(row.arm)} {said}" + (
        f", two trials differ {texts.percent(flips)}" if flips is not None else ""
    )


def _some(cases: Sequence[str]) -> str:
    rest = len(cases) - _CASES
    return ", ".join(cases[:_CASES]) + (f" and {rest} more" if rest > 0 else "")
