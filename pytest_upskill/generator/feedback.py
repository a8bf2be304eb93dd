"""Describes failed training cases to a teacher: grouped by cause, without repeats, within a number of tokens.

Everything comes from outcomes of the given cases. Callers pass no held-out cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pytest_upskill.cases.case import Case
from pytest_upskill.execution.turns import first_failure
from pytest_upskill.records import Outcome, VerdictKind
from pytest_upskill.reporting.failure import one_line
from pytest_upskill.reporting.text_style import plural
from pytest_upskill.skills.skill import tokens_of

_NAMES = re.compile(r"'[^']*'|\u2018[^\u2019]*\u2019|`[^`]*`|\"[^\"]*\"")
_NUMBERS = re.compile(r"-?\b\d[\w.+-]*")
_DTYPE = re.compile(r"\A(\w+)\[[^\]]*\]")
_PLACE = re.compile(r" \([^()\s]+:\d+(?::\d+)?\)\Z")
_FENCE = re.compile(r"`{3,}")
_LONGEST_CAUSE = 160
_SHOWN_CASES = 12


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures whose first failed assertions are equal except for names and numbers; ``what`` is the assertion of one
    of these failures.
    """

    what: str
    failures: tuple[Outcome, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.case or "" for one in self.failures))


def causes_of(outcomes: Sequence[Outcome]) -> list[Cause]:
    """The causes of the failed outcomes. The causes of the most cases come first."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.verdict.kind is VerdictKind.FAILED:
            groups.setdefault(_cause(one_line(outcome)), []).append(outcome)
    found = [Cause(_shown(one_line(group[0])), tuple(group)) for group in groups.values()]
    return sorted(found, key=lambda cause: (-len(cause.cases), -len(cause.failures), cause.what))


def _cause(line: str) -> str:
    line = _DTYPE.sub(r"\1", _PLACE.sub("", line)).partition("; the worst is ")[0]
    return _NUMBERS.sub("#", _NAMES.sub("'...'", line))


def _shown(line: str) -> str:
    return line if len(line) <= _LONGEST_CAUSE else f"{line[:_LONGEST_CAUSE].rstrip()} [cut]"


def feedback(outcomes: Sequence[Outcome], cases: Sequence[Case], tokens: int) -> str:
    """Describe the failures of ``outcomes`` to a teacher, in at most about this many ``tokens``.

    The causes are listed; if there is no room for all, the causes of the fewest cases are left out. Tasks, findings and
    kernels of examples follow as long as they fit. Each cause gets one example before any cause gets a second one. A
    kernel is shown whole or not at all.
    """
    causes = causes_of(outcomes)
    by_name = {case.name: case for case in cases}
    heads = [_head(number, cause) for number, cause in enumerate(causes, 1)]
    left = tokens - sum(map(_size, heads))
    while left < 0 and len(heads) > 1:  # the causes of the fewest cases are the last
        left += _size(heads.pop())
    dropped = len(causes) - len(heads)
    details: list[list[str]] = [[] for _ in heads]
    told: set[str] = set()
    examples = [_examples(cause) for cause in causes[: len(heads)]]
    for row in zip_longest(*examples):
        shown = [(place, outcome) for place, outcome in enumerate(row) if outcome is not None]
        pieces = [(place, piece) for place, outcome in shown for piece in _findings(outcome, by_name, told)]
        pieces += [(place, _answer(outcome, by_name)) for place, outcome in shown]
        for place, piece in pieces:
            if (size := _size(piece)) <= left:
                left -= size
                details[place].append(piece)
    parts = ["\n\n".join([head, *pieces]) for head, pieces in zip(heads, details, strict=True)]
    if dropped:
        parts.append(f"({plural(dropped, 'further cause')} of few cases left out.)")
    return "\n\n".join(parts)


def _size(piece: str) -> int:
    """The tokens of a piece and of the blank line that separates it from the next."""
    return tokens_of(f"{piece}\n\n")


def _head(number: int, cause: Cause) -> str:
    names = [f"`{name}`" for name in cause.cases]
    more = f" and {len(names) - _SHOWN_CASES} more" if len(names) > _SHOWN_CASES else ""
    counted = f"{plural(len(cause.failures), 'failure')} in {plural(len(names), 'case')}"
    return f"### Cause {number}: {cause.what}\n\n{counted}: {', '.join(names[:_SHOWN_CASES])}{more}"


def _examples(cause: Cause) -> list[Outcome]:
    """The failures with different sources. The first failure of every case comes before the second failure of any case,
    and short sources come first.
    """
    different = {_normal(one.source or one.reply): one for one in reversed(cause.failures)}.values()
    ordered = sorted(different, key=lambda one: len(one.source or one.reply))
    seen: dict[str, int] = {}
    ranked = []
    for one in ordered:
        seen[one.case or ""] = seen.get(one.case or "", 0) + 1
        ranked.append((seen[one.case or ""], one))
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])]


def _normal(text: str) -> str:
    return " ".join(text.split())


def _findings(outcome: Outcome, cases: Mapping[str, Case], told: set[str]) -> Iterator[str]:
    """What failed, and the task of the case unless an earlier example has shown it."""
    yield f"Case `{outcome.case}`:\n\n{first_failure(outcome)}"
    case = cases.get(outcome.case or "")
    if case is not None and case.name not in told:
        told.add(case.name)
        yield f"Task of `{case.name}`:\n\n{_fenced(case.task.strip(), 'text')}"


def _answer(outcome: Outcome, cases: Mapping[str, Case]) -> str:
    """The kernel, or the reply if it contains no kernel."""
    if not outcome.source:
        return f"The reply to `{outcome.case}`:\n\n{_fenced(outcome.reply, 'text')}"
    case = cases.get(outcome.case or "")
    return f"The kernel for `{outcome.case}`:\n\n{_fenced(outcome.source, case.language if case else '')}"


def fence_for(text: str, least: int = 5) -> str:
    """A fence that is longer than all fences in the text."""
    return "`" * max(least, *(len(found) + 1 for found in _FENCE.findall(text)), 0)


def _fenced(text: str, language: str) -> str:
    fence = fence_for(text, 3)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
