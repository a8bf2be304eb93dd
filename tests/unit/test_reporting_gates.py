"""Verdicts of gates on a run, and the lines that show them."""

# ruff: noqa: RUF001, E501 - the texts hold the signs that people see
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.configuration.gates import read_gates
from pytest_upskill.errors import UsageError
from pytest_upskill.records import Outcome, Tokens, VerdictKind
from pytest_upskill.records.gating import Gate, GateKind, Gates, is_called, known_failures
from pytest_upskill.reporting import json_report
from pytest_upskill.reporting.gate_lines import cause_of, result_lines
from pytest_upskill.reporting.terminal import summary_lines
from pytest_upskill.reporting.text_style import TextStyle, measure
from pytest_upskill.reporting.view import View, build_view
from pytest_upskill.session.until_decided import UntilDecided
from tests.unit.reporting_outcomes import outcome, run

RATE, LIFT = GateKind.MIN_PASS_RATE, GateKind.MIN_LIFT


def arm(passed: int, total: int, name: str = "skill", **more: Any) -> list[Outcome]:
    return [outcome(f"case{at:02}", arm=name, failed=None if at < passed else {"runs": f"exit {at}"}, **more)
            for at in range(total)]  # fmt: skip


def judged(outcomes: list[Outcome], *gates: Gate, **more: Any) -> View:
    return build_view(outcomes, run(), Gates(gates, **more))


def verdicts(view: View) -> list[str]:
    return [row.verdict.value for row in view.gates]


def shown(view: View, width: int = 80, unicode: bool = True, verbosity: int = 0) -> str:
    return "\n".join(summary_lines(view, width, False, unicode, verbosity)) + "\n"


@pytest.mark.parametrize(("threshold", "verdict"), [(0.7, "PASS"), (0.75, "PASS"), (0.76, "FAIL")])
def test_a_gate_on_the_rate_compares_the_estimate(threshold: float, verdict: str) -> None:
    assert verdicts(judged(arm(9, 12), Gate(RATE, threshold))) == [verdict]


def test_a_gate_on_the_interval_may_be_inconclusive_and_says_what_would_decide_it() -> None:
    view = judged(arm(9, 12), Gate(RATE, 0.6), interval=True)
    assert verdicts(view) == ["INCONCLUSIVE"]
    assert f"about {view.gates[0].more_cases} more cases like these would decide it" in " ".join(shown(view).split())
    assert verdicts(judged(arm(12, 12), Gate(RATE, 0.6), interval=True)) == ["PASS"]
    assert verdicts(judged(arm(1, 12), Gate(RATE, 0.6), interval=True)) == ["FAIL"]


def test_a_gate_on_the_lift_needs_both_arms() -> None:
    both = [*arm(9, 10), *arm(2, 10, "baseline")]
    assert verdicts(judged(both, Gate(LIFT, 0.7))) == ["PASS"]
    assert verdicts(judged(both, Gate(LIFT, 0.8))) == ["FAIL"]
    assert verdicts(judged(arm(9, 10), Gate(LIFT, 0.1))) == ["INCONCLUSIVE"]


def test_each_student_has_its_verdict_and_nothing_decided_is_inconclusive() -> None:
    lost = [outcome(f"case{at:02}", "down", kind=VerdictKind.INFRASTRUCTURE_ERROR) for at in range(3)]
    assert verdicts(judged([*arm(3, 3), *lost], Gate(RATE, 0.5))) == ["INCONCLUSIVE", "PASS"]


def test_a_gate_on_costs_counts_all_arms_and_unpriced_replies() -> None:
    dear = [*arm(1, 2, cost_usd=0.4), *arm(0, 2, "baseline", cost_usd=0.2)]
    assert verdicts(judged(dear, Gate(GateKind.MAX_COST, 1.2))) == ["PASS"]
    assert verdicts(judged(dear, Gate(GateKind.MAX_COST, 1.1))) == ["FAIL"]
    free = judged(arm(1, 2), Gate(GateKind.MAX_COST, 1.0))
    assert verdicts(free) == ["INCONCLUSIVE"] and "2 of 2 replies have no price" in " ".join(shown(free).split())


def test_a_regression_without_an_earlier_run_is_inconclusive() -> None:
    gates = Gates((Gate(GateKind.NO_REGRESSION, run="last"),))
    view = build_view(arm(2, 2), run(), gates, {"last": "no earlier run has an item of this one"})
    assert verdicts(view) == ["INCONCLUSIVE"] and "no earlier run has an item" in " ".join(shown(view).split())


