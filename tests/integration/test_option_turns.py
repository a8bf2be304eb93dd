"""``--upskill-turns``: a student that was told what is wrong tries again, and pass@turn is reported."""

from __future__ import annotations

import json
import re
import shlex

from tests.integration.conftest import BOTH, Workbench, kernel
from tests.llama.scripted import endpoint, reply


def second_try(bench: Workbench, case: str, arm: str, source: str) -> None:
    bench.answer(case, arm, source, trial=".turn2")


@BOTH
def test_a_kernel_that_is_right_in_the_second_turn_passes_and_the_summary_says_when(
    bench: Workbench, workers: list[str]
) -> None:
    bench.right_with_the_skill()
    second_try(bench, "scale", "baseline", kernel("scale"))
    second_try(bench, "shift", "baseline", "this does not compile")
    result = bench.run(
        "skills", "--upskill-student=files:answers", "--upskill-turns=3", "--upskill-report=out.json",
        "--upskill-report=out.md", *workers,
    )  # fmt: skip
    assert result.ret == 0, result.stdout.str()
    result.stdout.fnmatch_lines(["*passed by turn: with skill 100%; baseline 0%, 50%*"])
    report = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))
    assert [row["pass_at_turn"] for row in report["summary"]] == [[1.0], [0.0, 0.5]]
    turns = {item["id"].rpartition("::")[2]: item["turns"] for item in report["items"] if "turns" in item}
    assert [turn["verdict"] for turn in turns["scale[files-baseline]"]] == ["failed", "passed"]
    assert len(turns["scale[files-skill]"]) == 1
    assert "- files, baseline: 0%, 50%" in (bench.root / "out.md").read_text(encoding="utf-8")


def test_the_command_of_a_failure_judges_the_last_reply_alone(bench: Workbench) -> None:
    bench.answer("scale", "skill", "no kernel at all")
    second_try(bench, "scale", "skill", kernel("scale", limit="n - 1"))
    first = bench.run("skills", "--upskill-student=files:answers", "--upskill-turns=4", "-k", "scale")
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(["scale * with skill * turn 2 *"])
    shown = "\n".join(first.stdout.lines).replace("\\\n", " ")
    command = shown[shown.index("pytest 'skills/tiny/SKILL.md::scale[files-skill]'") :].splitlines()[0]
    assert "--upskill-turns=2" in command and "--upskill-example=" in command
    bench.answer("scale", "skill", kernel("scale"))  # right, and not looked at: the example belongs to the second reply
    again = bench.run(*shlex.split(command)[1:])
    assert again.ret == 1
    again.stdout.fnmatch_lines(["*1 failed*"])


def test_what_is_wrong_goes_back_to_a_model_in_the_same_conversation(bench: Workbench) -> None:
    wrong, right = (f"```cuda\n{kernel('scale', limit=limit)}```\n" for limit in ("n - 1", "n"))
    with endpoint(reply(wrong), reply(right)) as server:
        bench.write(
            "pyproject.toml",
            f"[tool.upskill.students.pupil]\nprovider = 'openai'\nmodel = 'served-model'\nbase_url = '{server.url}'\n",
        )
        result = bench.run(
            "skills", "--upskill-student=pupil", "--upskill-arms=skill", "--upskill-turns=2", "-k", "scale",
            "--upskill-report=out.json",
        )  # fmt: skip
    result.assert_outcomes(passed=1)
    first, second = (question["messages"] for question in server.questions)
    assert second[: len(first)] == first
    assert second[-2] == {"role": "assistant", "content": wrong}
    told = second[-1]["content"]
    assert re.search(r"- failed: correct\[float\d\d\]", told)
    assert "smallest input that shows it: n = 1," in told
    assert "x * factor" not in told, "the reference stays with the judge"
    (item,) = (one for one in json.loads((bench.root / "out.json").read_text())["items"] if one["kind"] == "kernel")
    assert item["tokens"] == {"input": 22, "output": 14, "cached": 8}
    kept = bench.root / ".upskill/replies/pupil/tiny"
    assert {path.name for path in kept.glob("*.md")} == {"scale.skill.md", "scale.skill.turn2.md"}


def test_a_number_of_turns_that_is_none_is_refused(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill", "--upskill-turns=0")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*'0' is not a whole number of at least 1*"])
