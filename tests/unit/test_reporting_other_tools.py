"""Reports for other tools: skill-creator's folders, upskill's CSV, a badge, JUnit properties; CSV that runs nothing."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from pytest_upskill.records import Outcome, Seconds, Tokens, VerdictKind
from pytest_upskill.reporting import junit_properties, render, skill_creator
from pytest_upskill.reporting.csv_report import inert
from pytest_upskill.reporting.view import build_view
from tests.unit.reporting_outcomes import SOURCE, counterexample, golden, outcome, run, spec

FOLDER = "cuda-kernels/glm-4.7"


def items() -> list[Outcome]:
    reply = {"reply": "Use `</script>` and @octocat", "prompt_digest": "d"}
    return [
        spec(),
        outcome(source=SOURCE, prompt="Write rms_norm.", **reply),
        outcome(trial=2, failed={"correct[float16]": "off"}, counterexample=counterexample(), **reply),
        outcome(arm="baseline", failed={"compiles": "</script>"}, tokens=Tokens(10, 5), seconds=Seconds(2.0)),
        outcome("softmax", kind=VerdictKind.INFRASTRUCTURE_ERROR, reason="the server is down"),
        outcome("softmax", arm="placebo"),
    ]


def tree(*outcomes: Outcome) -> dict[str, str]:
    return {str(path): text for path, text in skill_creator.files(build_view(outcomes or items(), run()))}


def test_skill_creator_finds_outputs_grades_prompts_and_times_in_its_layout() -> None:
    files = tree()
    first = f"{FOLDER}/eval-1/with_skill"
    assert files[f"{first}/run-1/outputs/reply.md"] == "Use `</script>` and @octocat"
    assert files[f"{first}/run-1/outputs/kernel.cu"] == SOURCE
    for place in (first, f"{FOLDER}/eval-1"):
        metadata = json.loads(files[f"{place}/eval_metadata.json"])
        assert (metadata["eval_id"], metadata["eval_name"], metadata["prompt"]) == (1, "rms_norm", "Write rms_norm.")
    grading = json.loads(files[f"{first}/run-2/grading.json"])
    assert grading["summary"] == {"passed": 8, "failed": 1, "total": 9, "pass_rate": 8 / 9}
    (failed,) = (one for one in grading["expectations"] if not one["passed"])
    assert (failed["text"], failed["evidence"]) == (
        "correct[float16]",
        "off (example: rows=1 cols=33 dtype=float16 seed=7)",
    )
    timing = json.loads(files[f"{FOLDER}/eval-1/without_skill/run-1/timing.json"])
    assert timing == {"total_tokens": 15, "total_duration_seconds": 2.0, "duration_ms": 2000}


def test_every_run_of_the_tree_has_outputs_and_an_integer_id() -> None:
    files = tree()
    folders = {path.rpartition("/")[0] for path in files if path.endswith("timing.json")}
    assert len(folders) == 5
    for folder in folders:
        metadata = json.loads(files[f"{folder.rpartition('/')[0]}/eval_metadata.json"])
        assert isinstance(metadata["eval_id"], int)
        assert metadata["prompt"]


def test_a_run_without_a_verdict_has_no_grades_and_is_counted_apart() -> None:
    files = tree()
    folder = f"{FOLDER}/eval-2/with_skill/run-1"
    assert files[f"{folder}/outputs/not-judged.txt"] == "infrastructure-error: the server is down\n"
    assert f"{folder}/grading.json" not in files
    benchmark = json.loads(files[f"{FOLDER}/benchmark.json"])
    assert {(one["eval_id"], one["configuration"]) for one in benchmark["runs"]} == {
        (1, "with_skill"),
        (1, "without_skill"),
        (2, "placebo"),
    }
    assert "Not judged, and not counted: 1." in benchmark["notes"]


def test_the_benchmark_starts_with_the_skill_and_its_numbers_are_never_null() -> None:
    text = tree()[f"{FOLDER}/benchmark.json"]
    benchmark = json.loads(text)
    assert list(benchmark["run_summary"]) == ["with_skill", "without_skill", "placebo", "delta"]
    assert benchmark["run_summary"]["delta"] == {"pass_rate": "+0.06", "time_seconds": "-0.2", "tokens": "+1485"}
    assert benchmark["run_summary"]["with_skill"]["pass_rate"] == {
        "mean": 0.9444,
        "stddev": 0.0786,
        "min": 0.8889,
        "max": 1.0,
    }
    numbers = [value for one in benchmark["runs"] for value in one["result"].values()]
    assert all(isinstance(value, int | float) for value in numbers)
    assert (benchmark["metadata"]["executor_model"], benchmark["metadata"]["runs_per_configuration"]) == ("glm-4.7", 2)
    assert "</" not in text
    assert text.isascii()


def test_a_run_with_one_arm_or_without_any_verdict_is_a_benchmark_too() -> None:
    for alone in (outcome(), outcome(kind=VerdictKind.INCONCLUSIVE, reason="needs a GPU")):
        summary = json.loads(tree(alone)[f"{FOLDER}/benchmark.json"])["run_summary"]
        assert list(summary) == ["with_skill", "delta"]
        assert all(isinstance(value, str) for value in summary["delta"].values())


def test_names_of_skills_and_students_cannot_leave_the_folder() -> None:
    files = tree(outcome(skill="../up", student="files:/etc/x", source="s"))
    assert all(not path.startswith("/") and ".." not in path.split("/") for path in files)
    assert "__-up/files--etc-x/benchmark.json" in files


def rows(form: str, *outcomes: Outcome) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(build_view(outcomes or items(), run()), form))))


def test_upskill_reads_one_row_for_each_reply() -> None:
    found = rows("upskill")
    assert [(row["task"], row["run_type"], row["run_number"], row["passed"]) for row in found] == [
        ("rms_norm", "with_skill", "1", "True"),
        ("rms_norm", "with_skill", "2", "False"),
        ("rms_norm", "baseline", "1", "False"),
        ("softmax", "with_skill", "1", ""),
        ("softmax", "placebo", "1", "True"),
    ]
    first, second, _, error, _ = found
    assert list(first)[:6] == ["batch_id", "run_number", "model", "task", "timestamp", "passed"]
    assert list(first)[-4:] == ["session_id", "session_history_file", "run_type", "skill_name"]
    assert (first["batch_id"], first["model"], first["total_tokens"]) == ("2026_11_23_01_44", "glm-4.7", "1500")
    assert (first["llm_time_ms"], first["tool_time_ms"], first["conversation_span_ms"]) == ("1000", "750", "1750")
    assert (first["error_message"], second["error_message"]) == ("", "correct[float16]: off")
    assert error["error_message"] == "infrastructure-error: the server is down"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("  @SUM(A1)", "  '@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2", "'-2"),
        ("wrong;=1+1", "wrong;'=1+1"),
        ("wrong\t=1", "wrong\t'=1"),
        ("a\r\n=HYPERLINK(1)", "a\n'=HYPERLINK(1)"),
        ("\r=1", "\n'=1"),
        ("\x00=1", " '=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("error 2.5 >= 0.1, a = b", "error 2.5 >= 0.1, a = b"),
        ("a-b @ c", "a-b @ c"),
    ],
)
def test_no_cell_is_a_formula(text: str, cell: str) -> None:
    assert inert(text) == cell


@pytest.mark.parametrize("form", [".csv", "upskill"])
def test_names_and_messages_are_inert_in_every_column(form: str) -> None:
    hostile = "=HYPERLINK(1)"
    found = rows(
        form, outcome(hostile, hostile, failed={"reply": hostile}, skill=hostile, notes=(hostile,), reason=hostile)
    )
    assert not any(value.startswith("=") for value in found[0].values())
    assert sum("'=HYPERLINK" in value for value in found[0].values()) >= 3


def badge(*outcomes: Outcome, **more: Any) -> tuple[str, str, str]:
    data = json.loads(render(build_view(outcomes, run(**more)), "badge"))
    assert data.pop("schemaVersion") == 1
    assert list(data) == ["label", "message", "color"]
    return data["label"], data["message"], data["color"]


def pairs(cases: int, better: bool, student: str = "glm-4.7") -> list[Outcome]:
    lost = {"compiles": "no"}
    return [
        outcome(f"case{number}", student, arm, failed=lost if (arm == "skill") != better else None)
        for number in range(cases)
        for arm in ("skill", "baseline")
    ]


def test_a_badge_is_grey_until_a_verdict_is_reached() -> None:
    assert badge() == ("skill lift", "no data", "lightgrey")
    assert badge(outcome()) == ("skill lift", "no data", "lightgrey")
    assert badge(*pairs(3, better=True)) == ("skill lift", "+100 points, undecided", "lightgrey")
    assert badge(*pairs(12, better=True)) == ("skill lift", "+100 points", "brightgreen")
    assert badge(*pairs(12, better=False)) == ("skill lift", "\u2212100 points", "red")


def test_a_badge_of_several_students_shows_the_worst_of_them() -> None:
    good, unsure, bad = pairs(12, True, "a"), pairs(2, True, "b"), pairs(12, False, "c")
    assert badge(*good, *pairs(12, True, "d")) == ("skill lift", "2 better", "brightgreen")
    assert badge(*good, *unsure) == ("skill lift", "1 better, 1 undecided", "lightgrey")
    assert badge(*good, *bad, *unsure) == ("skill lift", "1 better, 1 worse, 1 undecided", "red")


def test_a_badge_of_a_self_check_counts_checks() -> None:
    broken = golden("add", kind=VerdictKind.INCONCLUSIVE, reason="needs a GPU")
    assert badge(spec(), golden("add"), self_check=True) == ("skill cases", "2/2 checks passed", "brightgreen")
    assert badge(spec(), broken, self_check=True) == ("skill cases", "1/2 checks passed", "lightgrey")
    assert badge(spec(reason="bad"), broken, self_check=True) == ("skill cases", "0/2 checks passed", "red")


def test_junit_properties_say_what_an_item_was_and_how_it_ended() -> None:
    failed = outcome(failed={"correct[float16]": "off"}, counterexample=counterexample(), replay="pytest x")
    assert dict(junit_properties.properties(failed)) == {
        "upskill_verdict": "failed",
        "upskill_kind": "kernel",
        "upskill_skill": "cuda-kernels",
        "upskill_case": "rms_norm",
        "upskill_student": "glm-4.7",
        "upskill_arm": "skill",
        "upskill_trial": "1",
        "upskill_input_tokens": "1000",
        "upskill_output_tokens": "500",
        "upskill_reply_seconds": "1.000",
        "upskill_build_seconds": "0.250",
        "upskill_run_seconds": "0.500",
        "upskill_assertions": "8/9",
        "upskill_failed": "correct[float16]",
        "upskill_message": "off",
        "upskill_counterexample": "rows=1 cols=33 dtype=float16 seed=7",
        "upskill_replay": "pytest x",
    }
    assert [name for name, _ in junit_properties.properties(spec())] == [
        "upskill_verdict",
        "upskill_kind",
        "upskill_skill",
    ]
