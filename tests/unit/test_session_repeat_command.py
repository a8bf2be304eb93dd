"""The commands that reports print: they name every option without which they would run something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.configuration.settings import Settings
from pytest_upskill.session import options
from pytest_upskill.session.repeat_command import record_options, replay_options
from pytest_upskill.students.registry import resolve


def settings(pytester: pytest.Pytester, *arguments: str) -> Settings:
    pytester.makeini("[pytest]")
    return options.read(pytester.parseconfig(*arguments))


def replay(read: Settings, arm: str | None, trial: int = 1) -> str:
    (config,) = resolve(["glm-4.7"], {}, Path())
    return " ".join(replay_options(read, config, arm, trial))


FOLDER = "--upskill-student=files:glm-4.7=.upskill/replies/glm-4.7"


def test_defaults_are_left_out(pytester: pytest.Pytester) -> None:
    read = settings(pytester)
    assert replay(read, "skill") == FOLDER
    assert record_options(read, "glm-4.7", "baseline", 1) == ["--upskill-student=glm-4.7", "--upskill-replies=record"]
    assert replay_options(read, None, None, 1) == ["--upskill"]


@pytest.mark.parametrize("arm", ["placebo", "previous:HEAD~1"])
def test_an_arm_that_is_no_default_is_named(pytester: pytest.Pytester, arm: str) -> None:
    read = settings(pytester, f"--upskill-arms=skill,{arm}")
    assert replay(read, arm) == f"{FOLDER} --upskill-arms={arm}"
    assert record_options(read, "glm-4.7", arm, 1)[2:] == [f"--upskill-arms={arm}"]


def test_a_default_arm_is_named_where_arms_were_given(pytester: pytest.Pytester) -> None:
    assert replay(settings(pytester, "--upskill-arms=baseline"), "baseline") == f"{FOLDER} --upskill-arms=baseline"


def test_both_commands_name_trials_turns_and_how_is_judged(pytester: pytest.Pytester) -> None:
    read = settings(
        pytester, "--upskill-trials=3", "--upskill-turns=2", "--upskill-timeout=2.5", "--upskill-device=cpu",
        "--upskill-arch=sm_90", "--upskill-sandbox=strict", "--upskill-sanitizer",
    )  # fmt: skip
    common = "--upskill-trials=3 --upskill-turns=2"
    judging = (
        "--upskill-timeout=2.5 --upskill-device=cpu --upskill-arch=sm_90 --upskill-sandbox=strict --upskill-sanitizer"
    )
    assert replay(read, "skill", 3) == f"{FOLDER} {common} {judging}"
    assert " ".join(record_options(read, "glm-4.7", "skill", 3)[2:]) == f"{common} {judging}"


def test_recording_names_the_server(pytester: pytest.Pytester) -> None:
    read = settings(pytester, "--upskill-base-url=http://127.0.0.1:9/v1", "--upskill-serve")
    assert record_options(read, "glm-4.7", "skill", 1)[2:] == [
        "--upskill-base-url=http://127.0.0.1:9/v1",
        "--upskill-serve",
    ]
    assert replay(read, "skill") == FOLDER
