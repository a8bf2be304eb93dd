"""Comparing two runs: each kind of change, the difference of rates, and what else differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_upskill.history.comparison import ChangeKind, Comparison, Filter, compare
from pytest_upskill.history.store import RunRow, StoredRun
from pytest_upskill.records import ItemKind, Outcome, VerdictKind
from pytest_upskill.reporting.comparison import comparison_lines
from pytest_upskill.reporting.text_style import TextStyle
from tests.unit.reporting_outcomes import golden, outcome, run, spec

WRONG = {"failed": {"reply": "no block"}}
UNSURE: dict[str, Any] = {"kind": VerdictKind.INCONCLUSIVE, "reason": "unsure"}


def stored(number: int, *items: Outcome, **info: Any) -> StoredRun:
    return StoredRun(RunRow(number, "", run(**info)), items)


def changes(old: list[Outcome], new: list[Outcome], **info: Any) -> list[tuple[str, str]]:
    found = compare(stored(1, *old), stored(2, *new, **info))
    return [(change.kind.value, change.key.case) for change in found.changes]


def text(found: Comparison, width: int = 100, **more: Any) -> str:
    return "\n".join(comparison_lines(found, TextStyle(width, color=False, unicode=True), **more))


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (WRONG, {}, "fixed"),
        ({}, WRONG, "regressed"),
        ({}, UNSURE, "no longer decided"),
        (UNSURE, WRONG, "now decided"),
        ({}, {}, None),
        (WRONG, {"failed": {"memory": "reads x[9]"}}, None),
        (UNSURE, {"kind": VerdictKind.BUDGET_STOPPED, "reason": "used up"}, None),
    ],
)
def test_one_trial(before: dict[str, Any], after: dict[str, Any], kind: str | None) -> None:
    assert changes([outcome(**before)], [outcome(**after)]) == ([(kind, "rms_norm")] if kind else [])


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [("---", "+-+", "fixed"), ("+++", "--+", "regressed"), ("++-", "-++", "flipped"), ("+-", "+-", None),
     ("-?", "+-", "fixed"), ("+?", "?+", None)],
)  # fmt: skip
def test_several_trials(before: str, after: str, kind: str | None) -> None:
    known = {"+": {}, "-": WRONG, "?": UNSURE}
    sides = ([outcome(trial=n + 1, **known[sign]) for n, sign in enumerate(signs)] for signs in (before, after))
    assert changes(*sides) == ([(kind, "rms_norm")] if kind else [])


def test_added_removed_and_what_an_interrupted_run_did_not_reach() -> None:
    old, new = [outcome("gone"), outcome("late")], [outcome("new")]
    found = changes(old, new, interrupted=True, unreached=(old[1].id,))
    assert sorted(found) == [("added", "new"), ("not reached", "late"), ("removed", "gone")]


def test_arms_students_skills_and_kinds_are_told_apart() -> None:
    old = [outcome(), outcome(arm="baseline", **WRONG), outcome(skill="other"), spec(), golden("rms_norm"),
           replace(golden("rms_norm"), id="m", kind=ItemKind.MUTANTS)]  # fmt: skip
    new = [replace(item, verdict=outcome(**WRONG).verdict) if item.arm == "skill" else item for item in old]
    found = compare(stored(1, *old), stored(2, *new))
    assert len(found.of_kind(ChangeKind.REGRESSED)) == 4 and found.same == 2


def test_the_same_reply_with_another_verdict_is_marked() -> None:
    one, two = outcome(**WRONG), outcome()
    sides = [stored(number, replace(item, reply_digest="d")) for number, item in ((1, one), (2, two))]
    assert "rms_norm · glm-4.7 · with skill · cuda-kernels: failed → passed; the reply is the same" in text(
        compare(*sides)
    )
    assert "the reply is the same" not in text(compare(stored(1, one), stored(2, two)))


def test_rates_are_paired_by_the_cases_that_both_have_and_corrected_for_their_number() -> None:
    cases = [f"c{number}" for number in range(8)]
    old = [outcome(case, arm=arm, **WRONG) for case in cases for arm in ("skill", "baseline")] + [outcome("old")]
    new = [
        outcome(case, arm=arm, **({} if arm == "skill" else WRONG)) for case in cases for arm in ("skill", "baseline")
    ]
    found = compare(stored(1, *old), stored(2, *new, outcome("new", **WRONG)))
    skill, baseline = found.rates
    assert (skill.before, skill.after, skill.difference.pairs, skill.difference.mean) == ((0, 8), (8, 8), 8, 1.0)
    assert (skill.p, baseline.p) == (pytest.approx(2 * 2**-7), 1.0)
    assert skill.difference.p == pytest.approx(2**-7)
    shown = " ".join(text(found).split())
    assert "cuda-kernels glm-4.7 with skill 8 0/8 0% 8/8 100% +100" in shown and "(Holm)" in shown


def test_two_students_of_two_runs_are_paired_and_labelled() -> None:
    one, two = outcome(student="glm-4.7", **WRONG), outcome(student="kimi")
    found = compare(stored(1, one), stored(2, two))
    assert [change.kind for change in found.changes] == ["fixed"] and found.rates[0].student == "kimi"
    assert "student: glm-4.7 → kimi" in text(found)
    both = compare(stored(1, one, outcome(student="opus")), stored(2, two))
    assert sorted(change.kind for change in both.changes) == ["added", "removed", "removed"]


def test_what_else_differs_is_labelled() -> None:
    old = replace(outcome(), skill_digest="s1", case_digest="c1", prompt_digest="p1")
    new = replace(old, skill_digest="s2", case_digest="c2", prompt_digest="p2")
    before = stored(1, old, machine={"gpu": "A100", "cores": 4}, students={"glm-4.7": {"model": "m1"}}, version="1",
                    revision="a" * 40, dirty=False)  # fmt: skip
    after = stored(2, new, device="cuda", machine={"gpu": "H100", "cores": 4}, students={"glm-4.7": {"model": "m2"}},
                   version="2", revision="a" * 40, dirty=True, interrupted=True)  # fmt: skip
    shown = text(compare(before, after))
    for line in (
        "device: cpu → cuda", "machine: gpu: A100 → H100", "student glm-4.7: model: m1 → m2",
        "pytest-upskill version: 1 → 2", "git: aaaaaaaaaaaa → aaaaaaaaaaaa with changes", "ended: completely → early",
        "skill cuda-kernels: s1 → s2", "cases that changed: rms_norm",
    ):  # fmt: skip
        assert f"\n  {line}\n" in shown, line
    assert "cores" not in shown and "prompts" not in shown, "a changed case explains its prompt"
    assert compare(before, stored(3, old, **{"machine": {}})).contrasts == (), "what is unknown does not differ"
    assert "prompts that changed: rms_norm" in text(
        compare(stored(1, old), stored(2, replace(old, prompt_digest="p3")))
    )


def test_filters_choose_items() -> None:
    old = [outcome(case, arm=arm, **WRONG) for case in ("a", "b") for arm in ("skill", "baseline")]
    new = [outcome(case, arm=arm) for case in ("a", "b") for arm in ("skill", "baseline")]
    runs = stored(1, *old), stored(2, *new)
    assert len(compare(*runs).changes) == 4
    assert len(compare(*runs, Filter(arm="skill")).changes) == 2
    assert [change.key.case for change in compare(*runs, Filter(arm="skill", text="::b[")).changes] == ["b"]
    assert len(compare(*runs, Filter(student="nobody")).changes) == 0


@pytest.mark.parametrize("width", [60, 80, 140])
def test_long_lists_are_cut_unless_all_is_wanted_and_no_line_is_too_wide(width: int) -> None:
    names = [f"case_{number:02}_{'long_name' * 4}\x1b[31m" for number in range(30)]
    found = compare(stored(1, *(outcome(name, **WRONG) for name in names)), stored(2, *map(outcome, names)))
    shown = text(found, width)
    assert "  and 10 more" in shown and "\x1b" not in shown
    assert shown.count("case_") == 20 and text(found, width, everything=True).count("case_") == 30
    assert max(map(len, shown.splitlines())) <= width
