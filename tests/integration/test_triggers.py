"""Trigger evals: whole runs with students that always choose the skill, never do, or go by a word of the query."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pytest_upskill.reporting
from tests.integration.conftest import BOTH, Workbench
from tests.integration.text_skill import cassette_of, student, text_skill
from tests.llama.scripted import Stream, endpoint, reply

SCHEMA = Path(pytest_upskill.reporting.__file__).with_name("report.schema.json")
QUERIES = [
    ("Write a kernel that scales a vector.", True),
    ("A kernel for an element-wise sum, please.", True),
    ("My kernel reads past the end.", True),
    ("Multiply every element on the GPU by two.", True),
    ("Pop a walnut kernel.", False),
    ("Bake a cake.", False),
    ("Write a poem about kernels of corn.", False),
    ("Translate this letter.", False),
    ("Sort my receipts.", False),
]
"""Going by the word "kernel" chooses the skill for five queries, three of them rightly; four should trigger it."""
ASK = ("skills", "--upskill-student=pupil", "-k", "trigger")
Choice = Callable[[str], str]


def write_queries(bench: Workbench, queries: list[tuple[str, bool]] = QUERIES) -> Path:
    entries = [{"query": query, "should_trigger": wanted} for query, wanted in queries]
    return bench.write("skills/tiny/evals/triggers.json", json.dumps(entries, indent=2))


def choosing(choice: Choice) -> Callable[[dict[str, Any]], Stream]:
    return lambda request: reply(choice(request["messages"][-1]["content"]))


def by_word(query: str) -> str:
    return "skill: tiny" if "kernel" in query else "skill: none"


def report_of(bench: Workbench) -> dict[str, Any]:
    found = json.loads((bench.root / "run.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("choice", "passed", "counts", "precision", "recall"),
    [
        (lambda query: "skill: tiny", 4, (4, 5, 0, 0), 4 / 9, 1.0),
        (lambda query: "skill: none", 5, (0, 0, 5, 4), None, 0.0),
        (by_word, 6, (3, 2, 3, 1), 3 / 5, 3 / 4),
        (lambda query: "skill: pdf-forms", 5, (0, 0, 5, 4), None, 0.0),
    ],
    ids=["always", "never", "by a word", "another"],
)
def test_precision_and_recall_are_those_of_the_choices(
    bench: Workbench, choice: Choice, passed: int, counts: tuple[int, ...], precision: float | None, recall: float
) -> None:
    write_queries(bench)
    with endpoint(choosing(choice)) as server:
        student(bench, server.url)
        done = bench.run(*ASK, "--upskill-noise=20", "--upskill-report=run.json")
        done.assert_outcomes(passed=passed, failed=len(QUERIES) - passed)
        assert len(server.questions) == len(QUERIES)
        systems = {request["messages"][0]["content"] for request in server.questions}
    (system,) = systems
    assert len(re.findall(r"(?m)^- `[\w-]+`: ", system)) == 21 and "- `tiny`: Writes very small kernels." in system
    assert "SKILL-MARKER" not in system
    (row,) = report_of(bench)["triggers"]
    names = ("chosen_rightly", "chosen_wrongly", "left_rightly", "left_wrongly")
    assert tuple(row[name] for name in names) == counts
    assert (row["precision"], row["recall"]) == (pytest.approx(precision), recall)
    low, high = row["recall_interval"]
    assert low <= recall <= high and high - low > 0.3
    assert (row["precision_interval"] is None) is (precision is None)


@BOTH
def test_a_choice_by_a_word_is_told_in_every_report(bench: Workbench, workers: list[str]) -> None:
    write_queries(bench)
    with endpoint(choosing(by_word)) as server:
        student(bench, server.url)
        done = bench.run(*ASK, "--upskill-noise=7", "--upskill-report=run.json,run.md,run.html,run.csv", *workers)
    text = " ".join(done.stdout.str().split())
    said = "among 7 other skills, 9 queries: precision 3/5 60% [23% to 88%], recall 3/4 75% [30% to 95%]"
    assert f"pupil choice of the skill {said}" in text
    assert "✗ not chosen for this query the student chose tiny: 'Pop a walnut kernel.'" in text
    assert "✗ chosen for this query the student chose no skill: 'Multiply every element" in text
    for name in ("run.md", "run.html"):
        shown = (bench.root / name).read_text(encoding="utf-8").replace("\\", "")
        assert "precision 3/5 60%" in shown, name
    item = next(one for one in report_of(bench)["items"] if "walnut" in one["trigger"]["query"])
    assert (item["kind"], item["student"], item["arm"], item["verdict"]) == ("trigger", "pupil", None, "failed")
    assert item["trigger"]["named"] == ["tiny"] and report_of(bench)["run"]["noise"] == "7"
    assert "--upskill-student=files:pupil=.upskill/replies/pupil --upskill-noise=7" in text.replace("\\ ", "")


def test_replies_are_stored_repeated_recorded_and_replayed_with_their_noise(bench: Workbench) -> None:
    write_queries(bench)
    only = (*ASK[:2], "-k", "trigger and walnut")
    with endpoint(choosing(by_word)) as server:
        student(bench, server.url)
        bench.run(*only, "--upskill-noise=3", "--upskill-replies=record").assert_outcomes(failed=1)
        bench.run(*only, "--upskill-replies=record").assert_outcomes(failed=1)
        assert len(server.questions) == 2
        for noise in ((), ("--upskill-noise=3",)):
            bench.run(*only, *noise, "--upskill-replies=replay").assert_outcomes(failed=1)
            files = "--upskill-student=files:pupil=.upskill/replies/pupil"
            bench.run("skills", files, *only[2:], *noise).assert_outcomes(failed=1)
        bench.run(*only, "--upskill-noise=3:1").assert_outcomes(failed=1)
        assert len(server.questions) == 3
    assert sorted(one.arm for one in cassette_of(bench).recordings()) == ["trigger", "trigger-noise3"]


def test_an_answer_that_names_no_skill_decides_nothing(bench: Workbench) -> None:
    write_queries(bench, [QUERIES[0], QUERIES[5]])
    with endpoint(reply("I would rather think about it.\nPerhaps tiny.")) as server:
        student(bench, server.url)
        done = bench.run(*ASK[:2], "-k", "trigger", "-rs")
        done.assert_outcomes(skipped=2)
    text = " ".join(done.stdout.str().split())
    assert done.ret == 7 and "neither 'skill: NAME' nor 'skill: none'" in text and "2 not decided" in text


def test_a_broken_file_fails_and_loses_nothing_else(bench: Workbench) -> None:
    bench.write("skills/tiny/evals/triggers.json", '[\n{"query": "a", "should_trigger": true},\n{"query": "a"}]')
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 2)
        done = bench.run("skills", "--upskill-student=pupil", "--upskill-arms=skill")
        done.assert_outcomes(passed=3, failed=1)
    assert "triggers.json:3: an entry has no 'should_trigger'" in " ".join(done.stdout.str().split())


def test_the_file_can_be_named_alone_and_a_skill_can_have_nothing_else(bench: Workbench) -> None:
    path = write_queries(bench)
    for case in (bench.skill / "evals").glob("*.md"):
        case.unlink()
    with endpoint(choosing(by_word)) as server:
        student(bench, server.url)
        bench.run("skills", *ASK[1:2]).assert_outcomes(passed=7, failed=3)
        bench.run(str(path.relative_to(bench.root)), *ASK[1:2]).assert_outcomes(passed=6, failed=3)
        assert len(server.questions) == len(QUERIES)
        node = next(line for line in bench.run(*ASK, "--collect-only", "-q").stdout.lines if "walnut" in line)
        bench.run(node, *ASK[1:2]).assert_outcomes(failed=1)


def test_noise_stands_beside_the_skill_of_a_kernel_and_its_replies_have_files_of_their_own(bench: Workbench) -> None:
    for folder, options in (("plain", ()), ("noisy", ("--upskill-noise=5",))):
        bench.run("skills", f"--upskill-prompts={folder}", "-k", "scale", *options)
    names = [sorted(path.name for path in (bench.root / one / "tiny").glob("*.md")) for one in ("plain", "noisy")]
    assert names == [["scale.baseline.md", "scale.skill.md"], ["scale.baseline.md", "scale.skill-noise5.md"]]
    texts = [[(bench.root / one / "tiny" / name).read_text(encoding="utf-8") for name in found]
             for one, found in zip(("plain", "noisy"), names, strict=True)]  # fmt: skip
    assert texts[0][0] == texts[1][0] and "SKILL-MARKER" in texts[1][1]
    plain, noisy = (set(re.findall(r"(?m)^- `[\w-]+`: ", one[1])) for one in texts)
    assert plain < noisy and len(noisy - plain) == 5
    bench.right_with_the_skill()
    done = bench.run("skills", "--upskill-student=files:answers", "--upskill-noise=5")
    assert done.ret == pytest.ExitCode.USAGE_ERROR and "<case>.skill-noise5.md" in done.stderr.str()
    done = bench.run("skills", "--upskill", "--upskill-noise=5")
    assert done.ret == pytest.ExitCode.USAGE_ERROR and "--upskill-noise: without a student" in done.stderr.str()


def test_gates_neither_count_choices_nor_end_the_asking_for_them(bench: Workbench) -> None:
    write_queries(bench)
    with endpoint(choosing(lambda query: "an answer" if query.startswith("Say") else by_word(query))) as server:
        text_skill(bench, server, 6, "concurrency = 1")
        gates = ("--upskill-until-decided", "--upskill-min-pass-rate=0.5")
        done = bench.run("skills", "--upskill-student=pupil", "--upskill-arms=skill", *gates, "--upskill-noise=2")
        done.assert_outcomes(passed=1 + 3 + 6, skipped=3, failed=3)
    assert "recall 3/4" in done.stdout.str()


def test_known_failures_and_trials(bench: Workbench) -> None:
    write_queries(bench, [QUERIES[0], QUERIES[4]])
    with endpoint(choosing(by_word)) as server:
        student(bench, server.url)
        known = "--upskill-xfail=tiny/trigger.pop* pupil: goes by the word"
        done = bench.run(*ASK, known, "--upskill-trials=3", "--upskill-report=run.json", "--upskill-replies=live")
        done.assert_outcomes(passed=3, xfailed=3)
        assert len(server.questions) == 6
    (row,) = report_of(bench)["triggers"]
    assert (row["queries"], row["chosen_rightly"], row["chosen_wrongly"]) == (2, 3, 3)
    assert row["precision"] == 0.5 and row["precision_interval"][1] > 0.9  # two queries, whatever their trials


def test_students_with_answers_of_their_own_are_asked_only_where_they_have_one(bench: Workbench) -> None:
    write_queries(bench, [QUERIES[0], QUERIES[4]])
    bench.run("skills", "--upskill", "-k", "trigger or spec").assert_outcomes(passed=1)
    bench.right_with_the_skill()
    done = bench.run("skills", "--upskill-student=files:answers", "--collect-only", "-q")
    assert "trigger" not in done.stdout.str()
    written = bench.run("skills", "--upskill-prompts=prompts", "-k", "trigger", "--upskill-noise=2")
    assert written.ret == 0
    prompts = sorted(path.name for path in (bench.root / "prompts" / "tiny").glob("trigger*"))
    assert len(prompts) == 2 and all(name.endswith(".trigger-noise2.md") for name in prompts)
    for name in prompts:
        bench.write(f"answers/tiny/{name}", "skill: tiny")
    done = bench.run("skills", "--upskill-student=files:answers", "--upskill-noise=2", "-k", "trigger")
    done.assert_outcomes(passed=1, failed=1)