def test_a_skill_replaces_the_common_gate_of_the_same_kind() -> None:
    gates = Gates((Gate(RATE, 0.9),), {"cuda-kernels": (Gate(RATE, 0.5),), "other": (Gate(LIFT, 0.1),)})
    assert [row.threshold for row in build_view(arm(3, 4), run(), gates).gates] == [0.5]
    assert is_called("a/tiny", "tiny", "skills/a/tiny/SKILL.md::x")
    assert not is_called("iny", "tiny", "skills/a/tiny/SKILL.md::x")


def test_gates_are_in_the_json_report_and_in_one_line_of_the_summary() -> None:
    view = judged([*arm(9, 12), *arm(2, 12, "baseline")], Gate(RATE, 0.7), Gate(LIFT, 0.7))
    rows = json.loads(json_report.render(view))["gates"]
    assert [(row["gate"], row["verdict"]) for row in rows] == [("min-pass-rate", "PASS"), ("min-lift", "FAIL")]
    assert "gates" not in json.loads(json_report.render(judged(arm(9, 12))))
    for width in (60, 80, 140):
        text = shown(view, width, unicode=False, verbosity=-1)
        assert "gate PASS  min-pass-rate 70%, cuda-kernels glm-4.7: 75% [" in text and text.isascii()
        assert max(map(measure, text.splitlines())) <= width


SUMMARY = """\
failures with the skill, by cause
  3x runs: exit 1: case01, case02, case03
unexpected pass: case00 glm-4.7 (a known bug); remove its xfail
gate FAIL  min-pass-rate 50%, cuda-kernels glm-4.7: 25% [5% to 70%]
"""


def test_the_summary_names_causes_known_failures_and_gates() -> None:
    items = [outcome("case00", xfail="a known bug"), *arm(0, 4)[1:]]
    text = shown(judged(items, Gate(RATE, 0.5)), unicode=False)
    assert SUMMARY in text
    assert "by dtype\n  float16: with skill 4/4 100%\n" in shown(judged(items), verbosity=1)


def test_causes_ignore_numbers_and_places() -> None:
    one = outcome(failed={"compiles": "kernel.cu:12:3: error: 'foo' was not declared"})
    two = outcome(failed={"compiles": "kernel.cu:7:31: error: 'foo' was not declared"})
    other = outcome(failed={"compiles": "kernel.cu:7:31: error: 'bar' was not declared"})
    assert cause_of(one) == cause_of(two) != cause_of(other)


def test_reused_replies_are_counted() -> None:
    items = [*arm(2, 2), *arm(0, 2, "baseline", reused=1, tokens=Tokens(900, 100), cost_usd=0.5)]
    text = " ".join(shown(judged(items)).split())
    assert "2 items (2 of the baseline) judged on replies of earlier runs, which saved 2.0k tokens, $1.00" in text
    assert "earlier runs" not in shown(judged(arm(2, 2)))


def read(text: str, tmp_path: Path, typed: frozenset[str] = frozenset(), how: str = "estimate", **found: Any) -> Gates:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    values = {kind.key: None for kind in GateKind} | found
    return read_gates(values, how, tmp_path / "pyproject.toml", typed, False)


