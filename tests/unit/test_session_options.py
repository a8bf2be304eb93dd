"""Options: options over ini values over defaults, validated when they are parsed."""

from __future__ import annotations

import pytest

from pytest_upskill.errors import UsageError
from pytest_upskill.session import options


def configured(pytester: pytest.Pytester, *arguments: str, ini: str = "") -> pytest.Config:
    pytester.makeini(f"[pytest]\n{ini}")
    return pytester.parseconfig(*arguments)


def test_the_command_line_wins_over_the_ini_file(pytester: pytest.Pytester) -> None:
    config = configured(pytester, "--upskill-trials=3", ini="upskill_trials = 2\nupskill_timeout = 4.5")
    read = options.read(config)
    assert (read.trials, read.timeout) == (3, 4.5)


def test_students_may_be_repeated_or_separated_by_commas(pytester: pytest.Pytester) -> None:
    config = configured(pytester, "--upskill-student=a,b", "--upskill-student=c", "--upskill-student=a")
    assert options.read(config).students == ("a", "b", "c")


def test_nothing_is_requested_unless_the_user_asks(pytester: pytest.Pytester) -> None:
    assert not options.requested(configured(pytester))


@pytest.mark.parametrize(
    ("arguments", "ini"),
    [
        (["--upskill"], ""),
        (["--upskill-student=golden"], ""),
        (["--upskill-prompts=out"], ""),
        ([], "upskill = true"),
        ([], "upskill_student = golden"),
    ],
)
def test_an_option_or_an_ini_value_asks(pytester: pytest.Pytester, arguments: list[str], ini: str) -> None:
    assert options.requested(configured(pytester, *arguments, ini=ini))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("arms", "skill,bseline", "unknown arm 'bseline'; accepted: skill, baseline, placebo, previous:REVISION"),
        ("trials", "0", "'0' is not a whole number of at least 1"),
        ("seed", "-1", "'-1' is not a whole number from 0 to 2**63-1"),
        ("timeout", "nan", "'nan' is not a number of seconds above 0"),
        ("device", "gpu", "unknown device 'gpu'; accepted: auto, cuda, cpu"),
        ("base-url", "localhost", "'localhost' is not a URL such as http://127.0.0.1:8080/v1"),
        (
            "compare",
            "skills/",
            "'skills/' is not a run; accepted: a number that `pytest-upskill runs` shows, 'last', or a JSON "
            "report (run.json); a path goes before the option",
        ),
        ("report", "out.xml", "report 'out.xml' must end in one of .json, .md, .csv, .html"),
    ],
)
def test_a_wrong_value_is_refused_with_the_accepted_forms(
    pytester: pytest.Pytester, name: str, text: str, message: str
) -> None:
    option = next(option for option in options.OPTIONS if option.name == name)
    with pytest.raises(ValueError) as caught:
        option.parse(text)
    assert str(caught.value) == message
    config = configured(pytester, ini=f"{option.dest} = {text}")
    with pytest.raises(UsageError) as refused:
        options.read(config)
    assert str(refused.value) == f"ini value {option.dest}: {message}"


def test_the_students_tables_come_from_pyproject(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.upskill.students.mine]\nprovider = "openai"\n[tool.pytest.ini_options]\n')
    read = options.read(pytester.parseconfig())
    assert read.students_tables == {"mine": {"provider": "openai"}}


def test_every_option_has_an_ini_value_of_the_same_name_and_is_in_the_help(pytester: pytest.Pytester) -> None:
    shown = pytester.runpytest("--help").stdout.str()
    for option in options.OPTIONS:
        metavar = option.metavar if option.without_value is None else f"[{option.metavar}]"
        assert f"{option.flag}={metavar}" in shown
        assert f"  {option.dest} " in shown
