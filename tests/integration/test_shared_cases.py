"""A skill that takes its cases from another: its items, their ids, and one self-check for both."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pytest_upskill.commands.main import main
from tests.integration.conftest import BOTH, Workbench, dedented

WORD = """
    ---
    expect: {contains: [warp]}
    ---
    Name the unit of 32 threads.

    ## Solution

    ```text
    A warp.
    ```
    """
JAPANESE = (
    "---\nname: tiny-ja\ndescription: とても小さなカーネルを書く。\n---\n# 小さなカーネル\n\nサイズを確かめる。\n"
)


@pytest.fixture
def both(bench: Workbench) -> Workbench:
    """``tiny`` with two text cases, and ``tiny-ja``, which takes them."""
    for name in ("scale", "shift"):
        (bench.skill / "evals" / f"{name}.md").unlink()
    for name in ("word", "unit"):
        bench.write(f"skills/tiny/evals/{name}.md", dedented(WORD))
    bench.write("skills/tiny-ja/SKILL.md", JAPANESE)
    bench.write("skills/tiny-ja/evals/cases.yaml", "from: ../tiny\n")
    return bench


def ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


JA, EN = "skills/tiny-ja/SKILL.md", "skills/tiny/SKILL.md"


def test_both_skills_have_the_cases_and_a_student_is_asked_with_each(both: Workbench) -> None:
    both.write("answers/tiny/word.skill.md", "A warp.\n")
    both.write("answers/tiny-ja/word.skill.md", "ワープ(warp)です。\n")
    result = both.run("skills", "--upskill-student=files:answers", "--upskill-arms=skill", "-k", "word", "-v")
    result.assert_outcomes(passed=2)
    assert {line.split()[0] for line in ids(result)} == {f"{JA}::word[files-skill]", f"{EN}::word[files-skill]"}
    alone = both.run(f"{JA}::word[files-skill]", "--upskill-student=files:answers", "--upskill-arms=skill")
    alone.assert_outcomes(passed=1)


@BOTH
def test_a_self_check_of_both_checks_each_case_once_and_one_of_the_taker_checks_it_too(
    both: Workbench, workers: list[str]
) -> None:
    result = both.run("skills", "--upskill", "--collect-only", "-q")
    assert ids(result) == [
        f"{EN}::spec", f"{EN}::unit[golden]", f"{EN}::unit[mutants]", f"{EN}::word[golden]", f"{EN}::word[mutants]",
        f"{JA}::spec",
    ]  # fmt: skip
    both.run("skills", "--upskill", *workers).assert_outcomes(passed=6)
    both.run("skills/tiny-ja", "--upskill", *workers).assert_outcomes(passed=5)


def test_a_wrong_file_is_a_failed_item_with_its_line(both: Workbench) -> None:
    both.write("skills/tiny-ja/evals/cases.yaml", "# whose\nfrom: ../tini\n")
    result = both.run("skills/tiny-ja", "--upskill")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*FAILED skills/tiny-ja/SKILL.md::cases.yaml*"])
    text = " ".join(result.stdout.str().split())
    assert "cases.yaml:2: 'from' is '../tini'; there is no folder" in text and "did you mean 'tiny'?" in text


def test_lint_and_list_know_taken_cases(both: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(both.root)
    both.write("skills/tiny/evals/unit.md", "---\nexpect: {}\n---\nSay it.\n")
    done = CliRunner().invoke(main, ["lint", "skills"])
    assert done.exit_code == 1 and done.output.count("unit.md:2") == 1, "once, although both skills have it"
    done = CliRunner().invoke(main, ["list", "skills"])
    assert done.output.count("word") == 2 and done.exit_code == 1
    both.write("skills/tiny-ja/evals/cases.yaml", "form: ../tiny\n")
    for command in ("lint", "list"):
        done = CliRunner().invoke(main, [command, "skills/tiny-ja"])
        assert done.exit_code == 1 and "unknown key 'form'; did you mean 'from'?" in done.output