def test_tables_of_skills_are_read_and_the_command_line_wins(tmp_path: Path) -> None:
    table = "[tool.upskill.gates.tiny]\nmin_pass_rate = '80%'\nno_regression = true\n"
    assert read(table, tmp_path).own == {"tiny": (Gate(RATE, 0.8), Gate(GateKind.NO_REGRESSION, run="last"))}
    given = read(table, tmp_path, frozenset({"--upskill-min-pass-rate"}), min_pass_rate=0.5)
    assert given.common == (Gate(RATE, 0.5),)
    assert given.own == {"tiny": (Gate(GateKind.NO_REGRESSION, run="last"),)}
    assert not read(table, tmp_path, how="off")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("min_passrate = 1", "has no 'min_passrate'; did you mean 'min_pass_rate'?"),
        ("min_lift = 3", "min_lift: '3' is not a difference of rates from -1 to 1"),
        ("max_cost = [1]", "max_cost: [1] is neither a number nor a text"),
        ("", "is empty; add one of min_pass_rate"),
    ],
)
def test_a_wrong_table_is_refused(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(f"[tool.upskill.gates.tiny]\n{line}\n", tmp_path)
    assert message in str(caught.value)


def test_known_failures_name_cases_and_students() -> None:
    (one, every) = known_failures("tiny/w8 *: loses: a warp\n\n * glm-4.7: slow")
    assert one.matches("tiny", "w8", "any") and not one.matches("tiny", "w7", "any")
    assert one.reason == "loses: a warp"
    assert every.matches("other", "x", "glm-4.7") and not every.matches("other", "x", "glm-5")
    with pytest.raises(ValueError, match="is not a known failure; accepted: SKILL"):
        known_failures("tiny/w8")


def test_asking_stops_once_no_reply_can_change_the_verdict(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from pytest_upskill.records import ItemKind

    def task(at: int) -> Any:
        return SimpleNamespace(kind=ItemKind.KERNEL, case=SimpleNamespace(name=f"case{at:02}"), student="glm-4.7",
                               skill="cuda-kernels", arm="skill", id="skills/cuda-kernels/SKILL.md::x")  # fmt: skip

    (tmp_path / ".upskill").mkdir()
    gates = Gates((Gate(RATE, 0.5),), until_decided=True)
    one, two = (UntilDecided(gates, tmp_path / ".upskill" / "decided.jsonl") for _ in range(2))
    for each in (one, two):
        each.plan(map(task, range(8)))
    for at, item in enumerate(arm(8, 8)):
        assert bool(one.reason(task(at))) is bool(two.reason(task(at))) is (at >= 4), "processes share results"
        (one if at % 2 else two).note(item)
    assert "min-pass-rate=0.5: PASS, no remaining reply can change it" in one.reason(task(7))
    one.close()
    two.close()


def test_a_gate_that_was_decided_early_shows_the_sequence_that_decided() -> None:
    unneeded = [outcome(f"more{at:03}", kind=VerdictKind.NOT_NEEDED, reason="decided") for at in range(100)]
    view = judged([*arm(15, 15), *unneeded], Gate(RATE, 0.5), until_decided=True)
    assert verdicts(view) == ["PASS"]
    assert view.gates[0].reason == "decided early: its confidence sequence excludes 0.5 [0.68, 1.00]"


def decided(width: int, unicode: bool, verbosity: int) -> str:
    items = [*arm(4, 6, tags=("norm",)), *arm(1, 6, "baseline", tags=("norm",)),
             outcome("case90", xfail="needs a grid-wide barrier", failed={"runs": "trap"})]  # fmt: skip
    view = judged(items, Gate(RATE, 0.8), Gate(LIFT, 0.2), interval=True)
    return "\n".join(result_lines(view, TextStyle(width, False, unicode), verbosity))


NARROW = """
failures with the skill, by cause
  2x runs: exit 4: case04, case05
  1x runs: trap: case90
known failure: case90 glm-4.7 (needs a grid-wide barrier)
gate INCONCLUSIVE  min-pass-rate 80%, cuda-kernels glm-4.7:
  57.1% [25% to 84%]; about 9 more cases like these would
  decide it
gate INCONCLUSIVE  min-lift +20 points, cuda-kernels
  glm-4.7: +50 points [-3, +85]; about 15 more cases like
  these would decide it
"""
USUAL = """
failures with the skill, by cause
  2× runs: exit 4: case04, case05
  1× runs: trap: case90
known failure: case90 glm-4.7 (needs a grid-wide barrier)
gate INCONCLUSIVE  min-pass-rate 80%, cuda-kernels glm-4.7: 57.1% [25% to 84%];
  about 9 more cases like these would decide it
gate INCONCLUSIVE  min-lift +20 points, cuda-kernels glm-4.7: +50 points [−3,
  +85]; about 15 more cases like these would decide it
"""
WIDE = """
failures with the skill, by cause
  2× runs: exit 4: case04, case05
  1× runs: trap: case90
by tag
  norm: with skill 4/6 67%, baseline 1/6 17%
by dtype
  float16: with skill 7/7 100%, baseline 6/6 100%
  float32: with skill 7/7 100%, baseline 6/6 100%
known failure: case90 glm-4.7 (needs a grid-wide barrier)
gate INCONCLUSIVE  min-pass-rate 80%, cuda-kernels glm-4.7: 57.1% [25% to 84%]; about 9 more cases like these would decide it
gate INCONCLUSIVE  min-lift +20 points, cuda-kernels glm-4.7: +50 points [−3, +85]; about 15 more cases like these would decide it
"""


@pytest.mark.parametrize(
    ("width", "unicode", "verbosity", "expected"), [(60, False, 0, NARROW), (80, True, 0, USUAL), (140, True, 1, WIDE)]
)
def test_the_lines_below_the_table_at_three_widths(width: int, unicode: bool, verbosity: int, expected: str) -> None:
    assert decided(width, unicode, verbosity) == expected.strip("\n")
