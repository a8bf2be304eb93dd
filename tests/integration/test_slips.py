"""What a user named and does not exist is never green: each slip, beside an honest twin. Nothing is compiled here."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from tests.integration.conftest import BOTH_ALWAYS, Workbench

CASE = "---\nexpect: {contains: [WORD]}\n---\nSay it.\n"
STUDENT = "--upskill-student=files:answers"
KERNEL = "skills/tiny/evals/scale.md"


@pytest.fixture
def words(bench: Workbench) -> Workbench:
    """``skills/words`` with two text cases, and right replies with the skill and without it."""
    bench.write("skills/words/SKILL.md", "---\nname: words\ndescription: Says words.\n---\nSay them.\n")
    for name in ("barrier", "warp"):
        bench.write(f"skills/words/evals/{name}.md", CASE.replace("WORD", name))
        for arm in ("skill", "baseline"):
            bench.write(f"answers/words/{name}.{arm}.md", f"It is a {name}.\n")
    bench.write("test_other.py", "def test_other():\n    pass\n")
    return bench


def refused(result: pytest.RunResult, message: str) -> bool:
    """Whether the run ended with this usage error, and without an item that passed."""
    text = " ".join(result.stderr.str().split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR, (result.ret, text)
    assert fnmatch(text, f"*{message}*"), text
    return " passed" not in result.stdout.str()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--upskill-student=files:."], "has no reply for skill 'words': expected *did you mean files:answers[?]"),
        (["--upskill-student=files:mine=answers/words"], "*did you mean files:mine=answers[?]"),
        (["--upskill-student=files:empty"], "has no reply for skill 'words'*empty holds nothing"),
        (["--upskill-student=files:typed"], "no reply in the arm 'skill'*--upskill-arms=baseline"),
        ([STUDENT, "--upskill-arms=skill,placebo"], "no reply in the arm 'placebo'*--upskill-arms=skill"),
        ([STUDENT, "--upskill-arms=skill,previous:v9"], "arm 'previous:v9': git *name a revision that has it"),
        (["--upskill-prompts=out", "--upskill-arms=previous:v9"], "arm 'previous:v9': git *"),
        ([STUDENT, "--upskill-example=n=3 seed=1"], "no kernel was selected that could be judged on it"),
        (["--upskill-student=golden", "--upskill-arms=baseline"], "'golden' answers in the arm 'skill' only"),
        (["--upskill", "--upskill-replies=replay"], "--upskill-replies: without a student*--upskill-student=NAME"),
        ([STUDENT, "--upskill-base-url=http://127.0.0.1:9/v1"], "--upskill-base-url*llama.cpp, not for files"),
        ([STUDENT, "-o", "upskill_trails=2"], "unknown ini value 'upskill_trails'*did you mean 'upskill_trials'"),
    ],
    ids=lambda value: value[-1].removeprefix("--upskill-") if isinstance(value, list) else "",
)
def test_a_slip_is_a_usage_error_before_anything_is_judged(words: Workbench, options: list[str], message: str) -> None:
    (words.root / "empty").mkdir()
    words.write("typed/words/warp.skil.md", "It is a warp.\n")
    words.write("typed/words/warp.baseline.md", "It is a warp.\n")
    assert refused(words.run("skills/words", "-W", "ignore::pytest.PytestConfigWarning", *options), message)
    assert not (words.root / ".upskill").exists()


@BOTH_ALWAYS
def test_workers_refuse_a_run_as_one_process_does(words: Workbench, workers: list[str]) -> None:
    assert refused(words.run("skills/words", "--upskill-student=files:.", *workers), "did you mean files:answers[?]")


def test_honest_twins_are_judged(words: Workbench) -> None:
    words.run("skills/words", STUDENT, "--upskill-arms=skill,baseline").assert_outcomes(passed=5)
    words.run("skills", STUDENT, "-k", "words").assert_outcomes(passed=5, deselected=1, warnings=1)  # tiny has none
    (words.root / "answers/words/warp.skill.md").unlink()
    (words.root / "answers/words/barrier.skill.md").unlink()
    words.run("skills/words/SKILL.md::warp[files-baseline]", STUDENT).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("example", "refusal"),
    [("n=3 dtype=float16", "'seed': it is missing"), ("n=3 dtype=float64 seed=7", "the case has float32, float16")],
)
def test_an_example_that_cannot_be_read_is_a_usage_error(bench: Workbench, example: str, refusal: str) -> None:
    for who in ("--upskill", STUDENT):
        bench.write("answers/tiny/scale.skill.md", "unread")
        assert refused(bench.run(KERNEL, who, f"--upskill-example={example}"), refusal.replace("'seed'", "*seed*"))


def test_skills_that_are_not_found_or_have_no_case_are_not_green(words: Workbench) -> None:
    assert refused(words.run("test_other.py", STUDENT), "no skill was found")
    words.run("test_other.py", "-o", "upskill_student=golden").assert_outcomes(passed=1)
    words.write("skills/bare/SKILL.md", "---\nname: bare\ndescription: Bare.\n---\nText.\n")
    assert refused(words.run("skills/bare", STUDENT), "there is no case to ask about in skills/bare/evals")
    words.run("skills/bare", "--upskill").assert_outcomes(passed=1)
    both = words.run("skills/bare", "skills/words", STUDENT)
    both.assert_outcomes(passed=6, warnings=1)
    both.stdout.fnmatch_lines(["*skill 'bare' has no case in its folder evals/*"])


def test_reply_files_that_no_case_and_arm_have_are_named(words: Workbench) -> None:
    honest = ["warp.skill-2.md", "warp.skill.turn2.md", "warp.placebo.md", "warp.previous-v1.2.md", "README.md"]
    for name in (*honest, "wrap.skill.md", "warp.base.md"):
        words.write(f"answers/words/{name}", "It is a warp.\n")
    result = words.run("skills/words", STUDENT)
    result.assert_outcomes(passed=5, warnings=1)
    result.stdout.fnmatch_lines(["*answers/words: warp.base.md, wrap.skill.md; a reply is called <case>.<arm>.md*"])
    words.run("skills/words/evals/warp.md", STUDENT).assert_outcomes(passed=2, warnings=0)


def test_a_trial_without_a_reply_is_not_answered_and_has_its_own_count(words: Workbench) -> None:
    words.write("answers/words/warp.skill-2.md", "It is a warp.\n")
    result = words.run("skills/words", STUDENT, "--upskill-trials=2", "--upskill-report=out.json")
    result.assert_outcomes(passed=6, skipped=3)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*with skill: 1 not answered (not counted)", "*baseline: 2 not answered (not counted)"]
    )
    report = (words.root / "out.json").read_text(encoding="utf-8")
    assert report.count('"verdict": "not-answered"') == 3 and '"not_answered": 2' in report
    alone = words.run("skills/words", STUDENT, "--upskill-trials=2", "-k", "barrier and skill-2")
    assert alone.ret == 7
    (words.root / "answers/words/barrier.skill.md").unlink()
    words.run("skills/words", STUDENT, "-k", "barrier and files-skill").assert_outcomes(errors=1)


def test_upskill_beside_a_student_in_an_ini_file_checks_the_cases(words: Workbench) -> None:
    ini = ("-o", "upskill_student=files:answers", "skills/words")
    result = words.run("--upskill", *ini)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["upskill check: cases only: --upskill overrides 'upskill_student = files:answers'"])
    words.run(*ini).assert_outcomes(passed=5)
    words.run("-o", "upskill=true", *ini).assert_outcomes(passed=5)
    words.run("--upskill", "--upskill-student=files:answers", *ini).assert_outcomes(passed=5)


def test_skills_that_are_named_and_not_run_are_told_in_one_line(words: Workbench) -> None:
    def told(*arguments: str, status: int = pytest.ExitCode.NO_TESTS_COLLECTED) -> list[str]:
        result = words.pytester.runpytest_inprocess(*arguments)
        assert result.ret == status
        return [line for line in result.stdout.lines if line.startswith("upskill: ")]

    how = "not run: add --upskill to check the cases, or --upskill-student=NAME to ask a student"
    assert told("skills/words") == [f"upskill: the skill skills/words was {how}"]
    assert told("skills") == [f"upskill: skills such as skills/tiny were {how}"]
    assert told("skills/words/evals/warp.md", status=4) == [f"upskill: the skill skills/words was {how}"]
    assert len(told("skills", "test_other.py", status=0)) == 1
    assert told("test_other.py", status=0) == told(".", status=0) == told(status=0) == []
    assert "--upskill-trials alone has no effect" in told("test_other.py", "--upskill-trials=2", status=4)[0]


def test_a_text_case_that_no_answer_can_pass_fails_its_self_check_and_is_not_asked(words: Workbench) -> None:
    words.write("skills/words/evals/warp.md", "---\nexpect: {contains: [warp], matches: ['lane$.']}\n---\nSay it.\n")
    solved = CASE.replace("WORD", "barrier") + "\n## Solution\n\nIt is a barrier.\n"
    words.write("skills/words/evals/barrier.md", solved)
    result = words.run("skills/words", "--upskill", "-v")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*barrier?golden? PASSED*", "*barrier?mutants? PASSED*", "*warp?mutants? FAILED*"])
    asked = words.run("skills/words", STUDENT)
    asked.assert_outcomes(passed=3, skipped=2)
    assert "fails its self-check: no answer was found that meets 'lane$.'" in " ".join(asked.stdout.str().split())
    assert words.run("skills/words", STUDENT, "-k", "warp").ret == 7
    words.write("skills/words/evals/barrier.md", solved.replace("It is a barrier", "It waits"))
    words.run("skills/words", "--upskill", "-k", "barrier").assert_outcomes(failed=2)


def test_an_unknown_table_of_the_configuration_is_refused(words: Workbench) -> None:
    words.pytester.makepyprojecttoml("[tool.upskill.student.mine]\nprovider = 'openai'\n")
    assert refused(words.run("skills/words", STUDENT), "has no 'student'*did you mean 'students'[?]")
