"""``--upskill-judge``: another model judges the rubrics of text cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pytest_upskill.reporting
from tests.integration.conftest import BOTH, Workbench
from tests.integration.text_skill import KEY, TABLE, text_skill
from tests.llama.scripted import Stream, endpoint, reply

SCHEMA = Path(pytest_upskill.reporting.__file__).with_name("report.schema.json")
CASE = """\
---
expect:
  contains: [answer]
  rubric: [It is polite., It is short.]
---
Say the word number NUMBER.

## Solution

This is an answer.
"""
ASK = ("skills", "--upskill-student=pupil", "--upskill-arms=skill", "-k", "word")


def served(request: dict[str, Any]) -> Stream:
    """The student answers; the judge finds the second reply impolite."""
    system, user = request["messages"][0]["content"], request["messages"][-1]["content"]
    if "You check answers" not in system:
        return reply("an answer")
    polite = user.index("It is polite.") < user.index("It is short.")
    verdicts = ["no" if "number 1" in user else "yes", "yes"]
    return reply("\n".join(f"{n}: {text} - so" for n, text in enumerate(verdicts if polite else verdicts[::-1], 1)))


def judged_skill(bench: Workbench, server: Any, cases: int) -> None:
    table = TABLE.replace("URL", server.url)
    text_skill(bench, server, cases, table.replace("pupil", "examiner").replace("served-model", "other-model"))
    for number in range(cases):
        bench.write(f"skills/tiny/evals/word-{number:03}.md", CASE.replace("NUMBER", str(number)))


@BOTH
def test_a_judge_decides_what_texts_cannot(bench: Workbench, workers: list[str]) -> None:
    with endpoint(served) as server:
        judged_skill(bench, server, 2)
        alone = bench.run(*ASK, "-rs", *workers)
        alone.assert_outcomes(skipped=2)
        assert "name one with --upskill-judge=NAME" in alone.stdout.str()
        done = bench.run(*ASK, "--upskill-judge=examiner", "--upskill-report=run.json,run.md,run.html", *workers)
        done.assert_outcomes(passed=1, failed=1)
        asked = len(server.questions)
        assert asked == 2 + 4
        bench.run(*ASK, "--upskill-judge=examiner", *workers).assert_outcomes(passed=1, failed=1)
        assert len(server.questions) == asked
    text = done.stdout.str()
    assert "rubric[It is polite.]" in text and "not true of the answer, by examiner: so" in " ".join(text.split())
    said = "examiner judged 2 rubrics in 4 answers, 72 tokens; two answers to a statement agree in 4 of 4 (kappa 1.00)"
    assert said in " ".join(text.split()) and "judge: examiner" in text
    replay = text[text.index("replay: ") :].partition("\n\n")[0]
    assert "--upskill-arms=skill" in replay and "--upskill-judge=examiner" in replay
    report = json.loads((bench.root / "run.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert report["judges"][0]["kappa"] == 1 and report["judges"][0]["asked"] == 4
    assert [item["rubric"]["answers"] for item in report["items"]] == [[[True] * 2] * 2, [[False, True]] * 2]
    assert all(
        "rubric in 4 answers" not in (bench.root / f"run.{form}").read_text(encoding="utf-8") for form in ("md",)
    )
    assert "examiner judged 2 rubrics" in (bench.root / "run.md").read_text(encoding="utf-8")
    assert "examiner judged 2 rubrics" in (bench.root / "run.html").read_text(encoding="utf-8")
    assert KEY not in text


def test_answers_of_a_judge_are_recorded_and_replayed(bench: Workbench) -> None:
    with endpoint(served) as server:
        judged_skill(bench, server, 1)
        bench.run(*ASK, "--upskill-judge=examiner", "--upskill-replies=record").assert_outcomes(passed=1)
        asked = len(server.questions)
        done = bench.run(*ASK, "--upskill-judge=examiner", "--upskill-replies=replay")
        done.assert_outcomes(passed=1)
        assert len(server.questions) == asked
    assert (bench.skill / "cassettes" / "examiner.jsonl").is_file()


def test_the_self_check_shows_a_solution_to_the_judge(bench: Workbench) -> None:
    with endpoint(served) as server:
        judged_skill(bench, server, 2)
        done = bench.run("skills", "--upskill", "--upskill-judge=examiner", "-k", "golden")
        done.assert_outcomes(passed=1, failed=1)
        assert len(server.questions) == 4


def test_a_person_judges_in_files_with_one_answer(bench: Workbench) -> None:
    with endpoint(served) as server:
        judged_skill(bench, server, 2)
        bench.write("mine/tiny/word-000.rubric-pupil-skill.md", "1: yes\n2: yes\n")
        bench.write("mine/tiny/word-001.rubric-pupil-skill.md", "I do not know.\n")
        done = bench.run(*ASK, "--upskill-judge=files:me=mine", "-rs")
        done.assert_outcomes(passed=1, skipped=1)
        assert "the judge me gave no answer that can be read" in " ".join(done.stdout.str().split())
        assert len(server.questions) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody", "--upskill-judge: unknown student 'nobody'"),
        ("golden", "'golden' answers cases only"),
        ("files:pupil=.", "has the name of another model, 'pupil'"),
        (",", "expected a name"),
    ],
)
def test_a_judge_that_cannot_be_is_refused(bench: Workbench, name: str, said: str) -> None:
    text_skill(bench, SimpleServer, 1)
    done = bench.run(*ASK, f"--upskill-judge={name}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR and said in done.stderr.str()


class SimpleServer:
    url = "http://127.0.0.1:9/v1"
