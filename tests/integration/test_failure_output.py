"""What a failure looks like on the terminal: its reasons, and commands that repeat it where they are read."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.conftest import Workbench, case, fenced, kernel
from tests.llama.scripted import endpoint, reply

STUDENT = "--upskill-student=files:answers"
WORDS = "---\nexpect:\n  contains: [shared memory]\n---\nWhere do the threads of a block share data?\n"
WRONG, UNCOMPILED = kernel("scale", limit="n - 1"), kernel("scale").replace("factor);", "factors);")


@pytest.fixture(autouse=True)
def _outside_of_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "BUILD_NUMBER", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def words(bench: Workbench, **answers: str) -> None:
    """A text case, and the replies to it by arm."""
    bench.write("skills/tiny/evals/words.md", WORDS)
    for arm, text in answers.items():
        bench.write(f"answers/tiny/words.{arm}.md", text)


def flat(result: pytest.RunResult) -> str:
    return " ".join(result.stdout.str().split())


def commands(result: pytest.RunResult) -> Iterator[str]:
    """The commands that a run printed, as a person copies them."""
    text = result.stdout.str()
    yield from re.findall(r"^  replay: ((?:.*\\\n)*.*)", text, re.MULTILINE)
    yield from re.findall(r"record it with: (.*)", text)


def paste(bench: Workbench, command: str) -> pytest.RunResult:
    """Runs a command whose words a shell has read."""
    assert command.startswith("pytest ")
    script = f"printf '%s\\0' {command.removeprefix('pytest ')}"
    read = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    return bench.pytester.runpytest_inprocess("-rf", *read.split("\0")[:-1])


def reasons(result: pytest.RunResult) -> dict[str, str]:
    """The lines of the short test summary: item and reason."""
    lines = (re.match(r"FAILED (\S+) - (.*)", line) for line in result.outlines)
    return {line[1]: line[2] for line in lines if line}


# ------------------------------------------------------------------------------------------------------ commands


def test_a_command_repeats_its_failure(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    bench.answer("scale", "skill", WRONG)
    bench.answer("shift", "skill", UNCOMPILED.replace("scale", "shift"))
    words(bench, skill="In registers.")
    bench.write("skills/tiny/evals/broken.md", case("broken").replace("1..3000", "1.."))
    bench.write("ci.ini", "[pytest]\nupskill_turns = 1\n")
    bench.pytester.makeini("[pytest]\nupskill_turns = 2\nupskill_arms = baseline\n")
    first = bench.run("skills", STUDENT, "-c", "ci.ini", "--upskill-trials=1", "-rf")
    first.assert_outcomes(passed=1, failed=4)
    printed = list(commands(first))
    assert len(printed) == 4
    for command in printed:
        again = paste(bench, command)
        again.assert_outcomes(failed=1)
        ((item, reason),) = reasons(again).items()
        assert re.sub(r" \(\d+ of \d+ .*", "", reason) in reasons(first)[item]


def test_the_command_of_a_run_on_one_example_names_the_example(bench: Workbench) -> None:
    bench.answer("scale", "skill", WRONG)
    first = bench.run("skills", STUDENT, "-k", "scale", "--upskill-example=n=12 dtype=float16 seed=3")
    (command,) = commands(first)
    again = paste(bench, command)
    again.assert_outcomes(failed=1)
    assert "n=12 dtype=float16 seed=3" in flat(again)


def pupil(bench: Workbench, url: str) -> None:
    table = f"[tool.upskill.students.pupil]\nprovider = 'openai'\nmodel = 'm'\nbase_url = '{url}'\n"
    bench.write("pyproject.toml", table)


def test_a_log_of_ci_names_the_recorded_conversation(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = ("skills", "--upskill-student=pupil", "--upskill-arms=skill", "--upskill-turns=2", "-k", "scale")
    with endpoint(reply("I cannot."), reply(fenced(WRONG))) as server:
        pupil(bench, server.url)
        (missing,) = commands(bench.run(*ask, "--upskill-replies=replay"))
        monkeypatch.setenv("CI", "true")
        recorded = paste(bench, missing)
    recorded.assert_outcomes(failed=1)
    (command,) = commands(recorded)
    assert "--upskill-student=pupil --upskill-replies=replay" in " ".join(command.replace("\\\n", " ").split())
    assert "--upskill-device=cpu" in command and "--upskill-turns=2" in command
    shutil.rmtree(bench.root / ".upskill")
    monkeypatch.delenv("CI")
    again = paste(bench, command)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["scale * pupil * with skill * turn 2 *"])


# ------------------------------------------------------------------------------------------------------- reasons


def test_the_reason_why_a_baseline_failed_is_shown_on_request(bench: Workbench) -> None:
    words(bench, skill="In shared memory.", baseline="In registers.")
    reason = "contains[shared memory]: the answer does not contain 'shared memory'"
    ask = ("skills", STUDENT, "-k", "words")
    plain, verbose, report = bench.run(*ask), bench.run(*ask, "-v"), bench.run(*ask, "-rA")
    for result in (plain, verbose, report):
        result.assert_outcomes(passed=2)
    assert reason not in flat(plain)
    assert f"baseline, words: {reason}" in flat(verbose)
    report.stdout.fnmatch_lines(
        ["*- baseline failed -*", "words * files * baseline *", "BASELINE FAILED * - contains*"]
    )


def test_a_failure_of_a_solution_points_into_its_case_and_is_told_once(bench: Workbench) -> None:
    text = case("scale").replace("factor);", "factors);")
    bench.write("skills/tiny/evals/scale.md", text)
    line = text[: text.index("factors);")].count("\n") + 1
    place = f"skills/tiny/evals/scale.md:{line}"
    result = bench.run("skills", "--upskill", "-k", "scale", "-rf")
    result.assert_outcomes(failed=2)
    shown = result.stdout.str()
    assert f"  {place}: error: 'factors' was not declared" in shown and f"\n  {place}\n" in shown
    assert re.search(rf"▶ {line} │ .*factors\);", shown.replace("\n", " "))
    assert "kernel.cu" not in shown
    assert shown.count("error: 'factors' was not declared") == 1
    assert "✗ same cause as scale[golden]\n" in shown
    assert f"✗ scale failed: compiles ({place})" in flat(result)
    bench.answer("scale", "skill", kernel("scale"))
    asked = flat(bench.run("skills", STUDENT, "-k", "scale"))
    assert asked.count(f"its own solution does not compile: {place}: error: 'factors' was not declared") == 1


def test_what_a_report_hook_prints_stands_on_lines_of_its_own(bench: Workbench) -> None:
    bench.write("conftest.py", "def pytest_upskill_report(view):\n    print('rate', len(view.items), end='')\n")
    for options in ((), ("-q",), ("-v",), ("-s",)):
        result = bench.run("skills", "--upskill", "-k", "spec", *options)
        assert "rate 1" in result.outlines, options


def test_quiet_keeps_the_table_and_files_have_no_stored_replies(bench: Workbench) -> None:
    words(bench, skill="In shared memory.", baseline="In registers.")
    ask = ("skills", STUDENT, "-k", "words")
    shown, quiet = bench.run(*ask), bench.run(*ask, "-q")
    assert "+100" in flat(quiet) and "Lift is paired" not in flat(quiet)
    assert "Lift is paired" in flat(shown)
    for result in (shown, quiet):
        assert not [line for line in result.outlines if re.match("device|sandbox|seed|replies", line)]
