"""Ablation: the sections of a SKILL.md, and which of them carry the lift of a simulated student."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.errors import BudgetStopped, SkillError, StudentError
from pytest_upskill.generator.ablate import Effect, ablate, cost, what_can_be_decided
from pytest_upskill.generator.sections import INTRODUCTION, UNTITLED, sections_of, without
from pytest_upskill.records import Outcome, Verdict, VerdictKind
from tests.unit.simulated_students import Simulation, rates, sections, some

HEAD = "---\nname: tiny\ndescription: Write small functions. Use for tests.\n---\n"
PATH = Path("skills/tiny/SKILL.md")
TITLES = ("Types", "Order", "Barriers", "History", "Style", "Thanks")
TEXT = sections(*TITLES)


def cut(body: str) -> list[tuple[str, str]]:
    text = HEAD + body
    lines = text.split("\n")
    return [(one.title, "\n".join(lines[one.start : one.end])) for one in sections_of(text, PATH)]


def test_a_skill_is_cut_at_the_first_level_with_two_headings() -> None:
    assert [title for title, _ in cut("# Tiny\n\n## A\n\na\n\n### a1\n\n## B\n\nb\n")] == ["A", "B"]
    assert [title for title, _ in cut("# Tiny\n\nFirst.\n\n## A\n## B\n")] == [INTRODUCTION, "A", "B"]
    assert [title for title, _ in cut("# A\n\na\n\n# B\n\n## b1\n## b2\n")] == ["A", "B"]
    assert [title for title, _ in cut("# Tiny\n## All\n### a\n### b\n")] == ["All", "a", "b"]
    assert [title for title, _ in cut("Only text.\n")] == [INTRODUCTION]
    assert [title for title, _ in cut("## A\n## A\n## A ##\n")] == ["A", "A (2)", "A (3)"]
    assert [title for title, _ in cut("# Tiny\n\nFirst.\n\n## A\n\na\n")] == [INTRODUCTION, "A"]
    assert [title for title, _ in cut("## A\n\na\n")] == ["A"]
    assert [title for title, _ in cut("## \n##\n")] == [UNTITLED, f"{UNTITLED} (2)"]
    assert cut("") == [] and cut("# Tiny\n\n") == []


def test_headings_in_fences_are_none() -> None:
    found = cut("## A\n\n```sh\n## not one\n# nor this\n```\n\n## B\n")
    assert [title for title, _ in found] == ["A", "B"] and "## not one" in found[0][1]


def test_without_a_section_the_rest_is_the_same() -> None:
    one, two = sections_of(TEXT, PATH)[1:3]
    assert without(TEXT, [one]) == sections("Types", *TITLES[2:])
    assert without(TEXT, [one, two]) == sections("Types", *TITLES[3:])
    text = f"{HEAD}\n# Tiny\n\nFirst.\n\n## A\n\na\n\n## B\n\nb\n"
    intro = sections_of(text, PATH)[0]
    assert "# Tiny" in without(text, [intro]) and "First." not in without(text, [intro])
    with pytest.raises(SkillError, match="frontmatter"):
        sections_of("no frontmatter", PATH)


def test_the_right_sections_carry_the_lift() -> None:
    runner = Simulation(rates({"Types": 0.4, "Barriers": 0.45}, 0.1), 1)
    found = ablate(runner, some("case", 20), TEXT, sections_of(TEXT, PATH), 3)
    assert {row.title for row in found.rows if row.effect is Effect.CARRIES} == {"Types", "Barriers"}
    assert {row.title for row in found.may_go} <= {"Order", "History", "Style", "Thanks"} and len(found.may_go) >= 3
    assert found.lift.mean and found.lift.mean > 0.5 and found.undecided == 0
    assert found.together and found.together.effect in (Effect.NONE, Effect.UNDECIDED)


@pytest.mark.full
def test_over_many_noisy_runs_hardly_any_wrong_section_is_named() -> None:
    wrong, named = 0, 0
    for seed in range(30):
        runner = Simulation(rates({"Types": 0.45, "Barriers": 0.4}, 0.1, by_case=0.1), seed)
        found = ablate(runner, some("case", 16), TEXT, sections_of(TEXT, PATH), 2)
        carries = {row.title for row in found.rows if row.effect is Effect.CARRIES}
        wrong += bool(carries - {"Types", "Barriers"})
        named += len(carries & {"Types", "Barriers"})
    assert wrong <= 2 and named >= 45


def test_sections_that_say_the_same_are_only_found_together() -> None:
    def rate(text: str, case: object) -> float:
        return float("## Types" in text or "## Order" in text)

    found = ablate(Simulation(rate, noise=False), some("case", 12), TEXT, sections_of(TEXT, PATH), 1)
    assert all(row.effect is Effect.NONE for row in found.rows)
    assert found.together and found.together.effect is Effect.CARRIES and found.together.drop == 1.0


def test_a_section_that_misleads_lowers_the_rate() -> None:
    runner = Simulation(rates({"Style": -0.9}, 1.0), noise=False)
    runner.rate = lambda text, case: float("## Style" not in text)
    found = ablate(runner, some("case", 12), TEXT, sections_of(TEXT, PATH), 1)
    assert {row.title for row in found.rows if row.effect is Effect.HARMS} == {"Style"}


def test_few_cases_decide_nothing() -> None:
    runner = Simulation(rates({"Types": 1.0}, 0.0), noise=False)
    found = ablate(runner, some("case", 5), TEXT, sections_of(TEXT, PATH), 1)
    assert {row.effect for row in found.rows} == {Effect.UNDECIDED} and not found.may_go and found.together is None
    assert what_can_be_decided(5, 6).startswith("cannot be decided with 5 cases: 3 more are needed")
    assert "at least 8 of 12 cases change" in what_can_be_decided(12, 6)


def test_a_drop_that_is_close_is_not_called_no_effect() -> None:
    runner = Simulation(rates({}), noise=False)
    runner.rate = lambda text, case: float("## Types" in text or case.name not in ("case0", "case1", "case2"))
    found = ablate(runner, some("case", 12), TEXT, sections_of(TEXT, PATH), 1)
    assert next(row for row in found.rows if row.title == "Types").effect is Effect.UNDECIDED


def test_the_cost_is_known_before() -> None:
    found = cost(Simulation(rates({})), some("case", 5), TEXT, sections_of(TEXT, PATH), 2)
    assert found.asked == 5 * 2 * (6 + 2 + 1) and found.usd == pytest.approx(0.9)


def test_what_has_no_verdict_counts_nowhere_and_the_budget_ends_it() -> None:
    runner = Simulation(rates({"Types": 1.0}, 0.0), broken=frozenset({"case0"}))
    found = ablate(runner, some("case", 12), TEXT, sections_of(TEXT, PATH), 1)
    assert {row.pairs for row in found.rows} == {11} and found.undecided >= 8

    with pytest.raises(StudentError, match="no case has a verdict with and without a section: no route"):
        ablate(Simulation(rates({}), broken=frozenset({"case0"})), some("case", 1), TEXT, sections_of(TEXT, PATH), 1)

    class Stopping(Simulation):
        def _outcome(self, *arguments: object) -> Outcome:
            from dataclasses import replace

            found = super()._outcome(*arguments)  # type: ignore[arg-type]
            return replace(found, verdict=Verdict(VerdictKind.BUDGET_STOPPED, "it is used up"))

    with pytest.raises(BudgetStopped, match="used up"):
        ablate(Stopping(rates({})), some("case", 3), TEXT, sections_of(TEXT, PATH), 1)
