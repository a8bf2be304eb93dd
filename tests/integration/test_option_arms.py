"""An A/A run: the skill's arm twice, with further replies for the second one, and what is kept of it."""

from __future__ import annotations

import json
import shlex
from typing import Any

from tests.integration.conftest import Workbench

STUDENT = "--upskill-student=files:answers"
CASE = "---\nexpect: {contains: [answer]}\n---\nSay word NUMBER.\n"


def test_an_aa_run_asks_for_further_replies_and_its_result_is_shown_with_later_runs(bench: Workbench) -> None:
    for name in ("scale", "shift"):
        (bench.skill / "evals" / f"{name}.md").unlink()
    for number in range(4):
        bench.write(f"skills/tiny/evals/word{number}.md", CASE.replace("NUMBER", str(number)))
        for trial, reply in enumerate((["the answer", "no"], ["the answer"] * 2, ["no"] * 2, ["the answer"])[number]):
            bench.write(f"answers/tiny/word{number}.skill{f'-{trial + 1}' if trial else ''}.md", reply)

    def noise(*arguments: str) -> tuple[Any, str]:
        result = bench.run("skills", STUDENT, "--upskill-report=out.json", *arguments)
        report = json.loads((bench.root / "out.json").read_text())
        shown = " ".join(" ".join(result.outlines).split())
        return report, shown

    report, shown = noise("--upskill-arms=skill,skill")
    assert "noise floor (this A/A run, 3 cases): flip rate 33% [" in shown and "; lift +33 points [" in shown
    assert report["noise"][0] | {"flip_interval": 0, "lift_interval": 0, "started": ""} == {
        "skill": "tiny", "student": "files", "run": None, "started": "", "cases": 3,
        "flip_rate": 1 / 3, "flip_interval": 0, "lift": 1 / 3, "lift_interval": 0,
    }  # fmt: skip
    verdicts = {item["id"].rpartition("::")[2]: item["verdict"] for item in report["items"] if item["arm"] == "repeat"}
    assert verdicts == {"word0[files-repeat-2]": "failed", "word1[files-repeat-2]": "passed",
                        "word2[files-repeat-2]": "failed", "word3[files-repeat-2]": "not-answered"}  # fmt: skip
    replay = next(item["replay"] for item in report["items"] if item["id"].endswith("word0[files-repeat-2]"))
    again = bench.run(*shlex.split(replay)[1:])
    assert again.ret == 0 and again.parseoutcomes() == {"passed": 1}
    assert "repeat 0/1" in " ".join(" ".join(again.outlines).split()), "it failed again, as a control arm"
    later, shown = noise("--upskill-arms=skill")
    assert f"noise floor (A/A run 1 of {report['started'][:10]}, 3 cases): flip rate 33%" in shown
    assert later["noise"][0]["run"] == 1
