"""``--upskill-student``: who is asked, what is collected, and how it ends."""

from __future__ import annotations

import pytest

from tests.integration.conftest import BOTH, Workbench, kernel


@BOTH
def test_the_skill_arm_decides_and_the_baseline_is_reported(bench: Workbench, workers: list[str]) -> None:
    bench.right_with_the_skill()
    result = bench.run("skills", "--upskill-student=files:answers", "-v", *workers)
    assert result.ret == 0
    output = result.stdout.str()
    for line in (
        "SKILL.md::scale[files-skill] PASSED",
        "SKILL.md::scale[files-baseline] BASELINE FAILED",
        "SKILL.md::shift[files-baseline] BASELINE FAILED",
    ):
        name, word = line.rsplit("] ", 1)
        assert any(name in row and word in row for row in output.splitlines()), f"{line!r} is missing"
    result.assert_outcomes(passed=5)


def test_a_failing_kernel_fails_its_item_with_the_smallest_counterexample_and_the_command_to_replay_it(
    bench: Workbench,
) -> None:
    bench.right_with_the_skill()
    bench.answer("scale", "skill", kernel("scale", limit="n - 1"))
    result = bench.run("skills", "--upskill-student=files:answers", "-k", "scale and not baseline")
    assert result.ret == 1
    output = result.stdout.str()
    assert "correct[float32]" in output
    assert "n=1 dtype=float32" in output
    command = output.replace("\\\n", " ")[output.index("replay: ") :].split()
    assert command[:4] == [
        "replay:",
        "pytest",
        "'skills/tiny/SKILL.md::scale[files-skill]'",
        "--upskill-student=files:answers",
    ]


def test_the_printed_command_replays_the_counterexample(bench: Workbench) -> None:
    bench.answer("scale", "skill", kernel("scale", limit="n - 1"))
    bench.answer("shift", "skill", kernel("shift", plus=" + 1.0f"))
    first = bench.run("skills", "--upskill-student=files:answers")
    command = "\n".join(first.stdout.lines).replace("\\\n", " ")
    command = command[command.index("pytest 'skills/tiny/SKILL.md::scale[files-skill]'") :].splitlines()[0]
    again = bench.pytester.run("sh", "-c", command)
    assert again.ret == 1
    again.stdout.fnmatch_lines(["*n=1 dtype=float32*"])


def test_an_arm_without_any_file_is_not_collected_and_any_other_missing_reply_is_an_error(bench: Workbench) -> None:
    bench.answer("scale", "skill", kernel("scale"))
    result = bench.run("skills", "--upskill-student=files:answers", "-v")
    result.assert_outcomes(passed=2, errors=1)
    assert "baseline" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*there is no reply at *answers/tiny/shift.skill.md*"])


def test_a_folder_that_is_not_there_is_named_before_anything_runs(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill-student=files:nowhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*nowhere does not exist; expected a folder with*"])


def test_an_unknown_student_is_refused_with_the_names_that_are_known(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill-student=glm-4.6")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unknown student 'glm-4.6'*glm-4.7*"])


def test_no_server_is_an_error_that_says_how_to_start_one(bench: Workbench) -> None:
    nowhere = "--upskill-base-url=http://127.0.0.1:9/v1"
    result = bench.run("skills", "--upskill-student=glm-4.7", nowhere, "-k", "scale and not baseline")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*127.0.0.1:9*llama-server*"])
