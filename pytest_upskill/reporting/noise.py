"""The noise floor: the difference that an A/A run found between two arms that are in fact the same."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_upskill.history.store import AARun
from pytest_upskill.reporting import text_style as texts
from pytest_upskill.reporting.text_style import TextStyle
from pytest_upskill.statistics.intervals import Difference, Rate, Trials, paired_difference
from pytest_upskill.statistics.repeated_trials import flip_rate


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What an A/A run of a skill and a student found. ``run`` is the run's number in the history; None for the present
    run.

    ``flips`` is how often two replies to the same question end differently. ``lift`` is the measured lift of the skill
    over itself.
    """

    skill: str
    student: str
    run: int | None
    started: str
    flips: Rate
    lift: Difference


def noise_floor(skill: str, student: str, run: int | None, started: str, arms: tuple[Trials, Trials]) -> NoiseFloor:
    """Return the noise floor, from the trials of both arms by case."""
    one, other = arms
    both = {case: [*trials, *other[case]] for case, trials in one.items() if case in other}
    return NoiseFloor(skill, student, run, started, flip_rate(both), paired_difference(one, other))


def stored_floor(found: AARun) -> NoiseFloor:
    """Return the noise floor of a recorded A/A run."""
    return noise_floor(
        found.skill, found.student, found.number, found.started, (found.skill_trials, found.repeat_trials)
    )


def noise_text(floor: NoiseFloor, text_style: TextStyle) -> str:
    """Return the noise floor in words; empty if no case was decided in both arms."""
    rate, lift = floor.flips, floor.lift
    if rate.mean is None or lift.mean is None:
        return ""
    which = "this A/A run" if floor.run is None else f"A/A run {floor.run} of {floor.started[:10]}"
    flips = f"flip rate {texts.percent(rate.mean)} [{texts.percents(rate.interval())}]"
    points = f"lift {texts.points(lift.mean, text_style)} points{texts.spread(lift.interval, text_style)}"
    return f"noise floor ({which}, {texts.plural(lift.pairs, 'case')}): {flips}; {points}"
