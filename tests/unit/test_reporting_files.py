"""The reports that are written to files: JSON with its exact keys, Markdown, CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from typing import Any

import numpy
import pytest

from pytest_upskill.records import Example, KernelResources, Outcome, Seconds, VerdictKind
from pytest_upskill.reporting import render
from pytest_upskill.reporting.view import build_view
from tests.unit.html_pages import gated_view
from tests.unit.reporting_outcomes import counterexample, outcome, run, spec


def report(outcomes: list[Outcome], **more: Any) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(render(build_view(outcomes, run(**more)), ".json"), parse_constant=refuse)


def both_arms() -> list[Outcome]:
    return [
        spec(),
        outcome(failed={"correct[float16]": "1 of 33 elements is off"}, counterexample=counterexample()),
        outcome("softmax"),
        outcome(arm="baseline", failed={"reply": "no block"}),
        outcome("softmax", arm="baseline", kind=VerdictKind.INFRASTRUCTURE_ERROR, reason="the server is down"),
    ]


def test_json_has_exactly_the_keys_of_the_schema() -> None:
    data = report(both_arms(), machine={"cpus": 2, "compiler": "g++ 12.2.0"})
    assert list(data) == [
        "schema",
        "machine",
        "device",
        "seed",
        "started",
        "seconds",
        "run",
        "items",
        "summary",
        "lift",
    ]
    assert (data["schema"], data["device"], data["seed"]) == (1, "cpu", 7)
    assert data["machine"] == {"cpus": 2, "compiler": "g++ 12.2.0"}
    for item in data["items"]:
        assert list(item) == ["id", "kind", "skill", "case", "student", "arm", "trial", "verdict", "reason",
                              "assertions", "counterexample", "tokens", "cost_usd", "seconds", "prompt_digest",
                              "reply_digest", "skill_digest", "case_digest", "control_reason"]  # fmt: skip
        assert list(item["tokens"]) == ["input", "output", "cached"]
        assert list(item["seconds"]) == ["reply", "build", "run"]
        assert all(list(one) == ["name", "passed", "message"] for one in item["assertions"])
    for row in data["summary"]:
        assert list(row) == ["skill", "student", "arm", "passed", "total", "inconclusive", "errors", "pass_rate",
                             "interval", "assertions_passed", "assertions_total", "tokens", "cost_usd"]  # fmt: skip
    for row in data["lift"]:
        assert list(row) == ["skill", "student", "arm", "against", "lift", "interval", "p", "verdict", "pairs",
                             "decidable", "p_corrected", "more_cases", "token_ratio", "cost_ratio", "lift_per_usd",
                             "flags"]  # fmt: skip


def test_json_tells_of_a_gpu_what_is_known_of_one_alone() -> None:
    kernels = (KernelResources("k<float>", "sm_90", 40, shared=1024),)
    on_gpu = replace(outcome(), kernels=kernels, device_memory=4096)
    assert Outcome.from_plain(json.loads(json.dumps(on_gpu.to_plain()))) == on_gpu
    item = report([on_gpu])["items"][0]
    assert item["device_memory"] == 4096
    assert item["build"] == {"kernels": [{"name": "k<float>", "architecture": "sm_90", "registers": 40, "stack": 0,
                                          "spill_stores": 0, "spill_loads": 0, "shared": 1024}]}  # fmt: skip


def test_json_leaves_the_student_of_a_spec_null() -> None:
    item = report([spec()])["items"][0]
    assert (item["kind"], item["case"], item["student"], item["arm"], item["trial"]) == ("spec", None, None, None, None)
    assert (item["verdict"], item["reason"], item["counterexample"], item["cost_usd"]) == ("passed", None, None, None)


def test_json_summary_counts_errors_apart_and_sums_tokens() -> None:
    skill, baseline = report(both_arms())["summary"]
    assert (skill["arm"], skill["passed"], skill["total"], skill["pass_rate"], skill["tokens"]) == (
        "skill",
        1,
        2,
        0.5,
        3000,
    )
    assert (baseline["passed"], baseline["total"], baseline["errors"], baseline["pass_rate"]) == (0, 1, 1, 0.0)
    assert len(skill["interval"]) == 2


def test_json_summary_of_nothing_decided_is_null_not_zero() -> None:
    row = report([outcome(kind=VerdictKind.INCONCLUSIVE, reason="unsure")])["summary"][0]
    assert (row["total"], row["inconclusive"]) == (0, 1)
    assert (row["pass_rate"], row["interval"], row["assertions_passed"]) == (None, None, None)


def test_json_lift_of_one_pair_has_no_interval_and_no_verdict() -> None:
    (row,) = report(both_arms())["lift"]
    assert row == {"skill": "cuda-kernels", "student": "glm-4.7", "arm": "skill", "against": "baseline", "lift": 0.0,
                   "interval": None, "p": 1.0, "verdict": None, "pairs": 1, "decidable": False, "p_corrected": 1.0,
                   "more_cases": None, "token_ratio": {"pairs": 1, "mean": 1.0, "interval": None}, "cost_ratio": None,
                   "lift_per_usd": None, "flags": {"never passes": ["rms_norm"]}}  # fmt: skip


def test_json_lift_has_a_verdict_that_allows_for_all_comparisons() -> None:
    def arms(student: str) -> list[Outcome]:
        return [outcome(str(case), student, arm, failed={"reply": "none"} if arm == "baseline" else None)
                for case in range(6) for arm in ("skill", "baseline")]  # fmt: skip

    (one,) = report(arms("a"))["lift"]
    assert (one["pairs"], one["verdict"], one["decidable"], one["p"]) == (6, "better", True, pytest.approx(2 / 64))
    for row in report([*arms("a"), *arms("b")])["lift"]:
        assert (row["verdict"], row["decidable"], row["p_corrected"]) == (None, False, pytest.approx(4 / 64))


def test_json_summary_of_several_trials_has_pass_at_k() -> None:
    (row,) = report([outcome(trial=trial, failed={"memory": "m"} if trial == 3 else None) for trial in (1, 2, 3)])[
        "summary"
    ]
    assert row["pass_rate"] == pytest.approx(2 / 3)
    assert row["pass_at_k"] == {"1": pytest.approx(2 / 3), "2": 1.0, "3": 1.0}
    assert row["pass_all_k"] == {"1": pytest.approx(2 / 3), "2": pytest.approx(1 / 3), "3": 0.0}
    assert row["flip_rate"] == pytest.approx(2 / 3)
    low, high = row["interval"]
    assert low < 0.25 and high > 0.95, "one case says little, whatever its trials"


def test_json_counterexample_can_be_pasted_back() -> None:
    found = next(item["counterexample"] for item in report(both_arms())["items"] if item["counterexample"])
    assert found["assertion"] == "correct[float16]"
    assert (found["dims"], found["dtype"], found["seed"]) == ({"rows": 1, "cols": 33}, "float16", 7)
    assert found["example"] == "rows=1 cols=33 dtype=float16 seed=7"
    assert found["worst"]["index"] == [0, 32]


def test_floating_scalars_and_values_of_small_inputs_are_written_and_survive_plain_data() -> None:
    example = Example({"n": 2}, "float32", 7, "normal", {"k": 1, "alpha": 0.5})
    found = counterexample("memory", example=example, inputs={"x": "[0.5, -1.25]"})
    item = outcome(failed={"correct[float32]": "off", "memory": "reads x[2]"}, counterexample=found)
    assert Outcome.from_plain(json.loads(json.dumps(item.to_plain()))) == item
    written = report([item])["items"][0]
    assert written["counterexample"]["scalars"] == {"k": 1, "alpha": 0.5}
    assert written["counterexample"]["example"] == "n=2 k=1 dtype=float32 seed=7 values=normal alpha=0.5"
    assert [one["name"] for one in written["assertions"] if not one["passed"]] == ["correct[float32]", "memory"]
    page = render(build_view([item], run()), ".md")
    assert (
        "| memory: reads x\\[2\\] | `n=2 k=1 dtype=float32 seed=7 values=normal alpha=0.5`, `x = [0.5, -1.25]` |"
        in page
    )
    plain = render(build_view([outcome(failed={"memory": "m"}, counterexample=counterexample())], run()), ".md")
    assert "| `rows=1 cols=33 dtype=float16 seed=7` |" in plain


@pytest.mark.parametrize(
    ("number", "text"),
    [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (numpy.float32("inf"), "Infinity")],
)
def test_json_spells_what_it_has_no_number_for(number: Any, text: str) -> None:
    item = report([outcome(seconds=Seconds(run=number))])["items"][0]
    assert item["seconds"]["run"] == text


def test_json_names_the_worst_element_field_by_field() -> None:
    text = render(build_view([outcome(failed={"memory": "m"}, counterexample=counterexample())], run()), ".json")
    assert json.loads(text)["items"][0]["counterexample"]["worst"] == {
        "output": "out", "index": [0, 32], "expected": "0.53125", "got": "nan", "error": "nan", "bound": "0.0011",
    }  # fmt: skip


def test_each_item_has_a_line_of_its_own_in_json() -> None:
    view = build_view(both_arms(), run())
    text = render(view, ".json")
    assert [item["id"] for item in json.loads(text)["items"]] == [item.id for item in view.items]
    lines = [line for line in text.splitlines() if line.startswith('    {"id"')]
    assert [json.loads(line.rstrip(",")) for line in lines] == json.loads(text)["items"]
    assert json.loads(render(build_view([], run()), ".json"))["items"] == []


def test_json_keeps_text_that_no_encoding_can_hold() -> None:
    text = render(build_view([outcome(failed={"reply": "\ud800 \x00 \u202e"})], run()), ".json")
    assert text.isascii()
    assert json.loads(text)["items"][0]["assertions"][0]["message"] == "\ud800 \x00 \u202e"


def test_csv_has_one_row_for_each_item() -> None:
    rows = list(csv.DictReader(io.StringIO(render(build_view(both_arms(), run()), ".csv"))))
    assert len(rows) == 5
    failed = next(row for row in rows if row["first_failed"] == "correct[float16]")
    assert failed["counterexample"] == "rows=1 cols=33 dtype=float16 seed=7"
    assert (failed["assertions_passed"], failed["assertions_total"], failed["trial"]) == ("8", "9", "1")


def test_csv_defuses_what_a_spreadsheet_would_run() -> None:
    rows = list(csv.DictReader(io.StringIO(render(build_view([outcome(failed={"reply": "=cmd()"})], run()), ".csv"))))
    assert rows[0]["message"] == "'=cmd()"


def test_markdown_has_a_row_for_each_arm_and_each_loss() -> None:
    text = render(build_view(both_arms(), run()), ".md")
    assert "| glm-4.7 | with skill | 1/2 | 50% | 9% to 91% | 0 points | 8.5/9.0 | 2.0k+1.0k |  | 3.5s |" in text
    assert "| glm-4.7 | baseline | 0/1 (1 infrastructure error) | 0% |" in text
    assert "`rows=1 cols=33 dtype=float16 seed=7`" in text
    assert "not a proof of the tolerance on a GPU" in text
    assert text.count("| failed |") == 1, "control arms are data, not losses"


def test_markdown_is_not_written_by_a_reply() -> None:
    text = render(build_view([outcome(failed={"reply": "a | b <img src=x>\n# head `code`"})], run()), ".md")
    assert "a \\| b \\<img src=x\\> \\# head \\`code\\`" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@octocat", "@\u200boctocat"),
        ("ping a@b.example", "ping a@\u200bb.example"),
        ("https://evil.example/x", "https\u200b://evil.example/x"),
        ("HTTP://evil.example", "HTTP\u200b://evil.example"),
        ("_www.evil.example", "\\_www\u200b.evil.example"),
        ("fixes #12", "fixes \\#\u200b12"),
        ("owner/repo#12 GH-12", "owner/repo\\#\u200b12 GH\u200b-12"),
        ("<b>@x</b>", "\\<b\\>@\u200bx\\</b\\>"),
        ("&#64;octocat &commat;x", "&amp;\\#\u200b64;octocat &amp;commat;x"),
        ("$\\href{x}{y}$", "&dollar;\\\\href\\{x\\}\\{y\\}&dollar;"),
    ],
)
def test_markdown_has_no_live_mention_link_or_issue_reference(text: str, shown: str) -> None:
    items = [
        outcome(failed={"reply": text}, skill=text, student=text, notes=(text,)),
        outcome(student=text, skill=text, arm="baseline"),
    ]
    lines = render(build_view(items, run()), ".md").splitlines()
    assert f"## {shown}" in lines
    assert f"| {shown} | with skill |" in "\n".join(lines)
    assert f"- Note: {shown} (1 item)" in lines
    assert f"| reply: {shown} |" in "\n".join(lines).replace("failed | reply", "| reply")
    assert text not in "\n".join(lines)


def test_markdown_begins_with_the_marker_and_sorts_what_did_not_pass() -> None:
    items = [*both_arms(), outcome("gelu", kind=VerdictKind.INCONCLUSIVE, reason="needs a GPU")]
    lines = render(build_view(items, run()), ".md").splitlines()
    assert lines[0] == "<!-- pytest-upskill -->"
    titles = [line for line in lines if line.startswith(("## ", "<details>"))]
    assert titles[1:] == [
        "## Failed (1)",
        "## Infrastructure errors (1)",
        "## Not decided (1)",
        "<details><summary>Failed without the skill: 1 item</summary>",
    ]
    assert "reply: no block" in lines[lines.index(titles[-1]) + 4]


def test_markdown_has_the_gates_and_what_has_changed_since_the_last_run() -> None:
    text = render(gated_view(), ".md")
    head, _, rest = text.partition("## cuda-kernels")
    assert "- **gate FAIL** min-pass-rate 90%, cuda-kernels glm-4.7: 50% \\[15% to 85%\\]\n" in head
    assert head.count("- **gate ") == 3
    assert "## Since run 3 of 2026-11-23\n\n1 regressed, 1 fixed, 6 added, 0 unchanged.\n" in rest
    assert "- regressed: rms\\_norm · glm-4.7 · with skill · cuda-kernels: passed → 1 of 2 passed\n" in rest
    assert "- Differs: device: cuda → cpu\n" in rest
    plain = render(build_view([outcome()], run()), ".md")
    assert "gate" not in plain and "Since" not in plain


def test_markdown_has_the_commands_that_repeat_what_failed() -> None:
    hostile = "pytest 'a::b[```]' -k '@x'\n</details>"
    items = [outcome(failed={"reply": "no"}, replay=hostile), outcome("add", replay="pytest passed")]
    lines = render(build_view(items, run()), ".md").splitlines()
    start = lines.index("````sh")
    assert lines[start + 1 : start + 3] == ["pytest 'a::b[```]' -k '@x' </details>", "````"]
    assert "pytest passed" not in lines


@pytest.mark.parametrize(("skills", "cases"), [(1, 2000), (400, 1)])
def test_markdown_fits_into_a_comment_however_much_failed(skills: int, cases: int) -> None:
    items = [
        outcome(f"case{case}", skill=f"skill{skill}", failed={"compiles": "[" * 5000}, replay="pytest " + "x" * 300)
        for skill in range(skills)
        for case in range(cases)
    ]
    text = render(build_view(items, run()), ".md")
    assert 1000 < len(text) <= 60_000
    assert text.startswith("<!-- pytest-upskill -->")
    assert f"## Failed ({skills * cases})" in text or "The report is cut here" in text


def test_an_unknown_ending_names_the_accepted_ones() -> None:
    with pytest.raises(ValueError, match=r"no report is called '\.xml'; accepted: \.json, \.md, \.csv"):
        render(build_view([], run()), ".xml")


@pytest.mark.parametrize("suffix", [".json", ".md", ".csv", "upskill", "badge"])
def test_an_empty_run_can_be_written(suffix: str) -> None:
    assert render(build_view([], run()), suffix)
