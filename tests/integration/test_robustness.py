"""Slips at the edges of a run: each is told, and none costs the results of the others."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.integration.conftest import Workbench, case, kernel

STUDENT = "--upskill-student=files:answers"


@pytest.mark.parametrize("ending", ["raise SystemExit(3)", "import pytest; pytest.skip('no')"])
def test_a_reference_that_wants_to_end_the_run_fails_its_own_item(bench: Workbench, ending: str) -> None:
    bench.write("skills/tiny/evals/scale.md", case("scale").replace("return x * factor", ending))
    bench.run("skills", "--upskill-student=golden").assert_outcomes(passed=2, failed=1)


def test_a_report_that_fails_at_the_end_is_told_after_the_summary(bench: Workbench) -> None:
    bench.write(
        "conftest.py",
        "import pathlib, shutil\n\n\ndef pytest_runtest_teardown():\n    shutil.rmtree('gone', ignore_errors=True)\n",
    )
    result = bench.run(
        "skills", "--upskill", "-k", "not mutants", "--upskill-report=gone/a.json", "--upskill-report=b.json"
    )
    assert result.ret == 1
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["tiny *2 of 2 cases pass*", "report */gone/a.json failed: *"])
    assert json.loads((bench.root / "b.json").read_text(encoding="utf-8"))["schema"] == 1


def test_a_reply_that_cannot_be_kept_is_an_infrastructure_error_in_every_report(bench: Workbench) -> None:
    bench.write(".upskill", "a file where a folder should be")
    result = bench.run("skills", "--upskill", "--upskill-report=out.json", "-k", "scale and golden")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["cannot write below *"])
    (item,) = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
    assert item["verdict"] == "infrastructure-error"
    assert "Traceback" not in result.stdout.str()


def test_an_assertion_hook_that_raises_keeps_its_traceback_and_its_item(bench: Workbench) -> None:
    bench.write("conftest.py", "def pytest_upskill_assertions(case):\n    raise ZeroDivisionError('ours')\n")
    result = bench.run("skills", "--upskill", "--upskill-report=out.json", "-k", "scale and golden")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*raise ZeroDivisionError('ours')*"])
    (item,) = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
    assert item["reason"] == "unexpected ZeroDivisionError: ours"


def test_a_plugin_can_add_students_assertions_and_reports(bench: Workbench) -> None:
    bench.write("pyproject.toml", '[tool.upskill.students.echo]\nprovider = "echo"\n')
    bench.write(
        "conftest.py",
        "from pytest_upskill.records import Assertion, Reply\n"
        "from pytest_upskill.students.base import Student\n\n\n"
        "class Echo(Student):\n"
        "    def __init__(self, config):\n        self.config = config\n\n"
        "    def ask(self, question, case):\n"
        "        return Reply(text=f'At length:\\n```cuda\\n{case.solution.source}\\n```')\n\n\n"
        "def pytest_upskill_student(config):\n"
        "    return Echo(config) if config.provider == 'echo' else None\n\n\n"
        "def pytest_upskill_assertions(case, reply, kernel):\n"
        "    long = case.name == 'shift' and 'At length' in reply.text\n"
        "    return [Assertion('short', not long, 'it is long')]\n\n\n"
        "def pytest_upskill_report(view):\n"
        "    print(f'{len(view.items)} items on the {view.run.device} device')\n",
    )
    result = bench.run("skills", "--upskill-student=echo", "--upskill-arms=skill", "-s", "-rf")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*3 items on the cpu device*", "FAILED *shift?echo-skill? - short: it is long"])


def test_the_replay_of_a_later_trial_names_the_trials(bench: Workbench) -> None:
    bench.answer("scale", "skill", kernel("scale"))
    bench.answer("scale", "skill", kernel("scale", limit="n - 1"), trial="-2")
    result = bench.run("skills/tiny/evals/scale.md", STUDENT, "--upskill-trials=2", "--upskill-timeout=7")
    result.assert_outcomes(passed=1, failed=1)
    command = "\n".join(result.stdout.lines).replace("\\\n", " ")
    command = command[command.index("pytest 'skills/tiny/SKILL.md::scale[files-skill-2]'") :].splitlines()[0]
    assert "--upskill-trials=2" in command and "--upskill-timeout=7" in command
    bench.run(*shlex.split(command)[1:]).assert_outcomes(failed=1)


def test_an_access_out_of_bounds_is_shown_with_its_line_before_the_values_that_it_spoils(bench: Workbench) -> None:
    bench.answer("scale", "skill", kernel("scale", plus=" + 0.0f * static_cast<float>(x[i + 1])"))
    result = bench.run("skills/tiny/evals/scale.md", STUDENT)
    result.assert_outcomes(failed=1)
    output = " ".join(result.stdout.str().split())
    assert "kernel.cu:4: out-of-bounds read of 4 bytes: element 1 of 'x'" in output
    assert "as if never written" not in output


def test_a_case_without_a_solution_is_named_by_the_self_check(bench: Workbench) -> None:
    text = case("scale")
    bench.write("skills/tiny/evals/scale.md", text[: text.index("## Solution")])
    result = bench.run("skills", "--upskill-student=golden")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*no '## Solution', so not checked: scale*"])


def test_prompts_need_no_device(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill-prompts=out", "--upskill-device=cuda", "-k", "scale")
    assert result.ret == 0
    assert (bench.root / "out/tiny/scale.skill.md").is_file()


def test_arms_that_would_share_a_name_are_refused(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill", "--upskill-arms=previous:HEAD~1,previous:HEAD^1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'previous:HEAD~1' and 'previous:HEAD^1'*'previous-HEAD-1'*"])
