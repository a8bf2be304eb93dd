"""The commands that reports print: they name every option without which they would run something else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytest_upskill.configuration.settings import Settings
from pytest_upskill.session import options
from pytest_upskill.session.repeat_command import command, is_recorded, record_options, replay_options
from pytest_upskill.students.registry import resolve


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "BUILD_NUMBER", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.delenv(name, raising=False)


def settings(pytester: pytest.Pytester, *arguments: str, ini: str = "") -> Settings:
    pytester.makeini(f"[pytest]\n{ini}")
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


def test_a_value_that_differs_from_the_ini_value_is_named_and_one_that_is_equal_is_not(
    pytester: pytest.Pytester,
) -> None:
    ini = "upskill_arms = skill,placebo\nupskill_turns = 3\nupskill_timeout = 30\nupskill_device = cpu"
    given = ("--upskill-arms=skill,baseline", "--upskill-turns=1", "--upskill-device=auto")
    assert replay(settings(pytester, *given, ini=ini), "baseline") == (
        f"{FOLDER} --upskill-arms=baseline --upskill-turns=1 --upskill-device=auto"
    )
    assert replay(settings(pytester, ini=ini), "placebo") == FOLDER


def test_the_example_of_the_run_is_named(pytester: pytest.Pytester) -> None:
    read = settings(pytester, "--upskill-example=n=3 dtype=float32 seed=0")
    text = command(read, Path("skills/tiny/SKILL.md"), "spec", replay_options(read, None, None, 1))
    assert text.endswith("SKILL.md::spec --upskill --upskill-example='n=3 dtype=float32 seed=0'")


def test_options_of_pytest_that_change_what_is_found_are_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(my_plugin="")
    pytester.syspathinsert()
    pytester.makefile(".ini", other="[pytest]\naddopts = -p my_plugin\n")
    read = settings(pytester, "-c", "other.ini", "-o", "upskill_trials=2", "-p", "no:cacheprovider", "--strict-markers")
    assert read.pytest_options == ("-c", "other.ini", "-o", "upskill_trials=2")
    assert settings(pytester, "-p", "my_plugin").pytest_options == ("-p", "my_plugin")
    assert settings(pytester).pytest_options == ()


def recorded(read: Settings, skill: Path, name: str = "glm-4.7") -> bool:
    (config,) = resolve([name], {}, Path())
    return is_recorded(read, config, skill / "SKILL.md")


@pytest.mark.parametrize("mode", ["auto", "live", "record", "replay"])
def test_a_log_names_the_cassette_if_there_is_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    read = settings(pytester, f"--upskill-replies={mode}")
    assert recorded(read, tmp_path) == (mode == "replay")
    monkeypatch.setenv("CI", "true")
    assert recorded(read, tmp_path) == (mode in ("record", "replay"))
    (tmp_path / "cassettes").mkdir()
    (tmp_path / "cassettes/glm-4.7.jsonl").write_text("", encoding="utf-8")
    assert recorded(read, tmp_path) == (mode != "live")
    assert not recorded(read, tmp_path, "golden")
    assert not is_recorded(read, None, tmp_path)


def test_a_recorded_reply_is_replayed_with_arms_turns_server_and_device(pytester: pytest.Pytester) -> None:
    read = settings(
        pytester, "--upskill-arms=skill,placebo", "--upskill-turns=2", "--upskill-base-url=http://127.0.0.1:9/v1",
        "--upskill-device=cpu", "--upskill-replies=replay", "--upskill-examples=5",
    )  # fmt: skip
    (config,) = resolve(["glm-4.7"], {}, Path())
    assert replay_options(read, config, "placebo", 1, recorded=True, seed=0) == [
        "--upskill-student=glm-4.7", "--upskill-replies=replay", "--upskill-base-url=http://127.0.0.1:9/v1",
        "--upskill-arms=placebo", "--upskill-turns=2", "--upskill-examples=5", "--upskill-seed=0",
        "--upskill-device=cpu",
    ]  # fmt: skip


NAMES = [
    "plain", "two words", "it's", 'a "b"', "$HOME", "a;b", "back\\slash", "tab\there", "no\u00a0break", "w\u00e4hlen",
    "line\nend", "`id`", "a*?", "right\u202eleft", "\udcff\udce4b", "!!",
]  # fmt: skip


def test_a_shell_reads_every_name_as_it_is(pytester: pytest.Pytester) -> None:
    read = settings(pytester)
    words = [word for name in NAMES for word in (f"{name}/SKILL.md::case[x]", f"--upskill-arms=previous:{name}")]
    texts = [command(read, Path(name) / "SKILL.md", "case[x]", [f"--upskill-arms=previous:{name}"]) for name in NAMES]
    assert all(text.isprintable() for text in texts)
    script = "\n".join(text.replace("pytest", "printf '%s\\0'", 1) for text in texts)
    printed = subprocess.run(["bash", "-c", script], capture_output=True, env={"LC_ALL": "C.UTF-8"}, check=True).stdout
    assert printed.decode(errors="surrogateescape").split("\0")[:-1] == words


@pytest.mark.parametrize("name", ["-x", "@scope"])
def test_a_path_is_taken_for_no_option_and_for_no_file_of_arguments(pytester: pytest.Pytester, name: str) -> None:
    shown = command(settings(pytester), Path(name) / "SKILL.md", "spec", [])
    assert shown == f"pytest ./{name}/SKILL.md::spec"
