"""Trigger evals: a student sees names and descriptions of skills, and says which one it would open for a query."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from pytest_upskill.documents.reasoning import answer_text
from pytest_upskill.execution.outcome import cut_off, outcome_of
from pytest_upskill.execution.task import Task
from pytest_upskill.judging.judge import verdict_of
from pytest_upskill.records import Assertion, Outcome, Prompt, Reply, TriggerRecord, Verdict, VerdictKind
from pytest_upskill.skills import noise
from pytest_upskill.skills.arms import SKILL, prompt_text
from pytest_upskill.skills.noise import Noise

ARM = "trigger"
"""The arm of the questions. Items of trigger evals have no arm themselves."""
_NONE = re.compile(r"(?:none|null|nothing|no(?: skills?)?)(?![\w-])")
_LINE = re.compile(r"^\W*skills?\W*[:=](?P<rest>.*)$", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(r"\w[\w.-]*")
_PARTS = re.compile(r"[,;/|()]|\s(?:and|or)\s|\s[-\u2013\u2014]+\s|->|\u2192")
_DENIED = re.compile(
    r"\b(?:not|neither|nor|never|without|except|but|(?:instead|rather|other) (?:of|than))\b|n.t\b", re.IGNORECASE
)
"""A sentence with one of these words may name a skill that the student does not choose."""
_DOUBTED = re.compile(
    r"\?|^\W*(?:[!\u00ac\u2260]|~~)|(?<![\w-])(?:maybe|perhaps|possibly|unsure)(?![\w-])", re.IGNORECASE
)
_ALTERNATIVE = re.compile(r"\b(?:or|vs|versus)\s|[/|]", re.IGNORECASE)
_OR_NONE = re.compile(r"\b(?:none|null|nothing|no skills?)(?![\w-])", re.IGNORECASE)
_LONGEST = 80


def arm_of(task: Task) -> str:
    """Return the arm of the question. It differs if the task's arm is a version of the skill that is not on disk."""
    version = f"{ARM}-{task.arm}" if task.arm and task.arm != SKILL else ARM
    return task.noise.arm(version)


@dataclass(frozen=True, slots=True)
class _Listing:
    """What the queries of a skill have in common: the system text, the skill's name, and the names of all listed
    skills.
    """

    system: str
    own: str
    names: tuple[str, ...]


class TriggerQuestions:
    """Makes the questions, and reads the answers. Caches the lists of skills, which all queries of a skill share."""

    def __init__(self) -> None:
        self._listings: dict[tuple[Path, str | None, Noise], _Listing] = {}

    def prompt(self, task: Task) -> Prompt:
        """Return the question for a query. Raises SkillError."""
        assert task.case is not None
        return Prompt(self._listing(task).system, task.case.task + "\n")

    def outcome(self, task: Task, reply: Reply) -> Outcome:
        """Return the outcome, which passes if the student chose the skill exactly when the query should trigger it.

        An answer that cannot be read is inconclusive, because it is not a choice.
        """
        case, listing = task.case, self._listing(task)
        assert case is not None and case.should_trigger is not None
        if (named := named_in(reply.text, listing.names)) is None:
            said = " ".join(answer_text(reply.text).split())[:_LONGEST]
            reason = f"the answer is neither 'skill: NAME' nor 'skill: none': {said!r}"
            return cut_off(task, reply) or outcome_of(task, Verdict(VerdictKind.INCONCLUSIVE, reason), reply)
        chosen = _plain(listing.own) in named
        verdict = verdict_of([_assertion(case.task, case.should_trigger, chosen, named)])
        record = TriggerRecord(case.task, case.should_trigger, chosen, named)
        return replace(outcome_of(task, verdict, reply), trigger=record)

    def _listing(self, task: Task) -> _Listing:
        key = (task.skill_path, task.text, task.noise)
        if key not in self._listings:
            own = noise.shown(task.skill_path, task.text)
            listed = noise.among_others(own, task.skill_path, task.noise)
            system = Template(prompt_text("trigger")).substitute(skills=noise.lines(listed))
            self._listings[key] = _Listing(system, own.name, tuple(one.name for one in listed))
        return self._listings[key]


def named_in(reply: str, known: Collection[str]) -> tuple[str, ...] | None:
    """Return the skills that an answer chooses, in its last line ``skill: NAME`` or as its only line.

    The result is empty for an answer that chooses none of the skills. It is None for an answer that is not a clear
    choice: one that names no skill and does not say ``none``, that says both, or that names alternatives. ``known`` are
    the names that were shown.
    """
    text = answer_text(reply).strip()
    lines = list(_LINE.finditer(text))
    if not lines:
        return _names(text, known, strict=True) if "\n" not in text else None
    last = _names(lines[-1]["rest"], known, strict=False)
    for before, after in reversed(list(itertools.pairwise(lines))):
        if text[before.end() : after.start()].strip():  # text in between: the second line is a correction
            break
        if _names(before["rest"], known, strict=False) != last:
            return None
    rest = text[lines[-1].end() :].splitlines()
    return None if any(_takes_back(line, last or (), known) for line in rest) else last


def _takes_back(line: str, named: tuple[str, ...], known: Collection[str]) -> bool:
    """Return whether a line after the choice is another choice: it has only other names, or ``none`` as a separate
    part.
    """
    if named and any(_NONE.fullmatch(_plain(part)) for part in _PARTS.split(line)):
        return True
    other = _names(line, known, strict=True) or ()
    return bool(other) and set(other) != set(named)


def _names(line: str, known: Collection[str], strict: bool) -> tuple[str, ...] | None:
    """Return the names in a line. If ``strict`` is true, the line must consist of known names only."""
    parts = [part for part in map(_plain, _PARTS.split(line)) if part]
    folded = {_plain(name) for name in known}
    if not parts or _DOUBTED.search(line):
        return None
    if _NONE.match(parts[0]):
        return None if any(part in folded for part in parts) else ()
    if any(map(_NONE.fullmatch, parts)):
        return None
    if all(part in folded or (not strict and _NAME.fullmatch(part)) for part in parts):
        found = tuple(dict.fromkeys(parts))
    elif strict or _DENIED.search(line):
        return None
    else:
        found = tuple(dict.fromkeys(word for word in map(_plain, _NAME.findall(line)) if word in folded))
    is_open = _ALTERNATIVE.search(line) and (len(found) > 1 or _OR_NONE.search(line))
    return None if is_open else found or None


def _plain(text: str) -> str:
    """Return a name without surrounding punctuation, in the form in which names are compared."""
    return re.sub(r"^\W+|\W+$", "", unicodedata.normalize("NFKC", text)).casefold()


def _assertion(query: str, wanted: bool, chosen: bool, named: tuple[str, ...]) -> Assertion:
    name = "chosen" if wanted else "not chosen"
    instead = ", ".join(named) or "no skill"
    message = f"for this query the student chose {instead}: {_short(query)!r}"
    return Assertion(name, chosen is wanted, "" if chosen is wanted else message)


def _short(query: str) -> str:
    text = " ".join(query.split())
    return text if len(text) <= 200 else f"{text[:197]}..."
