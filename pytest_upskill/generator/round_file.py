"""The history of a skill: one Markdown file in ``evals/history/`` for each round, with the change as a unified diff."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pytest_upskill.generator.feedback import fence_for
from pytest_upskill.generator.refine import Compared, Ending, Options, Round
from pytest_upskill.paths import write_atomically
from pytest_upskill.reporting.text_style import plural
from pytest_upskill.skills.skill import tokens_of
from pytest_upskill.statistics.intervals import Trials

FOLDER = "history"
_NAME = re.compile(r"(\d{4,})-([0-9a-f]{12})\.md")
_MOST_NAMES = 20

_ENDINGS = {
    Ending.KEPT: "kept: the new version replaces the old one",
    Ending.INCONCLUSIVE: "INCONCLUSIVE: held-out cases do not show that the new version is better; the old one stays",
    Ending.WORSE_IN_TRAINING: "not kept: it passes less on training cases; held-out cases were not asked",
    Ending.NO_ANSWER: "no new version: all answers of the teacher were refused",
}


@dataclass(frozen=True, slots=True)
class By:
    """Who took part in a round: the names of student and teacher with their models, as texts."""

    student: str
    teacher: str


def ending_in_words(ending: Ending) -> str:
    """How a round ended, in a sentence."""
    return _ENDINGS[ending]


def earlier_rounds(evals: Path) -> int:
    """How many rounds the history holds."""
    return len(_numbers(evals))


def write_round(evals: Path, one: Round, options: Options, by: By, name: str) -> Path:
    """Write the file of a round, and return its path. Writing the same round again yields the same file.

    ``name`` is the name of the file that contains the skill's text. Raises OSError.
    """
    parts = (one.old, one.proposal.text or "", *one.proposal.refused, repr(options), by.student, by.teacher)
    digest = hashlib.sha256("\0".join((str(one.number), *parts)).encode("utf-8", "replace")).hexdigest()[:12]
    known = _numbers(evals)
    number = known.get(digest, max(known.values(), default=0) + 1)
    path = evals / FOLDER / f"{number:04}-{digest}.md"
    if not path.exists():
        write_atomically(path, "\n".join(_lines(one, options, by, name)) + "\n")
    return path


def _numbers(evals: Path) -> dict[str, int]:
    """The numbers of the files, by digest."""
    found = (_NAME.fullmatch(path.name) for path in (evals / FOLDER).glob("*.md"))
    return {match[2]: int(match[1]) for match in found if match}


def _lines(one: Round, options: Options, by: By, name: str) -> Iterator[str]:
    yield f"# Round {one.number} of {options.rounds}: {one.ending}"
    yield ""
    words = ending_in_words(one.ending)
    yield f"{words[0].upper()}{words[1:]}."
    yield ""
    yield f"- written: {datetime.now(UTC).isoformat(timespec='seconds')}"
    yield f"- student: {by.student}, {plural(options.trials, 'trial')} of each case"
    yield f"- teacher: {by.teacher}, {_spent(one)}"
    new = one.proposal.text
    yield f"- size: about {tokens_of(one.old)} tokens" + (f", now {tokens_of(new)}" if new is not None else "")
    if one.held_out is not None and one.p is not None:
        corrected = f"{one.p:.4g} after Holm's correction for {plural(options.rounds, 'round')}"
        yield f"- p: {one.held_out.p:.4g} (one-sided, exact), {corrected}"
    yield from _table(one)
    if one.causes:
        yield from ("", "## What failed in training cases", "")
        for cause in one.causes:
            yield f"- {cause.what} ({plural(len(cause.failures), 'failure')}: {_names(cause.cases)})"
    if one.proposal.refused:
        yield from ("", "## Refused answers", "")
        yield from (f"- {' '.join(refused.split())}" for refused in one.proposal.refused)
    if new is not None:
        diff = "\n".join(
            difflib.unified_diff(one.old.splitlines(), new.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
        )
        fence = fence_for(diff, 3)
        yield from ("", "## Change", "", f"{fence}diff", diff, fence)


def _spent(one: Round) -> str:
    replies = one.proposal.replies
    tokens = sum(reply.tokens.input + reply.tokens.output for reply in replies)
    costs = [reply.cost_usd for reply in replies]
    usd = "" if None in costs or not any(costs) else f", ${sum(cost or 0 for cost in costs):.4f}"
    return f"{plural(len(replies), 'answer')}, {tokens:,} tokens{usd}"


def _table(one: Round) -> Iterator[str]:
    rows = [(what, compared) for what, compared in (("training", one.training), ("held-out", one.held_out)) if compared]
    if not rows:
        return
    yield ""
    yield "| cases | old | new | better | worse | same | no verdict |"
    yield "|---|---|---|---|---|---|---|"
    for what, compared in rows:
        counts = " | ".join(map(str, (*compared.counts, len(compared.undecided))))
        yield f"| {what} | {rate_in_words(compared.old)} | {rate_in_words(compared.new)} | {counts} |"
    for what, compared in rows:
        for word, sign in (("better", 1), ("worse", -1)):
            if names := _names(tuple(case for case, change in compared.changes.items() if change * sign > 0)):
                yield f"\n{word} ({what}): {names}"


def counts_in_words(compared: Compared) -> str:
    """The counts of a comparison, such as ``6 better, 1 worse, 3 the same``."""
    better, worse, same = compared.counts
    lost = f", {len(compared.undecided)} without a verdict" if compared.undecided else ""
    return f"{better} better, {worse} worse, {same} the same{lost}"


def rate_in_words(trials: Trials) -> str:
    """The pass rate as a fraction, such as ``7 of 10``."""
    return f"{sum(map(sum, trials.values()))} of {sum(map(len, trials.values()))}"


def _names(cases: tuple[str, ...]) -> str:
    more = f" and {len(cases) - _MOST_NAMES} more" if len(cases) > _MOST_NAMES else ""
    return ", ".join(f"`{case}`" for case in cases[:_MOST_NAMES]) + more
