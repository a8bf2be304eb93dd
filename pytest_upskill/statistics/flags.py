"""Finds the flags of a case. A flag says what results show about the case itself, and what to do about it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum


class Flag(StrEnum):
    """A property of a case's results for one student."""

    SATURATED = "saturated"
    NO_LIFT = "no lift"
    NEGATIVE = "negative"
    FLAKY = "flaky"
    NEVER_PASSES = "never passes"


ADVICE: Mapping[Flag, str] = {
    Flag.SATURATED: "the baseline always passes: make the case harder, or drop it",
    Flag.NO_LIFT: "the skill changes nothing: add to the skill what the case needs",
    Flag.NEGATIVE: "passes less often with the skill: look for what misleads the student",
    Flag.FLAKY: "trials of one arm differ: add trials before reading anything into this case",
    Flag.NEVER_PASSES: "fails in every arm: check the case, or try a stronger student",
}


def case_flags(skill: Sequence[bool], baseline: Sequence[bool]) -> tuple[Flag, ...]:
    """The flags of a case.

    ``skill`` and ``baseline`` say for each trial of an arm whether it passed. Either may be empty.
    """
    flags = []
    if baseline and all(baseline):
        flags.append(Flag.SATURATED)
    if len((*skill, *baseline)) > 1 and skill and not any((*skill, *baseline)):
        flags.append(Flag.NEVER_PASSES)
    if skill and baseline:
        gained = sum(skill) * len(baseline) - sum(baseline) * len(skill)
        if gained < 0:
            flags.append(Flag.NEGATIVE)
        elif gained == 0 and not flags:
            flags.append(Flag.NO_LIFT)
    if any(len(set(arm)) > 1 for arm in (skill, baseline)):
        flags.append(Flag.FLAKY)
    return tuple(flags)
