"""``upskill-gen plan``: the table, the budget, the exit status, and that nothing is asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pytest_upskill.commands.generate.main import main
from pytest_upskill.reporting.text_style import percent
from pytest_upskill.statistics.power import Assumed, power
from pytest_upskill.statistics.significance import LEVEL
from tests.unit import generator_cases as tiny
from tests.unit.simulated_students import sections

CASES = 8


@pytest.fixture(autouse=True)
def skill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A skill with text cases, and students behind an address where nobody listens."""
    monkeypatch.chdir(tmp_path)
    made = tiny.make_skill(
        tmp_path, {f"word{at}": tiny.text_case(f"word-{at}") for at in range(CASES)}, sections("Types")
    )
    table = (
        'provider = "openai"\nmodel = "m"\nbase_url = "http://127.0.0.1:9"\nmax_tokens = 1000\napi_key_env = "NO_KEY"\n'
    )
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\n"
        f"[tool.upskill.students.priced]\n{table}price = {{in = 0, out = 10.0}}\n[tool.upskill.students.free]\n{table}"
    )
    return made.parent


def plan(skill: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["plan", str(skill), *words])


def rows(result: Result) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in result.output.splitlines() if line.startswith("  ")]


def test_the_cases_of_the_skill_come_first_then_as_many_as_are_needed(skill: Path) -> None:
    result = plan(skill, "--lift=0.3")
    assert result.exit_code == 7, result.output
    head, *designs = rows(result)
    assert head == ["cases", "trials", "replies", "power"]
    assert [one[:3] for one in designs[:4]] == [
        [str(CASES), str(trials), str(2 * CASES * trials)] for trials in (1, 2, 3, 5)
    ]
    assert designs[0][3:] == [percent(power(Assumed(0.4, 0.3), CASES)), "too few"]
    for cases, _, _, chance, remark in designs[4:]:
        assert chance >= "80%" and remark == f"{int(cases) - CASES} cases more"
    assert re.search(r"find it with a probability of 8\d%; add \d+ cases\n", result.output)
    assert "the skill helps all cases alike" in result.output.replace("\n", " ")


def test_a_suite_that_is_large_enough_ends_with_0(skill: Path) -> None:
    result = plan(skill, "--lift=0.6", "--baseline=0.2", "--trials=3")
    assert result.exit_code == 0
    assert [row[-1] for row in rows(result)[1:]] == ["enough"]
    assert "8 cases with 3 trials each find it" in result.output


def test_costs_are_the_worst_case_of_both_arms_and_all_students(skill: Path) -> None:
    one = rows(plan(skill, "--student=priced", "--trials=2"))[1]
    assert one[3] == "$0.3200"  # 32 replies of at most 1,000 tokens at $10 for a million
    two = plan(skill, "--student=priced", "--student=free", "--trials=2", "--lift=0.5")
    assert re.fullmatch(r"[\d,]+ tokens", rows(two)[1][3])
    assert rows(two)[1][4] == percent(power(Assumed(0.4, 0.5), CASES, 2, LEVEL / 2))


def test_a_budget_says_what_it_pays_for(skill: Path) -> None:
    enough = plan(skill, "--student=priced", "--lift=0.6", "--baseline=0.2", "--budget=0.5")
    assert enough.exit_code == 0
    assert rows(enough)[4][-1] == "enough; over the budget"  # five trials
    small = plan(skill, "--student=priced", "--lift=0.3", "--baseline=0", "--budget=0.15")
    assert small.exit_code == 7
    assert rows(small)[-1][:3] == ["7", "1", "14"]
    words = " ".join(small.output.split())
    assert re.search(
        r"the budget is too small: \$0\.\d+ would do; within it, 7 cases with 1 trial each find a lift of \d+", words
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget=1"], "--budget needs prices: name the students with --student"),
        (["--budget=1", "--student=free"], "the price of the student 'free' is not known; add 'price' to"),
        (["--lift=0.7"], "--lift 0.7 over --baseline 0.4 is a pass rate above 1; lower one of them"),
        (["--lift=nan"], "'nan' is not a number; write a number such as 0.2"),
        (["--lift=0"], "Invalid value for '--lift'"),
        (["--trials=0"], "Invalid value for '--trials'"),
        (["--spread=2"], "Invalid value for '--spread'"),
        (["--student=nobody-there"], "nobody-there"),
    ],
)
def test_what_makes_no_plan_is_a_usage_error(skill: Path, words: list[str], message: str) -> None:
    result = plan(skill, *words)
    assert result.exit_code == 2 and message in " ".join(result.output.split()), result.output


def test_a_folder_without_a_skill_is_named(tmp_path: Path) -> None:
    result = plan(tmp_path / "elsewhere")
    assert result.exit_code == 2 and "elsewhere" in result.output


def test_a_student_that_is_named_twice_is_one(skill: Path) -> None:
    once, twice = (plan(skill, *["--student=free"] * times, "--trials=2") for times in (1, 2))
    assert once.output == twice.output
