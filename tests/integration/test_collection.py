"""Skills as pytest items: ids, selection, reruns, JUnit; and nothing at all for those who do not ask."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.integration.conftest import Workbench, case, kernel

STUDENT = "--upskill-student=files:answers"


def collected(result: pytest.RunResult) -> list[str]:
    return [line for line in result.stdout.lines if "::" in line]


def test_nothing_is_collected_and_nothing_heavy_is_loaded_unless_the_user_asks(bench: Workbench) -> None:
    bench.write(
        "test_plain.py",
        "import sys\n\n\ndef test_nothing_heavy():\n"
        "    heavy = {'torch', 'numpy', 'scipy', 'hypothesis', 'openai', 'rich', 'pytest_upskill.session.start'}\n"
        "    assert not heavy & set(sys.modules)\n",
    )
    result = bench.pytester.runpytest_subprocess("-p", "no:hypothesispytest", "-p", "no:anyio")
    result.assert_outcomes(passed=1)
    assert "upskill" not in "\n".join(line for line in result.stdout.lines if not line.startswith("plugins:"))


def test_items_are_named_by_case_student_arm_and_trial(bench: Workbench) -> None:
    bench.right_with_the_skill()
    result = bench.run("skills", STUDENT, "--collect-only", "-q", "--upskill-trials=2")
    prefix = "skills/tiny/SKILL.md::"
    assert collected(result) == [
        prefix + name
        for name in (
            "spec",
            "scale[files-skill]", "scale[files-skill-2]", "scale[files-baseline]", "scale[files-baseline-2]",
            "shift[files-skill]", "shift[files-skill-2]", "shift[files-baseline]", "shift[files-baseline-2]",
        )
    ]  # fmt: skip


def test_the_self_check_has_two_items_for_each_case(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill", "--collect-only", "-q")
    names = [line.rpartition("::")[2] for line in collected(result)]
    assert names == ["spec", "scale[golden]", "scale[mutants]", "shift[golden]", "shift[mutants]"]


def test_tags_are_markers_also_with_strict_ones(bench: Workbench) -> None:
    tags = "dtypes: [float32, float16]\ntags: [slow, fp16-heavy, stage.2, '[x]']\n"
    path = bench.skill / "evals" / "scale.md"
    bench.write(str(path), path.read_text().replace("dtypes: [float32, float16]\n", tags))
    bench.write("skills/tiny/evals/words.md", "---\nexpect: {contains: [warp]}\ntags: [slow]\n---\nWhat is a warp?\n")
    bench.write("answers/tiny/words.skill.md", "A warp is a group of threads.")
    bench.answer("scale", "skill", kernel("scale"))
    bench.pytester.makeini("[pytest]\naddopts = --strict-markers\nmarkers =\n    slow: takes long\n")
    both = ["scale[files-skill]", "words[files-skill]"]
    for expression, expected in (
        ("slow", both),
        ("fp16-heavy and stage.2", both[:1]),
        ("[x] and upskill(arm='skill')", both[:1]),
        ("not slow", ["spec", "shift[files-skill]"]),
        ("stage.2 and not fp16-heavy", []),
    ):
        done = bench.run(
            "skills", "--co", "-q", "--upskill-student=files:answers", "--upskill-arms=skill", "-m", expression
        )
        assert [line.rpartition("::")[2] for line in collected(done)] == expected, expression


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (["-k", "scale and not baseline"], ["scale[files-skill]"]),
        (["-m", "upskill(arm='skill')"], ["scale[files-skill]", "shift[files-skill]"]),
        (["-m", "upskill(case='shift', arm='baseline')"], ["shift[files-baseline]"]),
    ],
)
def test_keywords_and_marks_select(bench: Workbench, selection: list[str], expected: list[str]) -> None:
    bench.right_with_the_skill()
    result = bench.run("skills", STUDENT, "--collect-only", "-q", *selection)
    assert [line.rpartition("::")[2] for line in collected(result)] == expected


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (
            "skills/tiny/SKILL.md",
            ["spec", "scale[golden]", "scale[mutants]", "shift[golden]", "shift[mutants]"],
        ),
        ("skills/tiny/evals/shift.md", ["shift[golden]", "shift[mutants]"]),
        ("skills/tiny/SKILL.md::scale", ["scale[golden]", "scale[mutants]"]),
        ("skills/tiny/SKILL.md::scale[mutants]", ["scale[mutants]"]),
        ("skills/tiny/SKILL.md::scale[golden]", ["scale[golden]"]),
    ],
)
def test_a_skill_a_case_and_an_id_can_be_arguments(bench: Workbench, argument: str, expected: list[str]) -> None:
    result = bench.run(argument, "--upskill", "--collect-only", "-q")
    assert collected(result) == [f"skills/tiny/SKILL.md::{name}" for name in expected]


def test_a_case_named_beside_its_skill_is_collected_once(bench: Workbench) -> None:
    result = bench.run("skills", "skills/tiny/evals/shift.md", "--upskill", "--collect-only", "-q")
    names = [line.rpartition("::")[2] for line in collected(result)]
    assert sorted(names) == ["scale[golden]", "scale[mutants]", "shift[golden]", "shift[mutants]", "spec"]


def failing_shift(bench: Workbench) -> None:
    bench.right_with_the_skill()
    bench.answer("shift", "skill", kernel("shift"))


def test_skills_outside_the_rootdir_keep_their_paths_in_ids(bench: Workbench) -> None:
    root = bench.root / "elsewhere"
    root.mkdir()
    skills = [bench.root / "skills" / name for name in ("first", "second")]
    for skill in skills:
        bench.write(f"skills/{skill.name}/SKILL.md", f"---\nname: {skill.name}\ndescription: d\n---\n")
        bench.write(f"skills/{skill.name}/evals/scale.md", case("scale"))
    arguments = ("--upskill-student=golden", "--collect-only", "-q", f"--rootdir={root}")
    lines = bench.run(*map(str, skills), *arguments).outlines
    for skill in skills:
        (named,) = (line for line in lines if line.startswith(f"{skill}/SKILL.md::") and "scale" in line)
        assert named in bench.run(named, *arguments).outlines


def test_last_failed_reruns_exactly_what_failed(bench: Workbench) -> None:
    failing_shift(bench)
    bench.run("skills", STUDENT).assert_outcomes(passed=4, failed=1)
    again = bench.run("skills", STUDENT, "--lf", "-v")
    again.assert_outcomes(failed=1)
    assert "shift[files-skill]" in again.stdout.str()
    assert "scale" not in again.stdout.str()


def test_exitfirst_ignores_the_baseline_and_stops_at_the_skill_arm(bench: Workbench) -> None:
    bench.right_with_the_skill()
    bench.answer("scale", "skill", kernel("scale", plus=" + 0.5f"))
    result = bench.run("skills", STUDENT, "-x")
    result.assert_outcomes(passed=1, failed=1)


def test_junit_tells_a_failure_from_an_error_and_carries_the_verdicts(bench: Workbench) -> None:
    failing_shift(bench)
    (bench.answers / "tiny" / "scale.skill.md").unlink()
    bench.run("skills", STUDENT, "--junit-xml=out.xml")
    cases = {case.get("name"): case for case in ET.parse(bench.root / "out.xml").iter("testcase")}
    assert cases["shift[files-skill]"].find("failure") is not None
    assert cases["scale[files-skill]"].find("error") is not None
    baseline = cases["scale[files-baseline]"]
    assert baseline.find("failure") is None
    properties = {entry.get("name"): entry.get("value") for entry in baseline.iter("property")}
    assert (properties["upskill_verdict"], properties["upskill_failed"]) == ("failed", "correct[float32]")
    assert str(properties["upskill_counterexample"]).startswith("n=1 dtype=float32")
    text = (bench.root / "out.xml").read_text(encoding="utf-8")
    assert "\x1b" not in text and "#x1B" not in text


def verdicts(bench: Workbench, *arguments: str) -> dict[str, str]:
    bench.run("--upskill-seed=5", "--upskill-report=out.json", *arguments)
    report = json.loads(Path("out.json").read_text(encoding="utf-8"))
    return {item["id"]: item["verdict"] for item in report["items"]}


def test_two_workers_and_another_folder_give_the_same_verdicts(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_shift(bench)
    alone = verdicts(bench, "skills", STUDENT)
    assert set(alone.values()) == {"passed", "failed"}
    assert verdicts(bench, "skills", STUDENT, "-n", "2") == alone
    (bench.root / "elsewhere").mkdir()
    monkeypatch.chdir(bench.root / "elsewhere")
    there = ("../skills", "--upskill-student=files:../answers", "--rootdir=..", "-c", "../tox.ini")
    assert verdicts(bench, *there) == alone


def test_replies_are_kept_without_the_cache_provider(bench: Workbench) -> None:
    bench.run("skills", "--upskill", "-k", "scale and golden", "-p", "no:cacheprovider")
    kept = bench.root / ".upskill" / "replies" / "golden" / "tiny" / "scale.skill.md"
    assert "scale_kernel" in kept.read_text(encoding="utf-8")
    assert (bench.root / ".upskill" / ".gitignore").read_text(encoding="utf-8") == "*\n"
