"""The other options, each as a user calls it, alone and with two workers where that could matter."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from pytest_upskill import reporting
from tests.integration.conftest import BOTH, Workbench, kernel

STUDENT = "--upskill-student=files:answers"


@BOTH
def test_prompts_are_written_and_nothing_runs(bench: Workbench, workers: list[str]) -> None:
    result = bench.run("skills", "--upskill-prompts=out", *workers)
    result.assert_outcomes(skipped=4, passed=1)
    with_skill = (bench.root / "out/tiny/scale.skill.md").read_text(encoding="utf-8")
    without = (bench.root / "out/tiny/scale.baseline.md").read_text(encoding="utf-8")
    assert "SKILL-MARKER" in with_skill
    assert "SKILL-MARKER" not in without
    assert with_skill.startswith("# System\n") and "\n# User\n" in with_skill
    user = [text.partition("\n# User\n")[2] for text in (with_skill, without)]
    assert user[0] == user[1]
    asked = " ".join(user[0].split())
    assert "void scale(scalar_t* out, const scalar_t* x, float factor, int64_t n, cudaStream_t stream);" in asked
    assert "## Reference" not in with_skill and "return x * factor" not in with_skill


def test_a_prompt_can_be_answered_by_hand_and_judged(bench: Workbench) -> None:
    shown = bench.run("skills", "--upskill-prompts", "my prompts", "-k", "tiny").stdout.str()
    assert "The prompts are in my prompts. Save each answer under the same path in my prompts-answers" in " ".join(
        shown.split()
    )
    for name, plus in (("scale", ""), ("shift", " + 1.0f")):
        for arm in ("skill", "baseline"):
            bench.answer(name, arm, kernel(name, plus=plus))
    (bench.root / "answers").rename(bench.root / "my prompts-answers")
    (command,) = (line for line in shown.splitlines() if line.startswith("  pytest "))
    assert shlex.split(command)[-4:-1] == ["skills", "-k", "tiny"]
    bench.run(*shlex.split(command)[1:]).assert_outcomes(passed=5)


@BOTH
def test_reports_are_written_by_the_controller_alone(
    bench: Workbench, workers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.right_with_the_skill()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(bench.root / "summary"))
    reports = ["--upskill-report=a.json", "--upskill-report=b.md,c.csv,skill-creator:tree", "--junit-xml=d.xml"]
    bench.run("skills", STUDENT, *reports, *workers)
    report = json.loads((bench.root / "a.json").read_text(encoding="utf-8"))
    assert report["schema"] == 1
    assert report["device"] == "cpu"
    assert len(report["items"]) == 5
    lift = report["lift"][0]
    assert (lift["arm"], lift["against"], lift["lift"]) == ("skill", "baseline", 1.0)
    schema = json.loads((Path(reporting.__file__).parent / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, schema)
    markdown = (bench.root / "b.md").read_text(encoding="utf-8")
    assert "## tiny" in markdown
    assert (bench.root / "summary").read_text(encoding="utf-8") == markdown
    assert len((bench.root / "c.csv").read_text(encoding="utf-8").splitlines()) == 6
    run = bench.root / "tree" / "tiny" / "files" / "eval-1" / "without_skill" / "run-1"
    assert "scale_kernel" in (run / "outputs" / "reply.md").read_text(encoding="utf-8")
    assert "factor" in json.loads((run.parent / "eval_metadata.json").read_text(encoding="utf-8"))["prompt"]
    found = ElementTree.parse(bench.root / "d.xml").iter("property")
    properties = [(one.get("name"), one.get("value")) for one in found]
    assert properties.count(("upskill_arm", "baseline")) == 2
    assert ("upskill_student", "files") in properties
    assert [value for name, value in properties if name == "upskill_counterexample"]


def test_a_report_path_that_cannot_be_written_is_refused_before_anything_runs(bench: Workbench) -> None:
    bench.write("file", "")
    result = bench.run("skills", "--upskill", "--upskill-report=file/report.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*file/report.json cannot be written*"])


def test_the_header_prints_the_seed_and_the_seed_repeats_the_run(bench: Workbench) -> None:
    bench.answer("scale", "skill", kernel("scale", limit="(n > 700 ? 700 : n)"))
    arguments = ["skills/tiny/evals/scale.md", STUDENT, "--upskill-report=out.json"]
    first = bench.run(*arguments)
    seed = re.search(r"seed: (\d+)", first.stdout.str())
    assert seed
    before = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
    bench.run(*arguments, f"--upskill-seed={seed.group(1)}")
    after = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
    for item in (*before, *after):
        item.pop("seconds")
    assert before == after
    assert before[0]["counterexample"]["dims"]["n"] > 1


def test_an_example_is_judged_alone(bench: Workbench) -> None:
    bench.answer("scale", "skill", kernel("scale", limit="n - 1"))
    result = bench.run(
        "skills/tiny/evals/scale.md",
        STUDENT,
        "--upskill-example=n=12 dtype=float16 seed=3",
        "--upskill-report=out.json",
    )
    result.assert_outcomes(failed=1)
    item = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"][0]
    assert item["counterexample"]["dims"] == {"n": 12}
    assert item["counterexample"]["dtype"] == "float16"
    assert "correct[float32]" not in [assertion["name"] for assertion in item["assertions"]]


def test_an_example_of_another_case_is_a_usage_error_that_shows_the_form(bench: Workbench) -> None:
    bench.answer("scale", "skill", kernel("scale"))
    result = bench.run("skills/tiny/evals/scale.md", STUDENT, "--upskill-example=rows=12 dtype=float16 seed=3")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert not (bench.root / ".upskill").exists(), "the student was asked before the example was read"
    result.stderr.fnmatch_lines(["*'rows'*Write it as 'n=33 dtype=float32 seed=7'"])


def test_a_hanging_kernel_fails_when_its_time_is_over(bench: Workbench) -> None:
    body = kernel("scale").replace("if (i <", "while (factor != 0.0f && n > 0 && threadIdx.x < 4000u) {}\n  if (i <")
    bench.answer("scale", "skill", body)
    result = bench.run("skills/tiny/evals/scale.md", STUDENT, "--upskill-timeout=0.5", "-rf")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["* runs", "*kernel.cu:4: still running after *", "  ▶ 4 *"])


def test_the_placebo_has_the_skills_length_and_none_of_its_words(bench: Workbench) -> None:
    bench.run("skills", "--upskill-prompts=out", "--upskill-arms=skill,placebo")
    skill = (bench.root / "out/tiny/scale.skill.md").read_text(encoding="utf-8")
    placebo = (bench.root / "out/tiny/scale.placebo.md").read_text(encoding="utf-8")
    assert abs(len(skill) - len(placebo)) <= 2
    assert "SKILL-MARKER" not in placebo and "garden" in placebo


def test_the_previous_arm_takes_the_skill_from_git(bench: Workbench) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        assert bench.pytester.run("git", *identity, *arguments).ret == 0

    git("init", "-q")
    git("add", "skills")
    git("commit", "-q", "-m", "one")
    skill = bench.skill / "SKILL.md"
    skill.write_text(skill.read_text(encoding="utf-8").replace("SKILL-MARKER", "NEWER-TEXT"), encoding="utf-8")
    bench.run("skills", "--upskill-prompts=out", "--upskill-arms=skill,previous:HEAD")
    assert "NEWER-TEXT" in (bench.root / "out/tiny/scale.skill.md").read_text(encoding="utf-8")
    assert "SKILL-MARKER" in (bench.root / "out/tiny/scale.previous-HEAD.md").read_text(encoding="utf-8")


def test_a_skill_that_is_younger_than_a_revision_is_inconclusive_there(bench: Workbench) -> None:
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org")
    for arguments in (("init", "-q"), ("add", "skills"), ("commit", "-q", "-m", "one")):
        assert bench.pytester.run(*git, *arguments).ret == 0
    bench.write("skills/young/SKILL.md", "---\nname: young\ndescription: New.\n---\nText.\n")
    bench.write("skills/young/evals/word.md", "---\nexpect: {contains: [word]}\n---\nSay it.\n")
    bench.write("answers/young/word.previous-HEAD.md", "word")
    result = bench.run("skills", STUDENT, "--upskill-arms=previous:HEAD", "-k", "word", "-rs")
    result.assert_outcomes(skipped=1, deselected=2)
    assert result.ret == 7
    result.stdout.fnmatch_lines(["*previous:HEAD*"])


def test_the_cuda_device_says_what_is_missing(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill", "--upskill-device=cuda")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--upskill-device=cuda*--upskill-device=cpu*"])


def test_exit_status_7_says_that_nothing_was_decided(bench: Workbench) -> None:
    bench.right_with_the_skill()
    bench.write("skills/tiny/SKILL.md", "no frontmatter\n")
    result = bench.run("skills", STUDENT, "-k", "scale or shift")
    result.assert_outcomes(passed=2, skipped=2)
    assert result.ret == 7


def test_writing_prompts_is_a_success(bench: Workbench) -> None:
    assert bench.run("skills", "--upskill-prompts=out", "-k", "scale").ret == 0
