"""docs/statistics.md: its examples run, and its figures are computed here or in test_statistics_coverage.py."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from scipy import stats

from pytest_upskill.commands.generate.main import main as upskill_gen
from pytest_upskill.reporting.noise import noise_floor, noise_text
from pytest_upskill.reporting.text_style import TextStyle
from pytest_upskill.statistics import intervals, significance
from pytest_upskill.statistics.flags import ADVICE
from pytest_upskill.statistics.until_decided import CURTAILED, LOOKING_LEVEL, Progress, Stop, rate_stop
from tests.unit.test_reporting_terminal import passing, summary

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")


def test_the_examples_give_what_the_page_shows() -> None:
    blocks = re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("".join(blocks), {}, "statistics.md", "docs/statistics.md", 0)
    assert len(examples.examples) > 20
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(examples, out=said.append)
    assert said == []


@pytest.mark.parametrize("percent", [95, 90, 85, 80, 70])
def test_a_gate_on_the_estimate_errs_as_often_as_the_page_says(percent: int) -> None:
    rate, cells = percent / 100, []
    for cases in (5, 10, 20, 50):
        least = 4 * cases // 5
        fails, passes = stats.binom.cdf(least - 1, cases, rate), stats.binom.sf(least - 1, cases, rate)
        cells.append(f"{100 * (fails if rate >= 0.8 else passes):.1f}%")
    assert f"| {percent}% | {' | '.join(cells)} |" in PAGE


RATES = (0.95, 0.9, 0.8, 0.7, 0.5)


def test_the_cases_that_a_run_until_decided_asks_are_those_of_the_page() -> None:
    stops = {(passed, asked): decided_after(passed, asked, 50) for asked in range(51) for passed in range(asked + 1)}
    for label, curtailed in (("curtailment alone", True), ("with the confidence sequence", False)):
        ended = {state for state, stop in stops.items() if stop and (stop.reason == CURTAILED or not curtailed)}
        row = " | ".join(f"{asked_on_average(ended, 50, rate):.1f}" for rate in RATES)
        assert f"| {label} | {row} |" in PAGE, row
    assert f"| true rate | {' | '.join(f'{rate:.0%}' for rate in RATES)} |" in PAGE


def decided_after(passed: int, asked: int, cases: int) -> Stop | None:
    planned = dict.fromkeys(map(str, range(cases)), 1)
    return rate_stop(Progress({str(case): [case < passed] for case in range(asked)}, planned), 0.5)


def asked_on_average(ended: set[tuple[int, int]], cases: int, rate: float) -> float:
    """From the probability of each number of passes, case by case."""
    going, mean = {0: 1.0}, 0.0
    for asked in range(cases + 1):
        mean += asked * sum(chance for passed, chance in going.items() if (passed, asked) in ended or asked == cases)
        going = {passed: chance for passed, chance in going.items() if (passed, asked) not in ended}
        going = {passed: going.get(passed, 0) * (1 - rate) + going.get(passed - 1, 0) * rate
                 for passed in range(asked + 2)}  # fmt: skip
    return mean


def test_the_summary_on_the_page_is_one() -> None:
    baseline = passing("glm-4.7", "baseline", 2)
    shown = summary([*passing("glm-4.7", "skill", 7), *baseline])
    for line in PAGE.partition("```text\n")[2].partition("```")[0].splitlines()[1:]:
        for part in re.split(r"  +", line.strip()):
            assert part in shown, part


def test_the_plan_on_the_page_is_what_the_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    command, _, shown = PAGE.partition("```text\n$ upskill-gen ")[2].partition("```")[0].partition("\n")
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv("COLUMNS", "80")
    assert CliRunner().invoke(upskill_gen, command.split()).output == shown


def test_the_noise_floor_on_the_page_is_one() -> None:
    flipped = {"skill": "11101110", "repeat": "11011110"}
    arms = [
        {f"case {number}": [result == "1"] for number, result in enumerate(results)} for results in flipped.values()
    ]
    floor = noise_floor("cuda-kernels", "glm-4.7", 12, "2026-11-23T01:44:07+00:00", (arms[0], arms[1]))
    assert f"```text\n{noise_text(floor, TextStyle(200, color=False, unicode=True))}\n```" in PAGE


def test_the_limits_that_the_page_names_are_those_of_the_code() -> None:
    ratio = intervals.paired_ratio(*({case: [tokens] for case in "abcdefgh"} for tokens in (4000.0, 1500.0)))
    assert ratio.mean and ratio.interval
    low, high = ratio.interval
    assert f"relative to the baseline: {ratio.mean:.2f}\u00d7 [{low:.2f}, {high:.2f}] tokens" in PAGE
    assert f"is taken as at least {intervals._LEAST_SPREAD:.0%}," in PAGE
    assert f"as soon as the {1 - LOOKING_LEVEL:.0%} sequence excludes the threshold" in PAGE
    sums, flips = significance._MOST_SUMS, significance._FLIPS
    assert f"more than {sums:,} different sums | {flips:,} random sign flips" in PAGE


def test_the_page_has_every_flag_and_its_advice() -> None:
    for flag, advice in ADVICE.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{flag.value}` |"))
        assert row.endswith(f" {advice.partition(': ')[2]} |")


def test_statistics_load_neither_numpy_nor_scipy_before_they_are_needed() -> None:
    code = (
        "import sys, pytest_upskill.reporting.view\n"
        "from pytest_upskill.statistics import flags, gates, planning, until_decided\n"
        "from pytest_upskill.statistics.intervals import pass_rate\n"
        "assert pass_rate({'a': [True]}).interval()\n"
        "print({'numpy', 'scipy', 'pandas', 'statsmodels'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
